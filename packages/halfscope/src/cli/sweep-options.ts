import type { Argv } from "yargs";
import type { SweepStepOptions } from "../pipeline/sweep-step.js";
import type { WorkbenchOptions } from "../pipeline/workbench.js";
import { whole } from "./options.js";

/** How a sweep goes about it. */
export const sweepOptions = <T>(y: Argv<T>) =>
  y
    .option("sweep-samples", {
      type: "number",
      requiresArg: true,
      default: 1,
      group: "Sweep:",
      describe: "samples that every candidate is run on; costs are then roots of mean squares over them",
    })
    .option("adaptive", {
      type: "boolean",
      default: false,
      group: "Sweep:",
      describe: "blocks first, and inside only those that can still matter: a fraction of the time, small costs are estimated",
    });

export interface SweepArguments {
  "sweep-samples": number;
  adaptive: boolean;
}

/** Throws ERR_OPTION. */
export const sweepFrom = (args: SweepArguments): Pick<SweepStepOptions, "sweepSamples" | "adaptive"> => ({
  sweepSamples: whole("--sweep-samples", args["sweep-samples"], 1),
  adaptive: args.adaptive,
});

/** Where samples are made up, there are to be enough for the sweep and one that nothing is chosen on. Throws ERR_OPTION. */
export function withSweptSamples(o: WorkbenchOptions, args: SweepArguments): WorkbenchOptions {
  const swept = whole("--sweep-samples", args["sweep-samples"], 1);
  if (swept === 1) return o;
  if (!o.feeds?.length) return { ...o, samples: Math.max(o.samples ?? 0, swept + 1) };
  return o;
}
