import { join } from "node:path";
import { expect, it } from "vitest";
import { makeBert } from "../../../../../scripts/make-bert/make-bert.js";
import { temporaryFolder } from "../../../../../test/support/model-file.js";
import { Workbench } from "../workbench.js";
import { fusedOver } from "./prediction.js";

const folder = temporaryFolder();

it("predicts nothing of a tensor inside of what the engine runs as one: given out, it would be computed otherwise", async () => {
  const { path } = await makeBert({ path: join(folder, "model.onnx"), layers: 1, hidden: 32, heads: 2, vocab: 50 });
  const of = async (like: "ort-cuda" | "tensorrt") => {
    using bench = await Workbench.open(path, { like, threads: 2 });
    return [...(await fusedOver(bench))];
  };
  const [scores, masked] = ["MatMul", "Add"].map((op) => `/encoder/layer.0/attention/self/${op}_output_0`);
  // The attention scores before they are divided, and with the mask. The normalizations' epsilon, 1e-12, is 0 in FP16: ONNX Runtime leaves them in single nodes.
  expect(await of("ort-cuda")).toEqual([scores, masked]);
  // A multiply-add, at the end of each normalization, gives its product out all the same.
  expect(await of("tensorrt")).toEqual([masked]);
});
