/** Hand-made models through the public pipeline: what it refuses, what it says of FP16 weights and of random numbers, and what other tools say of its files. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HalfscopeError, silentProgress, type TensorValue } from "@halfscope/core";
import { allHalf } from "@halfscope/precision";
import { applyPlan, compareStep, verifyAllHalf, verifyStep, Workbench } from "halfscope";
import { describe, expect, it } from "vitest";
import { python } from "../python.js";
import { difference } from "../support/bench.js";
import { temporaryFolder, writeModel } from "../support/model-file.js";
import { elementType, float, floats, integersIn, model, node, tensor } from "./build.js";
import { tortures } from "./models/index.js";
import { awaiting } from "./models/values.js";
import { feedOf, open, planOf, untouched } from "./run.js";
import { floatValue, noise, type Torture } from "./torture.js";

const folder = temporaryFolder();
const script = fileURLToPath(new URL("../support/check-mixed.py", import.meta.url));
const face = [2, 3];
const x = floatValue(face, noise(6, 160));
const known = new Set<Torture>(Object.values(awaiting));

let count = 0;
/** The feed as a file that `--feed` takes. */
function feedFile(feed: Readonly<Record<string, TensorValue>>): string {
  const numbers = ({ dtype, data }: TensorValue) => {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    if (dtype === "float32") return Array.from({ length: data.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
    if (dtype === "int64") return Array.from({ length: data.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
    return [...data].map(Boolean);
  };
  const path = join(folder, `feed-${count++}.json`);
  const inputs = Object.entries(feed).map(([name, v]) => [name, { dtype: v.dtype, dims: v.dims, data: numbers(v) }] as const);
  writeFileSync(path, JSON.stringify(Object.fromEntries(inputs)));
  return path;
}
const workbench = (bytes: Uint8Array, feed: Readonly<Record<string, TensorValue>>) =>
  Workbench.open(writeModel(folder, bytes), { feeds: [feedFile(feed)], threads: 1 });

describe("the whole comparison", () => {
  const running = tortures.filter(([, t]) => t.feed !== undefined && t.noFloats !== true && !known.has(t));
  it.each(running)("of %s compares something, and every layer that it ranks is one of the model's", { timeout: 60_000 }, async (_, t) => {
    using bench = await workbench(t.bytes, t.feed ?? {});
    const compared = await compareStep(bench);
    const ids = new Set(bench.layers.map((l) => l.id));
    for (const m of [compared.isolated, compared.accumulated]) {
      expect(m.tensors.length).toBeGreaterThan(0);
      for (const tensor of m.tensors) expect(ids).toContain(tensor.layer);
    }
  });
});

it("a model without floats is refused, and what ONNX Runtime does not run is refused with a sentence", async () => {
  const others = tortures.filter(([, t]) => t.noFloats === true || (t.feed === undefined && !known.has(t)));
  expect(others.length).toBeGreaterThan(3);
  for (const [what, t] of others) {
    const path = writeModel(folder, t.bytes);
    const error = await Workbench.open(path, { samples: 1, threads: 1 })
      .then(
        async (bench) => {
          using held = bench;
          await held.subject();
        },
        (e: unknown) => e,
      )
      .catch((e: unknown) => e);
    if (what === "a function that hands its input through") expect(error, what).toBeUndefined();
    else {
      expect(error, what).toBeInstanceOf(HalfscopeError);
      expect((error as HalfscopeError).exitCode, what).not.toBe(5);
      expect((error as HalfscopeError).message, what).toMatch(/\w/);
    }
  }
});

it.each([
  ["FP16", elementType.float16, [0x3c01, 0xbc02, 0x3803]],
  ["bfloat16", elementType.bfloat16, [0x3f81, 0xbf82, 0x3f03]],
] as const)("a weight in %s and its Cast stay as they are, whatever is pinned", async (_, type, bits) => {
  const bytes = model({
    inputs: [float("x", face)],
    outputs: [float("out")],
    nodes: [
      node("Cast", ["half"], ["h"], { to: 1 }),
      node("Mul", ["x", "h"], ["a"]),
      node("MatMul", ["a", "w"], ["b"]),
      node("Tanh", ["b"], ["out"]),
    ],
    initializers: [tensor("half", type, [3], integersIn(5, bits)), floats("w", [3, 3], noise(9, 161))],
  });
  using bench = await workbench(bytes, { x });
  const { outputs } = await bench.reference();
  expect(difference(outputs, await untouched(bench.model.path, feedOf({ x })))).toBeUndefined();
  const { accumulated } = await compareStep(bench);
  expect(accumulated.tensors.find((t) => t.tensor === "h")?.stats.maxAbs ?? 0).toBe(0);
  const out = join(folder, "with-half.onnx");
  await applyPlan(await bench.subject(), allHalf(bench.model.digest, "finite"), out, { progress: silentProgress });
  const verdict = await verifyStep(bench, out, 0.01);
  expect(verdict.outcome).toBe("within");
  expect(verdict.error).toBe((await verifyAllHalf(bench, 0.01)).error);
});

describe("outputs that depend on random numbers", () => {
  const bytes = model({
    inputs: [float("x", face)],
    outputs: [float("out", face)],
    nodes: [
      node("MatMul", ["x", "w"], ["h"]),
      node("RandomNormalLike", ["h"], ["noise"]),
      node("Add", ["h", "noise"], ["s"]),
      node("Tanh", ["s"], ["out"]),
    ],
    initializers: [floats("w", [3, 3], noise(9, 162))],
  });
  it("are compared with shared numbers", async () => {
    using bench = await workbench(bytes, { x });
    const { accumulated } = await compareStep(bench);
    expect(accumulated.outputs.out?.maxAbs).toBeGreaterThan(0);
    expect(accumulated.outputs.out?.maxAbs).toBeLessThan(0.01);
  });

  it("are never given a verdict that only tells one draw from another", async () => {
    using bench = await workbench(bytes, { x });
    const verdict = await verifyAllHalf(bench, 0.01).catch((e: unknown) => e);
    if (verdict instanceof HalfscopeError) expect(verdict.message).toMatch(/random/);
    else expect((verdict as { error: number }).error).toBeLessThan(0.01);
  });
});

it("mixed files pass the ONNX checker and strict shape inference, and load in ONNX Runtime", { timeout: 300_000 }, async (context) => {
  const interpreter = python(context, "onnx", "onnxruntime");
  const originals: string[] = [];
  const mixed: string[] = [];
  for (const [, t] of tortures) {
    if (t.feed === undefined || t.noFloats === true || known.has(t)) continue;
    const own = await open(writeModel(folder, t.bytes), feedOf(t.feed));
    for (const [i, share] of [0, 0.4, 0.8].entries()) {
      originals.push(own.subject.model.path);
      mixed.push(`${own.subject.model.path}.${i}.onnx`);
      await applyPlan(own.subject, planOf(own, share, "finite", 70 + i), mixed.at(-1) ?? "", { progress: silentProgress });
    }
  }
  const check = (paths: readonly string[]) =>
    execFileSync(interpreter, [script, ...paths], { encoding: "utf8", timeout: 300_000, maxBuffer: 1 << 28 })
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { path: string; problem?: string });
  const problems = new Map(check([...new Set(originals)]).map((c) => [c.path, c.problem]));
  const found = check(mixed).flatMap((c, i) => (problems.get(originals[i] ?? "") === undefined && c.problem !== undefined ? [c] : []));
  expect(found).toEqual([]);
  expect([...problems.values()].filter((p) => p === undefined).length).toBeGreaterThan(problems.size / 2);
});
