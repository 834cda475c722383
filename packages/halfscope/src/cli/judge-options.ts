import { type ResultDocument, UsageError } from "@halfscope/core";
import type { Argv } from "yargs";
import type { WorkbenchOptions } from "../pipeline/workbench.js";

/** What final outputs are judged by. */
export const judgeOptions = <T>(y: Argv<T>) =>
  y
    .option("metric", {
      type: "string",
      requiresArg: true,
      group: "Judgement:",
      describe: "a module of your own: (reference, candidate) => number, smaller is better; the tolerance judges it",
    })
    .option("keep-padding", {
      type: "boolean",
      default: false,
      group: "Judgement:",
      describe: "judge positions too that attention_mask or input_mask marks as padding",
    });

export interface JudgeArguments {
  metric?: string | undefined;
  "keep-padding": boolean;
}

/** Loads the person's module: as code of theirs, and only where they name it. Throws ERR_FILE_NOT_FOUND, ERR_METRIC. */
export async function judgeFrom(args: JudgeArguments): Promise<Pick<WorkbenchOptions, "metric" | "keepPadding">> {
  const keepPadding = args["keep-padding"];
  if (args.metric === undefined) return { keepPadding };
  const { loadMetric } = await import("../pipeline/load-metric.js");
  return { metric: await loadMetric(args.metric), keepPadding };
}

/**
 * The same for work on a saved sweep: padding as it was swept. A module that the sweep was judged by has to be named again, since a results folder may come from anywhere
 * and must not choose what code runs. Throws ERR_OPTION where it is missing or another one.
 */
export async function judgeAsSwept(
  args: JudgeArguments,
  result: ResultDocument,
): Promise<Pick<WorkbenchOptions, "metric" | "keepPadding">> {
  const { judgement } = result.sensitivity ?? {};
  const judged = await judgeFrom({ ...args, "keep-padding": args["keep-padding"] || judgement?.padding?.kept === true });
  const swept = judgement?.figure === "metric" ? judgement.metric : undefined;
  if (swept?.digest === judged.metric?.digest) return judged;
  const found = judged.metric === undefined ? "none was named" : `${judged.metric.path} is another module`;
  throw new UsageError(
    "ERR_OPTION",
    swept === undefined
      ? `The sweep was judged by relative L2, and --metric names ${judged.metric?.path}.`
      : `The sweep was judged by ${swept.path}, and ${found}.`,
    {
      hint:
        swept === undefined
          ? "Sweep again with --metric, or leave it out."
          : `Name it with --metric: halfscope runs no code that a results folder names.`,
    },
  );
}
