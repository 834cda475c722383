/** Hazards of whole models with measured ranges: healthy BERTs raise no alarm, planted overflows are named where they are. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { compareStep, Workbench } from "halfscope";
import { expect, it } from "vitest";
import { type BertOptions, makeBert } from "../../scripts/make-bert/make-bert.js";
import { temporaryFolder } from "../support/model-file.js";

const folder = temporaryFolder();
const open = async (name: string, options: Partial<BertOptions>): Promise<Workbench> => {
  const path = join(folder, name, "model.onnx");
  await makeBert({ path, layers: 2, hidden: 64, heads: 4, vocab: 500, maxPosition: 64, ...options });
  return Workbench.open(path, { samples: 1, threads: 2 });
};

it.each(["decomposed", "layernorm"] as const)("a healthy BERT with %s normalizations has nothing but information", async (style) => {
  using bench = await open(style, { style });
  const { hazards } = await compareStep(bench);
  expect(hazards.filter((h) => h.severity !== "info")).toEqual([]);
  expect([...new Set(hazards.map((h) => h.code))].toSorted()).toEqual(
    style === "layernorm" ? [] : ["decomposed-layer-norm", "epsilon-underflow"],
  );
});

it("an FFN that overflows is named by its range, once for each layer", async () => {
  using bench = await open("ffn", { faults: [{ kind: "ffn-overflow" }] });
  const { hazards } = await compareStep(bench);
  const { faults } = JSON.parse(readFileSync(join(dirname(bench.model.path), "planted.json"), "utf8")) as {
    faults: { tensors: string[] }[];
  };
  const overflows = hazards.filter((h) => h.code === "range-overflow" && h.severity === "error");
  const layerOfTensor = (t: string) => bench.layers.find((l) => l.nodes.includes(bench.view.producer.get(t)?.index ?? -1))?.id;
  expect(overflows.map((h) => h.layer)).toContain(layerOfTensor(faults[0]?.tensors[0] ?? ""));
  expect(new Set(overflows.map((h) => h.layer)).size).toBe(overflows.length);
});

it("hazards are the same when they are asked for again: weights are looked at once", async () => {
  using bench = await open("again", { faults: [{ kind: "mask-constant" }] });
  expect(await bench.hazards()).toEqual(await bench.hazards());
});
