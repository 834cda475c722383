#!/usr/bin/env node
/**
 * Serves a plan that `halfscope debug --save-plan` wrote, without building anything: docs/tensorrt.md shows it. The plan is refused where its sidecar says another version,
 * GPU or model.
 *
 *     node scripts/hardware/load-plan.mjs PLAN MODEL.onnx [NAME=1x128 ...]
 *
 * The shapes are those of the one request that is made up and timed. Needs a GPU and a build of the workspace.
 */
import { parseArgs } from "node:util";
import { feedSignature, loadPlan, openTensorRt, profileInputs, shapeTensorsOf, summariseLatency } from "@halfscope/engine";
import { Workbench } from "halfscope";

const [plan, model, ...sizes] = parseArgs({ allowPositionals: true }).positionals;
if (plan === undefined || model === undefined) throw new Error("usage: load-plan.mjs PLAN MODEL.onnx [NAME=1x128 ...]");
const shapes = Object.fromEntries(
  sizes.map((s) => [
    s.slice(0, s.lastIndexOf("=")),
    s
      .slice(s.lastIndexOf("=") + 1)
      .split("x")
      .map(Number),
  ]),
);

const backend = await openTensorRt();
const bench = await Workbench.open(model, { shapes, samples: 1 });
try {
  const { bytes, sidecar } = await loadPlan(plan, backend.environment, bench.model.digest);
  const inputs = profileInputs(feedSignature(bench.view), shapeTensorsOf(bench.view));
  const engine = await backend.load(bytes, { label: sidecar.title, inputs, profiles: sidecar.profiles });

  const [request] = bench.feeds;
  for (const [name, { dtype, dims }] of await engine.run(request)) console.log(`${name}: ${dtype} ${dims.join("x")}`);
  const latency = summariseLatency(await engine.time(request, { warmup: 10, requests: 100 }), 10);
  console.log(`${latency.requests} requests: p50 ${latency.p50.toFixed(2)} ms, p99 ${latency.p99.toFixed(2)} ms`);
} finally {
  bench[Symbol.dispose]();
  await backend[Symbol.asyncDispose]();
}
