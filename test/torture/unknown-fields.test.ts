/** Fields that no schema knows survive whatever is done to the message that they stand in. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { silentProgress } from "@halfscope/core";
import { editNode, encodeAttribute, readModel, rewriteModel, unfoldModel } from "@halfscope/onnx";
import { withPins } from "@halfscope/precision";
import { applyPlan } from "halfscope";
import { describe, expect, it } from "vitest";
import { temporaryFolder, writeModel } from "../support/model-file.js";
import { ropeBytes } from "../support/rope-bytes.js";
import { markersIn, nextYear, unknownFields, unknownInFunctions } from "./models/future.js";
import { feedOf, open, planOf } from "./run.js";

const folder = temporaryFolder();
const missing = (bytes: Uint8Array, from: Uint8Array) => {
  const found = new Set(markersIn(bytes));
  return markersIn(from).filter((m) => !found.has(m));
};

async function mixedFile(bytes: Uint8Array, pinned: "nothing" | "everything" | number): Promise<Uint8Array> {
  const own = await open(writeModel(folder, bytes), feedOf(unknownFields.feed));
  const none = planOf(own, 0, "finite");
  const plan =
    pinned === "nothing"
      ? none
      : pinned === "everything"
        ? withPins(
            none,
            own.subject.layers.map((l) => l.id),
          )
        : planOf(own, 0.5, "finite", pinned);
  const path = join(folder, "mixed.onnx");
  await applyPlan(own.subject, plan, path, { progress: silentProgress });
  return readFileSync(path);
}

it("the test sees them: each message of the model has its own", () => {
  expect(markersIn(unknownFields.bytes).length).toBeGreaterThan(60);
  expect(new Set(markersIn(unknownFields.bytes)).size).toBeGreaterThan(60);
});

it("do not hide the type in front of them", async () => {
  const { graph } = await readModel(writeModel(folder, unknownFields.bytes));
  for (const v of [...graph.inputs.slice(0, 1), ...graph.outputs, ...graph.valueInfos])
    expect(v, v.name).toMatchObject({ dtype: "float32", dims: [{ size: 2 }, { size: 3 }] });
});

it("survive the renaming of a node's tensors and the exchange of an attribute", async () => {
  const { graph } = await readModel(writeModel(folder, unknownFields.bytes));
  for (const node of graph.nodes) {
    const edited = editNode(node, { name: "renamed", input: (t) => `${t}!`, output: (t) => `${t}!`, outer: (t) => `${t}!` });
    expect(missing(edited, node.bytes), node.outputs[0]).toEqual([]);
    const more = editNode(node, { attributes: new Map([["added", encodeAttribute("added", 1)]]) });
    expect(missing(more, node.bytes), node.outputs[0]).toEqual([]);
  }
});

it("survive when names in branches are made unique and functions are inlined", async () => {
  const text = Buffer.from(unknownFields.bytes).toString("latin1");
  // The same names in both branches, so that unfolding renames.
  const repeated = Buffer.from(text.replace(/([wpo])_else/g, "$1_then"), "latin1");
  const model = unfoldModel(await readModel(writeModel(folder, repeated)));
  expect(missing(await ropeBytes(rewriteModel(model)), repeated)).toEqual([]);
  const inlined = await ropeBytes(rewriteModel(unfoldModel(await readModel(writeModel(folder, unknownInFunctions.bytes)))));
  // The call and the function are gone; what the function's nodes hold is not.
  expect(missing(inlined, unknownInFunctions.bytes)).not.toEqual(expect.arrayContaining(["node of F", "node of CF", "attribute of CF"]));
});

// What is converted is written anew today: tensors, value_info entries of other types, Casts, attributes that hold bodies or constants.
describe("survive applying", () => {
  it("a plan that pins everything: the file is the original", async () => {
    expect(missing(await mixedFile(unknownFields.bytes, "everything"), unknownFields.bytes)).toEqual([]);
  });

  it.fails("a plan that pins nothing", async () => {
    expect(missing(await mixedFile(unknownFields.bytes, "nothing"), unknownFields.bytes)).toEqual([]);
  });

  it.fails("random plans", async () => {
    for (const seed of [1, 2, 3, 4])
      expect(missing(await mixedFile(unknownFields.bytes, seed), unknownFields.bytes), `seed ${seed}`).toEqual([]);
  });

  it("in what is not converted: the model, graphs, nodes, inputs and outputs", async () => {
    const lost = missing(await mixedFile(unknownFields.bytes, "nothing"), unknownFields.bytes);
    expect(
      lost.filter((m) =>
        /^(model|graph|entry of the model|quantization|node of [^t]|value (x|out|o_\w+)$|(type|shape) of (x|out|o_\w+)$)/.test(m),
      ),
    ).toEqual([]);
  });
});

it("are no reason to refuse a model of a version to come: it is read, and types that nobody knows stay", async () => {
  const model = await readModel(writeModel(folder, nextYear.bytes));
  expect([model.irVersion, ...model.opsets]).toEqual([99, ["", 99], ["ai.onnx.ml", 99], ["future.domain", 7]]);
  expect(model.graph.initializers.map((i) => [i.name, i.elementType])).toEqual([
    ["w", 1],
    ["odd", 77],
    ["odder", 78],
    ["scales", 24],
    ["tiny", 25],
  ]);
});
