/**
 * Errors that `--like tensorrt` predicts for every float tensor beside those that TensorRT 10.6 gave on an H200 (test/hardware/tensorrt-h200). Run after `npm run build`:
 *
 *     node scripts/dist/bench/tensorrt-agreement.js [bert-large | bert-2x1024 | a stored file, default bert-large] [MODEL] [FEED]
 *
 * Goals for BERT-large: ratio 0.9 to 1.15 (5 % to 95 %), median 0.97 to 1.03. Printed beside: FP32 sums (what `--like pytorch` predicts).
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { agreementOf, describeAgreement, type Pair, predict, readStored } from "../hardware/agreement.js";
import { madeBert, median } from "./timing.js";

const [what = "bert-large", model, feed] = process.argv.slice(2);
const file = existsSync(what) ? what : join(import.meta.dirname, "../../../test/hardware/tensorrt-h200", `${what}.json`);
const stored = await readStored(resolve(file));
const path = model ?? (await madeBert(what, what === "bert-2x1024" ? { layers: 2, vocab: 1000 } : {}));
const feeds = feed === undefined ? {} : { feeds: [feed] };
console.log(`${stored.subject.model}: TensorRT ${stored.tensorrt}, ${stored.gpu}, ${stored.tensors.length} tensors`);

let like: readonly Pair[] = [];
for (const [name, options] of [
  ["--like tensorrt", { like: "tensorrt" }],
  ["--like pytorch (FP32 sums)", { like: "pytorch" }],
] as const) {
  const pairs = await predict(stored, path, { ...options, ...feeds });
  if (like.length === 0) like = pairs;
  console.log(`${name}: ${describeAgreement(agreementOf(pairs))}`);
}

/** Where the ratio comes from: by what the tensor's name ends in. */
const groups = new Map<string, number[]>();
for (const p of agreementOf(like).pairs) {
  const group = p.tensor.replace(/\.\d+\//, ".*/").replace(/_output_\d+$/, "");
  groups.set(group, [...(groups.get(group) ?? []), p.predicted / p.measured]);
}
if (groups.size < 120)
  for (const [group, ratios] of groups) console.log(`  ${group}: ${ratios.length} tensors, median ${median(ratios).toFixed(3)}`);
