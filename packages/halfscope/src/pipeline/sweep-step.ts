import { join } from "node:path";
import { isOfShard, isSiteSensitivity, Journal, type Shard, sweepSites } from "@halfscope/analysis";
import type { Sensitivity } from "@halfscope/core";
import { addonInfo } from "@halfscope/engine";
import { allHalf, nameOfProfile, withPins } from "@halfscope/precision";
import { version } from "../version.js";
import type { Compared } from "./compare-step.js";
import { digestOfFeed } from "./describe.js";
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
}

/** What each site costs the final outputs, from a base plan without overflow. */
export async function sweepStep(bench: Workbench, basePins: Compared["basePins"], o: SweepStepOptions = {}): Promise<Sensitivity> {
  const { shard } = o;
  const { roundings } = await bench.subject();
  const base = withPins(
    allHalf(bench.model.digest, "finite", bench.precision),
    basePins.map((p) => p.layer),
    "overflow origin",
  );
  const info = addonInfo();
  const journal = new Journal(
    o.folder === undefined ? undefined : join(o.folder, resultFiles.journal),
    {
      schema: "halfscope/journal/1",
      modelDigest: bench.model.digest,
      feedDigest: digestOfFeed(bench.feeds[0]),
      like: nameOfProfile(bench.profile),
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
  const { barePassSeconds } = await bench.reference();
  const sensitivity = await sweepSites({
    roundings,
    base,
    evaluate: bench.evaluator(),
    segments: await openSegments(bench),
    journal,
    progress: bench.progress,
    signal: bench.signal,
    everySite: o.everySite,
    only: shard && ((group) => isOfShard(shard, group)),
    barePassSeconds,
  });
  journal.end();
  return {
    ...sensitivity,
    ...(journal.mixed && { mixed: journal.mixed }),
    basePinReasons: Object.fromEntries(basePins.map((p) => [p.layer, p.reason])),
  };
}
