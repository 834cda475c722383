/** Reading and writing any model unchanged gives the same bytes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HalfscopeError } from "@halfscope/core";
import { type GraphEdit, listLayers, readModel, rewriteModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { expect, it, type TestContext } from "vitest";
import { sharedModel, sharedModelNames } from "../shared-models.js";
import { ropeBytes } from "../support/rope-bytes.js";

const noEdit: GraphEdit = {
  node: () => undefined,
  initializer: () => undefined,
  input: () => undefined,
  output: () => undefined,
  valueInfo: () => undefined,
};
/** Every element given anew as the bytes that it had: nothing may be lost on the way through the lists. */
const allAnew: GraphEdit = { node: (n) => [n.bytes] };
const broken = new Map([
  ["corrupt-text", "ERR_MODEL_PARSE"],
  ["lfs-pointer", "ERR_MODEL_PARSE"],
  ["ext-data-path-traversal", "ERR_MODEL_EXTERNAL_DATA"],
]);

if (sharedModelNames.length === 0) it("of the collection", (context: TestContext) => void sharedModel(context));
for (const name of sharedModelNames.filter((n) => n !== "index.json" && !broken.has(n)))
  it(`${name} is written byte for byte, and every node is in one layer`, async (context) => {
    const path = sharedModel(context, name, "model.onnx");
    const original = readFileSync(path);
    const model = await readModel(path);
    for (const edit of [undefined, noEdit, allAnew]) expect((await ropeBytes(rewriteModel(model, edit))).equals(original)).toBe(true);
    const view = viewGraph(unfoldModel(model).graph);
    const nodes = listLayers(model, view).flatMap((l) => l.nodes);
    expect(nodes.toSorted((a, b) => a - b)).toEqual(view.nodes.map((n) => n.index));
  });

for (const [name, code] of broken)
  it(`${name} is refused with ${code}`, async (context) => {
    const error = await readModel(join(sharedModel(context, name), "model.onnx")).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(HalfscopeError);
    expect(error).toMatchObject({ code, exitCode: 3, hint: expect.stringMatching(/\w/) });
  });
