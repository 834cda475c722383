import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import {
  switchHalfSums,
  switchHalfSumsExact,
  switchOff,
  switchRound,
  switchRoundFinite,
  switchTensorCoreSums,
  type TensorValue,
} from "@halfscope/core";
import { afterAll, describe, expect, test } from "vitest";
import { floats, floatValues, node, round, tinyModel } from "../../../test/support/tiny-model.js";
import { addonInfo, OrtSession, type SessionOptions } from "./addon.js";
import { chipSum, halfSum, toHalf } from "./testing/plain-products.js";

type Attributes = NonNullable<Parameters<typeof node>[3]>;
interface Case {
  op: "MatMul" | "Gemm" | "Conv";
  dims: readonly (readonly number[])[];
  attributes?: Attributes;
}
const kinds = { MatMul: 0, Gemm: 1, Conv: 2 };
const names = ["a", "b", "c"] as const;

const wave = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.37 + seed * 0.71));
const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
const halvesOf = ({ dims }: Case): Float32Array[] => dims.map((d, i) => wave(sizeOf(d), i).map(toHalf));
const bits = (tensor: TensorValue | undefined): Uint32Array => new Uint32Array(floatValues(tensor).buffer);

/** The plain node gives "y", the Product "z". Both pass a Neg, so that neither is a graph output: those have ranks to be told. */
function both({ op, dims, attributes = {} }: Case, own: Attributes = {}, symbolic = false): Uint8Array {
  const inputs = names.slice(0, dims.length);
  const rank = op === "MatMul" ? Math.max(2, ...dims.map((d) => d.length)) : (dims[0]?.length ?? 2);
  const any = Array.from({ length: rank }, (_, i) => `d${i}`);
  return tinyModel({
    inputs: inputs.map((name, i) => ({ name, dims: symbolic ? (dims[i] ?? []).map((_, d) => `${name}${d}`) : (dims[i] ?? []) })),
    outputs: [
      { name: "y", dims: any.map((d) => `y${d}`) },
      { name: "z", dims: any.map((d) => `z${d}`) },
    ],
    nodes: [
      node(op, [...inputs], ["y"], attributes),
      node("Product", [...inputs], ["z"], { switch: 0, kind: kinds[op], opset: 13, ...attributes, ...own }, "halfscope"),
    ],
  });
}
const open = (model: Uint8Array, more: Partial<SessionOptions> = {}): Promise<OrtSession> =>
  OrtSession.create({ model, folder: "", threads: 2, optimization: "disabled", prepacking: false, switchCount: 2, slotCount: 0, ...more });

async function runBoth(of: Case, inputs: readonly Float32Array[], switches: readonly number[], own: Attributes = {}, threads = 2) {
  await using session = await open(both(of, own), { threads });
  for (const [i, dims] of of.dims.entries()) session.setFeed(names[i] ?? "", floats(inputs[i] ?? new Float32Array(), dims));
  const { outputs } = await session.run({ switches: Uint8Array.from(switches), fetch: ["y", "z"] });
  return { plain: outputs.get("y"), own: outputs.get("z") };
}

/** A (rows x depth) times B (depth x columns), each element by `sum`. */
const plainMatMul = (
  [a = new Float32Array(), b = new Float32Array()]: readonly Float32Array[],
  [rows, depth, columns]: readonly [number, number, number],
  sum: (pairs: [number, number][]) => number,
): Float32Array =>
  Float32Array.from({ length: rows * columns }, (_, i) =>
    sum(Array.from({ length: depth }, (_unused, k) => [a[Math.floor(i / columns) * depth + k] ?? 0, b[k * columns + (i % columns)] ?? 0])),
  );

const cases: Case[] = [
  {
    op: "MatMul",
    dims: [
      [5, 37],
      [37, 19],
    ],
  },
  {
    op: "MatMul",
    dims: [
      [2, 3, 5, 16],
      [3, 16, 4],
    ],
  },
  {
    op: "MatMul",
    dims: [
      [2, 1, 5, 16],
      [3, 16, 40],
    ],
  },
  {
    op: "MatMul",
    dims: [
      [4, 130, 70],
      [70, 90],
    ],
  },
  {
    op: "Gemm",
    dims: [
      [5, 37],
      [37, 19],
    ],
  },
  { op: "Gemm", dims: [[5, 37], [37, 19], [19]] },
  {
    op: "Gemm",
    dims: [
      [37, 5],
      [19, 37],
      [5, 1],
    ],
    attributes: { transA: 1, transB: 1, alpha: { float: 0.3 }, beta: { float: -1.7 } },
  },
  { op: "Conv", dims: [[2, 6, 9, 11], [4, 3, 3, 3], [4]], attributes: { group: 2, pads: [1, 1, 1, 1], strides: [2, 1] } },
  {
    op: "Conv",
    dims: [
      [1, 3, 20],
      [5, 3, 4],
    ],
    attributes: { auto_pad: "SAME_UPPER", strides: [3] },
  },
  {
    op: "Conv",
    dims: [
      [1, 3, 9, 9],
      [5, 3, 2, 2],
    ],
    attributes: { auto_pad: "SAME_LOWER" },
  },
  {
    op: "Conv",
    dims: [
      [1, 2, 9, 9],
      [5, 2, 3, 3],
    ],
    attributes: { auto_pad: "VALID", dilations: [2, 3] },
  },
  { op: "Conv", dims: [[1, 2, 5, 6, 7], [4, 2, 2, 2, 3], [4]], attributes: { kernel_shape: [2, 2, 3], pads: [0, 1, 1, 1, 0, 1] } },
  {
    op: "Conv",
    dims: [
      [1, 8, 12, 12],
      [8, 1, 3, 3],
    ],
    attributes: { group: 8, pads: [1, 1, 1, 1] },
  },
];

describe("Product, off", () => {
  test.each(cases)("gives the bits of the plain $op of $dims", async (of) => {
    const inputs = of.dims.map((d, i) => wave(sizeOf(d), i));
    for (const threads of [1, 2]) {
      const { plain, own } = await runBoth(of, inputs, [switchOff, 0], {}, threads);
      expect(own?.dims).toEqual(plain?.dims);
      expect(bits(own)).toEqual(bits(plain));
    }
  });

  test("does so for operators of any version, with shapes that are known at run time only", async () => {
    for (const [of, opset] of [
      [cases[0], 9],
      [cases[0], 21],
      [cases[5], 7],
      [cases[5], 11],
      [cases[7], 8],
      [cases[7], 23],
    ] as const) {
      if (of === undefined) throw new Error("no such case");
      await using session = await open(both(of, { opset }, true), { optimization: "basic" });
      for (const [i, dims] of of.dims.entries()) session.setFeed(names[i] ?? "", floats(wave(sizeOf(dims), i), dims));
      const { outputs } = await session.run({ fetch: ["y", "z"] });
      expect(bits(outputs.get("z"))).toEqual(bits(outputs.get("y")));
    }
  });

  test("rounds B by a switch of its own", async () => {
    const [of] = cases;
    if (of === undefined) throw new Error("no cases");
    const [a = new Float32Array(), b = new Float32Array()] = of.dims.map((d, i) => wave(sizeOf(d), i));
    b[7] = 1e6;
    const { own } = await runBoth(of, [a, b], [switchOff, switchRoundFinite], { b_switch: 1 });
    const { plain } = await runBoth(of, [a, b.map((x) => (x > 65504 ? 65504 : toHalf(x)))], [switchOff, 0]);
    expect(bits(own)).toEqual(bits(plain));
  });
});

describe("Product, on", () => {
  test("sums in FP16 by chunks and pieces", async () => {
    const of: Case = {
      op: "MatMul",
      dims: [
        [7, 200],
        [200, 21],
      ],
    };
    const inputs = halvesOf(of);
    for (const { chunk, pieces } of [
      { chunk: 16, pieces: 1 },
      { chunk: 4, pieces: 1 },
      { chunk: 16, pieces: 4 },
      { chunk: 8, pieces: 3 },
    ]) {
      const expected = plainMatMul(inputs, [7, 200, 21], (pairs) => halfSum(pairs, chunk, pieces));
      const { own } = await runBoth(of, inputs, [switchHalfSums, 0], { chunk, pieces });
      expect(floatValues(own)).toEqual(expected);
    }
  });

  test("adds a Gemm's bias in FP32, behind the sums", async () => {
    const of: Case = { op: "Gemm", dims: [[7, 50], [50, 21], [21]], attributes: { alpha: { float: 0.5 }, beta: { float: 3 } } };
    const inputs = halvesOf(of);
    const sums = plainMatMul(inputs, [7, 50, 21], (pairs) => halfSum(pairs));
    const bias = inputs[2]?.map((c) => c * 3);
    const { own } = await runBoth(of, inputs, [switchHalfSums, 0]);
    expect(floatValues(own)).toEqual(sums.map((sum, i) => Math.fround(sum * 0.5) + (bias?.[i % 21] ?? 0)));
  });

  test("sums a Conv over filter positions first and channels innermost", async () => {
    const of: Case = { op: "Conv", dims: [[1, 5, 6, 7], [3, 5, 3, 3], [3]], attributes: { pads: [1, 1, 1, 1] } };
    const [x = new Float32Array(), w = new Float32Array(), bias = new Float32Array()] = halvesOf(of);
    const { own } = await runBoth(of, [x, w, bias], [switchHalfSums, 0]);
    const expected = Float32Array.from({ length: 3 * 42 }, (_, i) => {
      const [filter, row, column] = [Math.floor(i / 42), Math.floor((i % 42) / 7), i % 7];
      const pairs: [number, number][] = [];
      for (let p = 0; p < 9; p++) {
        const [y, z] = [row + Math.floor(p / 3) - 1, column + (p % 3) - 1];
        const inside = y >= 0 && y < 6 && z >= 0 && z < 7;
        for (let c = 0; c < 5; c++) pairs.push([inside ? (x[c * 42 + y * 7 + z] ?? 0) : 0, w[(filter * 5 + c) * 9 + p] ?? 0]);
      }
      return Math.fround(halfSum(pairs) + (bias[filter] ?? 0));
    });
    expect(floatValues(own)).toEqual(expected);
  });

  test.each([
    { chip: 0, group: 4, kept: 23 },
    { chip: 1, group: 8, kept: 24 },
    { chip: 2, group: 16, kept: 25 },
    { chip: 3, group: 16, kept: 25 },
  ])("sums as chip $chip does, bit for bit", async ({ chip, group, kept }) => {
    const of: Case = {
      op: "MatMul",
      dims: [
        [7, 150],
        [150, 21],
      ],
    };
    const inputs = halvesOf(of).map((values) => values.map((x, i) => toHalf(x * 2 ** (((i * 7) % 12) - 8))));
    for (const [position, half] of [
      [switchHalfSumsExact, true],
      [switchTensorCoreSums, false],
    ] as const) {
      for (const pieces of [1, 2]) {
        const expected = plainMatMul(inputs, [7, 150, 21], (pairs) => chipSum(pairs, { group, bits: kept, half }, pieces));
        const { own } = await runBoth(of, inputs, [position, 0], { chip, pieces });
        expect(floatValues(own)).toEqual(expected);
      }
    }
  });

  test("rounds B by a switch of its own, and the exact models both factors in any case", async () => {
    const of: Case = {
      op: "MatMul",
      dims: [
        [7, 60],
        [60, 21],
      ],
    };
    const raw = of.dims.map((d, i) => wave(sizeOf(d), i));
    const [a = new Float32Array(), b = new Float32Array()] = raw.map((values) => values.map(toHalf));
    const fast = await runBoth(of, [a, raw[1] ?? b], [switchHalfSums, switchRound], { b_switch: 1 });
    expect(floatValues(fast.own)).toEqual(plainMatMul([a, b], [7, 60, 21], (pairs) => halfSum(pairs)));
    const exact = await runBoth(of, raw, [switchHalfSumsExact, 0]);
    expect(floatValues(exact.own)).toEqual(
      plainMatMul([a, b], [7, 60, 21], (pairs) => chipSum(pairs, { group: 16, bits: 25, half: true })),
    );
  });

  test("gives the same bits on any number of threads", async () => {
    for (const of of [
      {
        op: "MatMul",
        dims: [
          [300, 70],
          [70, 500],
        ],
      },
      cases[7] ?? { op: "MatMul", dims: [] },
    ] satisfies Case[]) {
      for (const position of [switchHalfSums, switchHalfSumsExact, switchTensorCoreSums]) {
        const results = await Promise.all([1, 2, 5].map((threads) => runBoth(of, halvesOf(of), [position, 0], {}, threads)));
        for (const { own } of results) expect(bits(own)).toEqual(bits(results[0]?.own));
      }
    }
  });

  test("overflows to Infinity at the end of a chunk, and stays there", async () => {
    const of: Case = {
      op: "MatMul",
      dims: [
        [1, 48],
        [48, 1],
      ],
    };
    const a = new Float32Array(48).fill(256);
    const b = Float32Array.from({ length: 48 }, (_, i) => (i < 16 ? 256 : -256));
    for (const position of [switchHalfSums, switchHalfSumsExact]) {
      expect([...floatValues((await runBoth(of, [a, b], [position, 0])).own)]).toEqual([Number.POSITIVE_INFINITY]);
    }
    expect([...floatValues((await runBoth(of, [a, b], [switchTensorCoreSums, 0])).own)]).toEqual([-1048576]);
  });
});

describe("sessions with a Product", () => {
  const of: Case = {
    op: "MatMul",
    dims: [
      [40, 64],
      [64, 80],
    ],
  };

  test("have switches of their own while they run at once", async () => {
    const inputs = halvesOf(of);
    const alone = await Promise.all([switchOff, switchHalfSums, switchHalfSumsExact].map((p) => runBoth(of, inputs, [p, 0])));
    await using first = await open(both(of));
    await using second = await open(both(of));
    await using third = await open(both(of));
    const all = [first, second, third];
    for (const session of all)
      for (const [i, dims] of of.dims.entries()) session.setFeed(names[i] ?? "", floats(inputs[i] ?? wave(0, 0), dims));
    for (let turn = 0; turn < 3; turn++) {
      const positions = [switchOff, switchHalfSums, switchHalfSumsExact].map((_, i, list) => list[(i + turn) % 3] ?? 0);
      const runs = await Promise.all(all.map((session, i) => session.run({ switches: Uint8Array.of(positions[i] ?? 0, 0), fetch: ["z"] })));
      runs.forEach(({ outputs }, i) => {
        expect(bits(outputs.get("z"))).toEqual(bits(alone[(i + turn) % 3]?.own));
      });
    }
  });

  test("run in worker threads", async () => {
    const inputs = halvesOf(of);
    const { own } = await runBoth(of, inputs, [switchHalfSums, 0]);
    const code = `
      const { parentPort, workerData: w } = require("node:worker_threads");
      const native = require(w.addon);
      native.load(w.library);
      const options = { model: w.model, folder: "", threads: 1, optimization: 0, prepacking: false, switchCount: 2, slotCount: 0, decisionCount: 0, weights: [] };
      native.createSession(options).then(async (session) => {
        w.feeds.forEach(({ name, dims, data }) => session.setFeed(name, 1, dims, data));
        for (let i = 0; i < 5; i++) {
          const run = await session.run(Uint8Array.of(w.position, 0), ["z"], false);
          parentPort.postMessage(run.outputs[0].data);
        }
        await session.dispose();
      });`;
    const workerData = {
      addon: process.env.HALFSCOPE_ADDON ?? join(import.meta.dirname, "../../../native/build/Release/halfscope.node"),
      library: addonInfo().library,
      model: both(of),
      feeds: of.dims.map((dims, i) => ({ name: names[i], dims, data: floats(inputs[i] ?? wave(0, 0), dims).data })),
      position: switchHalfSums,
    };
    const results = [1, 2].map(async () => {
      const worker = new Worker(code, { eval: true, workerData });
      const got: Uint8Array[] = [];
      worker.on("message", (data: Uint8Array) => got.push(data));
      await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
      return got;
    });
    for (const got of await Promise.all(results)) {
      expect(got).toHaveLength(5);
      for (const data of got) expect(Buffer.from(data).equals(own?.data ?? new Uint8Array())).toBe(true);
    }
  });

  const folder = mkdtempSync(join(tmpdir(), "halfscope-products-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("read weights at any alignment", async () => {
    const [a = wave(0, 0), b = wave(0, 0)] = halvesOf(of);
    const path = join(folder, "weights.bin");
    writeFileSync(path, Buffer.concat([Buffer.from("odd"), floats(b).data]));
    const weights = [{ name: "b", path, offset: 3, lengthBytes: b.length * 4, dims: [64, 80], switch: -1 }];
    for (const position of [switchOff, switchHalfSums, switchHalfSumsExact, switchTensorCoreSums]) {
      const { own } = await runBoth(of, [a, b], [position, 0]);
      await using session = await open(both(of), { weights });
      session.setFeed("a", floats(a, [40, 64]));
      const { outputs } = await session.run({ switches: Uint8Array.of(position, 0), fetch: ["z"] });
      expect(bits(outputs.get("z"))).toEqual(bits(own));
    }
  });

  test("refuse positions that are no product's, positions of products elsewhere, and shapes that do not fit", async () => {
    await expect(runBoth(of, halvesOf(of), [switchRound, 0])).rejects.toMatchObject({
      code: "ERR_ENGINE_RUN",
      message: expect.stringMatching(/0, 5, 6 or 7/),
    });
    const rounding = tinyModel({ inputs: [{ name: "x", dims: [4] }], outputs: [{ name: "y", dims: [4] }], nodes: [round("x", "y", 0)] });
    await using session = await open(rounding);
    session.setFeed("x", floats(wave(4, 0)));
    const failed = session.run({ switches: Uint8Array.of(switchHalfSums, 0), fetch: ["y"] });
    await expect(failed).rejects.toMatchObject({ code: "ERR_ENGINE_RUN", message: expect.stringMatching(/0 to 4/) });
    const odd = tinyModel({
      inputs: [
        { name: "a", dims: ["m", "k"] },
        { name: "b", dims: ["l", "n"] },
      ],
      outputs: [{ name: "z", dims: ["m", "n"] }],
      nodes: [node("Product", ["a", "b"], ["z"], { switch: 0, kind: 0, opset: 13 }, "halfscope")],
    });
    await using products = await open(odd);
    products.setFeed("a", floats(wave(6, 0), [2, 3]));
    products.setFeed("b", floats(wave(8, 0), [4, 2]));
    for (const position of [switchOff, switchHalfSums]) {
      const run = products.run({ switches: Uint8Array.of(position, 0), fetch: ["z"] });
      await expect(run).rejects.toMatchObject({ code: "ERR_ENGINE_RUN", message: expect.stringMatching(/inner dimensions/) });
    }
  });

  test("refuse attributes that make no sense", async () => {
    for (const wrong of [{ switch: 2 }, { b_switch: 2 }, { kind: 3 }, { chunk: 0 }, { pieces: 0 }, { chip: 4 }])
      await expect(open(both(of, wrong))).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
  });
});
