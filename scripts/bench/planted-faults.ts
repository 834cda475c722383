/**
 * The weakest planted fault that is still found, and false alarms on healthy models. Run after `npm run build`:
 *
 *     node scripts/dist/bench/planted-faults.js [HEALTHY MODELS, default 20]
 *
 * Found: an overflow or a constant is among the harmful origins, at the layer where it was planted; a noisy layer is first in the sweep.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { compareStep, recommendStep, sweepStep, Workbench } from "halfscope";
import { type FaultKind, makeBert } from "../make-bert/make-bert.js";

const size = { layers: 4, hidden: 128, heads: 4, vocab: 1000 };
const tolerance = 1e-2;
const folder = await mkdtemp(join(tmpdir(), "halfscope-bench-"));

async function find(kind: FaultKind, strength: number): Promise<string> {
  const { path } = await makeBert({ ...size, path: join(folder, "model.onnx"), faults: [{ kind, strength, layer: 2 }] });
  const planted = JSON.parse(await readFile(join(dirname(path), "planted.json"), "utf8")) as { faults: { tensors: string[] }[] };
  using bench = await Workbench.open(path, { samples: 1, dims: { sequence: 32 } });
  const compared = await compareStep(bench);
  const layers = new Set(
    planted.faults
      .flatMap((f) => f.tensors)
      .flatMap((t) => bench.layers.find((l) => l.nodes.includes(bench.view.producer.get(t)?.index ?? -1))?.id ?? []),
  );
  const harmful = compared.origins.filter((o) => o.kind !== "harmless-overflow");
  if (kind !== "noisy-layer") return harmful.some((o) => layers.has(o.layer)) ? "found" : harmful.length > 0 ? "elsewhere" : "not found";
  const sweep = await sweepStep(bench, compared.basePins);
  return layers.has(sweep.layers[0]?.layer ?? "") ? "found" : "not first";
}

const strengths: Record<FaultKind, number[]> = {
  "mask-constant": [1e4, 65504, 65519, 65520, 65536, 1e6, 1e9, 3.4e38],
  "square-overflow": [200, 240, 250, 256, 260, 270, 300, 400, 500, 1000],
  "ffn-overflow": [0.2, 0.5, 0.9, 0.99, 1, 1.01, 1.1, 1.5, 3],
  "noisy-layer": [1, 2, 4, 8, 16, 32, 64, 256],
};
for (const [kind, list] of Object.entries(strengths) as [FaultKind, number[]][]) {
  const results: string[] = [];
  for (const strength of list) results.push(`${strength}: ${await find(kind, strength)}`);
  console.log(`${kind}  ${results.join("; ")}`);
}

let alarms = 0;
let pinned = 0;
const count = Number(process.argv[2] ?? 20);
for (let seed = 1; seed <= count; seed++) {
  const { path } = await makeBert({ ...size, seed, path: join(folder, "model.onnx") });
  using bench = await Workbench.open(path, { samples: 2, dims: { sequence: 32 } });
  const compared = await compareStep(bench);
  if (compared.origins.some((o) => o.kind !== "harmless-overflow") || compared.hazards.some((h) => h.severity === "error")) alarms++;
  const sensitivity = await sweepStep(bench, compared.basePins);
  const { recommendation } = await recommendStep(bench, sensitivity, compared.basePins, tolerance);
  if (recommendation.outcome !== "no-pins-needed") pinned++;
}
console.log(
  `healthy models: ${count} seeds, ${alarms} with a false alarm (origin, or hazard of severity error), ${pinned} with pins at ${tolerance}`,
);
await rm(folder, { recursive: true });
