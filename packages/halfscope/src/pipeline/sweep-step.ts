import { join } from "node:path";
import {
  type AdaptiveOptions,
  isOfShard,
  isSiteSensitivity,
  Journal,
  projectionVersion,
  type Shard,
  sweepSites,
} from "@halfscope/analysis";
import { type Sensitivity, UsageError } from "@halfscope/core";
import { addonInfo } from "@halfscope/engine";
import { allHalf, nameOfProfile, rulesOf, withPins } from "@halfscope/precision";
import { version } from "../version.js";
import type { Compared } from "./compare-step.js";
import { digestOfFeed } from "./describe.js";
import { withNoise } from "./noise-step.js";
import { resultFiles } from "./results-folder.js";
import { openSegments } from "./segments.js";
import type { Workbench } from "./workbench.js";

export interface SweepStepOptions {
  /** Folder of the journal; none is kept when absent. */
  folder?: string | undefined;
  fresh?: boolean | undefined;
  /** Sweep every site by itself. Defaults to false. */
  everySite?: boolean | undefined;
  /** Sweep this part only; the others' candidates are `left` in the result, but for those that the journal has. */
  shard?: Shard | undefined;
  /** Sweep on the first so many samples; errors are then roots of mean squares over them. Defaults to 1. */
  sweepSamples?: number | undefined;
  /** Sets of sites first, of which only those are opened that can still matter. Defaults to false; not together with `shard`. */
  adaptive?: boolean | Pick<AdaptiveOptions, "threshold"> | undefined;
  /** Error that must be met, for what an adaptive sweep may leave closed. */
  tolerance?: number | undefined;
  /** Bytes of activations kept in memory for candidates that start behind a cut. Defaults to 512 MiB; beyond it a temporary file. */
  keepBytes?: number | undefined;
  /** Passes shorter than this are swept without cuts. Defaults to 0.02 s. */
  leastPassSeconds?: number | undefined;
  /** Where seconds go that would make equal results differ: `bare pass`, `sweep candidate`, `sweep candidates`. */
  timings?: Record<string, number> | undefined;
}

/** What each site costs the final outputs, from a base plan without overflow. */
export async function sweepStep(bench: Workbench, basePins: Compared["basePins"], o: SweepStepOptions = {}): Promise<Sensitivity> {
  const { shard, sweepSamples = 1, timings } = o;
  if (shard !== undefined && o.adaptive)
    throw new UsageError(
      "ERR_OPTION",
      "An adaptive sweep cannot be dealt out to several machines: what it opens depends on what it found.",
      {
        hint: "Leave out --shard or --adaptive.",
      },
    );
  const feeds = bench.feeds.slice(0, sweepSamples);
  if (feeds.length < sweepSamples)
    throw new UsageError("ERR_OPTION", `--sweep-samples ${sweepSamples} needs as many samples; there are ${feeds.length}.`, {
      hint: "Give more with --samples or --feed.",
    });
  const { roundings } = await bench.subject();
  const base = withPins(
    allHalf(bench.model.digest, "finite", bench.precision),
    basePins.map((p) => p.layer),
    "overflow origin",
  );
  const info = addonInfo();
  const rules = rulesOf(bench.profile);
  const journal = new Journal(
    o.folder === undefined ? undefined : join(o.folder, resultFiles.journal),
    {
      schema: "halfscope/journal/1",
      modelDigest: bench.model.digest,
      feedDigest: digestOfFeed(bench.feeds[0]),
      ...(feeds.length > 1 && { moreFeedDigests: feeds.slice(1).map(digestOfFeed) }),
      ...(bench.options.metric && { metric: bench.options.metric.digest }),
      ...(bench.options.keepPadding && { keepPadding: true }),
      projection: projectionVersion,
      like: nameOfProfile(bench.profile),
      ...(rules.length > 0 && { rules }),
      constants: base.constants,
      ...(bench.precision !== "float16" && { precision: bench.precision }),
      basePins: base.pins.map((p) => p.layer),
      halfscope: version,
      onnxruntime: info.onnxruntimeVersion,
      instructionSet: info.instructionSet,
    },
    isSiteSensitivity,
    { fresh: o.fresh ?? false },
  );
  if (journal.size > 0) bench.progress.note(`Continuing a sweep: ${journal.size} sites are in the journal already.`);
  if (journal.torn > 0) bench.progress.note(`${journal.torn} lines of the journal were torn by a crash; what they held is measured again.`);
  if (timings !== undefined) timings["bare pass"] = (await bench.reference()).barePassSeconds;
  using segments = await openSegments(bench, { feeds, folder: o.folder, keepBytes: o.keepBytes, leastPassSeconds: o.leastPassSeconds });
  const [evaluate, ...more] = feeds.map((feed) => bench.evaluator(feed));
  const found = await sweepSites({
    roundings,
    base,
    evaluate: evaluate ?? bench.evaluator(),
    more,
    segments,
    journal,
    progress: bench.progress,
    signal: bench.signal,
    everySite: o.everySite,
    only: shard && ((group) => isOfShard(shard, group)),
    adaptive: o.adaptive ? { layers: bench.layers, tolerance: o.tolerance, ...(typeof o.adaptive === "object" && o.adaptive) } : undefined,
    timings,
  });
  const sensitivity: Sensitivity = {
    ...(found.left === undefined ? await withNoise(bench, base, found) : found),
    judgement: await bench.judgement(),
    ...(journal.mixed && { mixed: journal.mixed }),
    basePinReasons: Object.fromEntries(basePins.map((p) => [p.layer, p.reason])),
  };
  journal.end();
  return sensitivity;
}
