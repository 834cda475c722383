import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import proto from "onnx-proto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fillModel } from "./fill-model.js";
import { makeBert } from "./make-bert.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fill-model-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("filling an export without weights", () => {
  it("copies the model byte for byte and makes data of the lengths it names", async () => {
    const path = join(folder, "empty.onnx");
    await makeBert({ path, layers: 1, hidden: 32, heads: 4, vocab: 50, maxPosition: 200, external: true, style: "layernorm" });
    const length = readFileSync(`${path}.data`).length;
    rmSync(`${path}.data`);
    const out = join(folder, "out", "model.onnx");
    const filled = await fillModel(path, out);
    expect(readFileSync(out)).toEqual(readFileSync(path));
    const data = readFileSync(join(folder, "out", "empty.onnx.data"));
    expect([data.length, filled.bytes]).toEqual([length, length]);
    const positions = proto.onnx.ModelProto.decode(readFileSync(out)).graph!.initializer!.find((t) => t.name!.endsWith("position_ids"))!;
    const offset = Number(positions.externalData!.find((e) => e.key === "offset")!.value);
    expect(data.readBigInt64LE(offset + 8 * 199)).toBe(199n);
  });

  it("gives the same bytes for the same seed", async () => {
    const path = join(folder, "empty.onnx");
    await makeBert({ path, layers: 1, hidden: 32, heads: 4, vocab: 50, external: true });
    await fillModel(path, join(folder, "a", "m.onnx"));
    await fillModel(path, join(folder, "b", "m.onnx"));
    await fillModel(path, join(folder, "c", "m.onnx"), 2);
    const data = (name: string) => readFileSync(join(folder, name, "empty.onnx.data"));
    expect(data("a").equals(data("b"))).toBe(true);
    expect(data("a").equals(data("c"))).toBe(false);
  });

  it("refuses data outside of the folder, and files that are no models", async () => {
    const { ModelProto, TensorProto } = proto.onnx;
    const outside = { name: "w", dataType: 1, dims: [4], dataLocation: TensorProto.DataLocation.EXTERNAL };
    const location = { key: "location", value: "../w.data" };
    const bytes = ModelProto.encode({ graph: { initializer: [{ ...outside, externalData: [location] }] } }).finish();
    writeFileSync(join(folder, "outside.onnx"), bytes);
    const out = join(folder, "out", "model.onnx");
    await expect(fillModel(join(folder, "outside.onnx"), out)).rejects.toMatchObject({ code: "ERR_MODEL_EXTERNAL_DATA" });
    writeFileSync(join(folder, "text.onnx"), "not a model");
    await expect(fillModel(join(folder, "text.onnx"), out)).rejects.toMatchObject({ code: "ERR_MODEL_PARSE" });
    expect(readdirSync(folder).toSorted()).toEqual(["outside.onnx", "text.onnx"]);
  });
});
