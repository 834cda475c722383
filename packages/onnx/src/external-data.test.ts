import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../test/support/model-file.js";
import { block, varintBytes, varintField } from "../../../test/support/wire.js";
import { checkExternalData, readInitializer } from "./external-data.js";
import { readModel } from "./read-model.js";

const root = temporaryFolder();
const folder = join(root, "model");
const path = join(folder, "m.onnx");
const values = Buffer.from(Float32Array.from({ length: 8 }, (_, i) => i).buffer);
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  writeFileSync(join(root, "outside.bin"), values);
});

/** A model whose initializer `w` of 4 floats lies outside of it. */
async function open(entries: Readonly<Record<string, string>>) {
  const data = Object.entries(entries).map(([k, v]) => block(13, [block(1, k), block(2, v)]));
  const tensor = block(5, [varintField(1, 4), varintField(2, 1), block(8, "w"), ...data, varintField(14, 1)]);
  const graph = [block(1, [block(1, "w"), block(2, "y"), block(4, "Relu")]), tensor, block(12, block(1, "y"))];
  writeFileSync(path, Buffer.concat([varintField(1, 8), block(7, graph)]));
  return readModel(path);
}
const refused = {
  code: "ERR_MODEL_EXTERNAL_DATA",
  exitCode: 3,
  message: expect.stringContaining('"w"'),
  hint: expect.stringMatching(/\w/),
};

describe("external data", () => {
  it("is read from its offset, also in a folder below, and its length may be left out", async () => {
    mkdirSync(join(folder, "deep"));
    writeFileSync(join(folder, "deep", "w.bin"), values);
    for (const entries of [{ offset: "8", length: "16" }, { offset: "8" }] as Record<string, string>[]) {
      const model = await open({ location: "deep/../deep/w.bin", ...entries });
      checkExternalData(model);
      const [w] = model.graph.initializers;
      expect(w!.data).toMatchObject({ kind: "file", external: true, span: { offset: 8, length: 16 } });
      expect(Buffer.from(await readInitializer(w!))).toEqual(values.subarray(8, 24));
    }
  });

  it.each(["../outside.bin", "/etc/passwd", "..", "deep/../../outside.bin", "", "a\0b", "*/_ORT_MEM_ADDR_/*"])(
    "must not lie at %j",
    async (location) => {
      await expect(open({ location })).rejects.toMatchObject(refused);
    },
  );

  it.each([
    ["a negative offset", { offset: "-4" }],
    ["an offset that is no number", { offset: "4x" }],
    ["a length that is no number", { length: "many" }],
    ["a length that does not fit the shape", { length: "12" }],
    ["an offset that no file can have", { offset: "9007199254740993" }],
  ])("must not have %s", async (_, entries) => {
    await expect(open({ location: "w.bin", ...entries } as Record<string, string>)).rejects.toMatchObject(refused);
  });

  it("that is missing does not stop reading, but checking", async () => {
    const model = await open({ location: "w.bin" });
    expect(() => checkExternalData(model)).toThrow(
      expect.objectContaining({ ...refused, message: expect.stringContaining("does not exist") }),
    );
  });

  it("that is too short is named with what is needed and what is there", async () => {
    writeFileSync(join(folder, "w.bin"), values.subarray(0, 20));
    const model = await open({ location: "w.bin", offset: "8" });
    expect(() => checkExternalData(model)).toThrow(/bytes 8 to 24 of .*w\.bin, which has only 20/);
  });

  it.each(["a link out of the folder", "a folder that links out"])("behind %s is refused and never read", async (kind) => {
    if (kind.startsWith("a link")) symlinkSync(join(root, "outside.bin"), join(folder, "w.bin"));
    else symlinkSync(root, join(folder, "up"));
    const model = await open({ location: kind.startsWith("a link") ? "w.bin" : "up/outside.bin" });
    expect(() => checkExternalData(model)).toThrow(
      expect.objectContaining({ ...refused, message: expect.stringContaining("link out of") }),
    );
    const { digest } = model;
    writeFileSync(
      join(root, "outside.bin"),
      values.map((b) => b ^ 255),
    );
    expect((await readModel(path)).digest).toBe(digest);
  });

  it.each([".", "deep"])("that is a folder (%s) is refused", async (location) => {
    mkdirSync(join(folder, "deep"));
    const model = await open({ location });
    expect(() => checkExternalData(model)).toThrow(expect.objectContaining(refused));
  });

  it("that is a pipe is refused without waiting for it", { timeout: 5000 }, async () => {
    execFileSync("mkfifo", [join(folder, "w.bin")]);
    const model = await open({ location: "w.bin" });
    expect(() => checkExternalData(model)).toThrow(expect.objectContaining(refused));
  });

  it("that becomes shorter while work goes on gives an error of ours", async () => {
    writeFileSync(join(folder, "w.bin"), values);
    const model = await open({ location: "w.bin" });
    truncateSync(join(folder, "w.bin"), 3);
    await expect(readInitializer(model.graph.initializers[0]!)).rejects.toMatchObject({ code: "ERR_MODEL_EXTERNAL_DATA" });
    rmSync(join(folder, "w.bin"));
    await expect(readInitializer(model.graph.initializers[0]!)).rejects.toMatchObject({ code: "ERR_MODEL_EXTERNAL_DATA" });
  });
});

describe("the digest of a model", () => {
  it("names weights too: another value, another digest; the same values, the same", async () => {
    writeFileSync(join(folder, "w.bin"), values);
    const first = (await open({ location: "w.bin" })).digest;
    expect((await open({ location: "w.bin" })).digest).toBe(first);
    writeFileSync(
      join(folder, "w.bin"),
      values.map((b, i) => (i === 7 ? b ^ 1 : b)),
    );
    expect((await open({ location: "w.bin" })).digest).not.toBe(first);
  });
});

describe("tensors inside nodes and bodies", () => {
  const external = (name: string, dims: number, extra: Record<string, string> = {}) => [
    varintField(1, dims),
    varintField(2, 1),
    block(8, name),
    ...Object.entries({ location: "inner.bin", ...extra }).map(([k, v]) => block(13, [block(1, k), block(2, v)])),
    varintField(14, 1),
  ];
  const attribute = (name: string, type: number, field: number, content: readonly Uint8Array[]) =>
    block(5, [block(1, name), block(field, content), varintField(20, type)]);
  const constant = block(1, [block(2, "c"), block(3, "the constant"), block(4, "Constant"), attribute("value", 4, 5, external("", 4))]);
  const body = [block(1, [block(1, "w"), block(2, "z"), block(4, "Relu")]), block(5, external("w", 4)), block(12, block(1, "z"))];
  const holder = block(1, [block(1, "x"), block(2, "y"), block(4, "If"), attribute("then_branch", 5, 6, body)]);
  const sparse = block(15, [
    block(1, external("s", 4)),
    block(2, [varintField(1, 4), varintField(2, 7), block(8, "i")]),
    varintField(3, 9),
  ]);
  const read = (part: Uint8Array) => {
    writeFileSync(path, Buffer.concat([varintField(1, 8), block(7, [part, block(12, block(1, "y"))])]));
    return readModel(path);
  };

  it.each([
    ["a Constant's value", constant, /attribute "value" of the Constant node "the constant"/],
    ["an initializer of a branch", holder, /Initializer "w"/],
    ["the values of a sparse initializer", sparse, /Sparse initializer "s"/],
  ])("are checked like initializers: %s", async (_, part, what) => {
    const model = await read(part);
    const whatIsWrong = () => {
      try {
        checkExternalData(model);
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(whatIsWrong()).toMatch(what);
    expect(whatIsWrong()).toMatch(/does not exist/);
    writeFileSync(join(folder, "inner.bin"), values.subarray(0, 15));
    expect(whatIsWrong()).toMatch(/has only 15/);
    writeFileSync(join(folder, "inner.bin"), values.subarray(0, 16));
    expect(whatIsWrong()).toMatch(part === sparse ? /list of indices/ : /^$/);
  });

  it("must hold what their shape needs: the list of indices of a sparse initializer", async () => {
    writeFileSync(join(folder, "inner.bin"), values);
    const model = await read(sparse);
    expect(model.graph.sparseInitializers).toMatchObject([{ name: "s", dtype: "float32", dims: [9] }]);
    expect(() => checkExternalData(model)).toThrow(/list of indices of the sparse initializer "s" holds 0 bytes .* needs 32/);
  });
});

describe("more than 2 GB of structure", () => {
  it("is refused before anything of that size is read", async () => {
    const size = 2 ** 31 + 100;
    const head = (number: number, length: number) => Buffer.from([...varintBytes(number * 8 + 2), ...varintBytes(length)]);
    const node = head(1, size);
    writeFileSync(path, Buffer.concat([varintField(1, 8), head(7, node.length + size), node]));
    const start = statSync(path).size;
    truncateSync(path, start + size);
    await expect(readModel(path)).rejects.toMatchObject({
      code: "ERR_MODEL_UNSUPPORTED",
      message: expect.stringMatching(/more than 2 GB of structure/),
      hint: expect.stringMatching(/external data/),
    });
    truncateSync(path, start);
  });
});
