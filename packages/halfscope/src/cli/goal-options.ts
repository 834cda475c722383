import { type Recommendation, UsageError } from "@halfscope/core";
import type { Argv } from "yargs";

/** What a recommendation aims at, beside the tolerance, and what is measured beside it. */
export const goalOptions = <T>(y: Argv<T>) =>
  y
    .option("budget", {
      type: "string",
      requiresArg: true,
      group: "Judgement:",
      describe: "lowest error for at most this share of the work in FP32, in place of the tolerance: 5%",
    })
    .option("pins", {
      type: "number",
      requiresArg: true,
      group: "Judgement:",
      describe: "lowest error with at most this many pins, in place of the tolerance",
    })
    .conflicts("budget", "pins")
    .option("prefer", {
      choices: ["pins", "work"] as const,
      default: "pins" as const,
      group: "Judgement:",
      describe: "what makes a set of pins small: fewest pins, or least work in FP32",
    })
    .option("pins-like", {
      type: "string",
      requiresArg: true,
      group: "Judgement:",
      describe: "measure these beside ours: operators, kinds, names with *, commas between; or an overrides file",
    })
    .option("trials", {
      type: "number",
      requiresArg: true,
      group: "Run:",
      describe: "sets of pins to measure at most [60, more for small models]",
    });

export interface GoalArguments {
  budget?: string | undefined;
  pins?: number | undefined;
  prefer: "pins" | "work";
  "pins-like"?: string | undefined;
  trials?: number | undefined;
}

export interface Goal {
  goal?: NonNullable<Recommendation["goal"]>;
  prefer: "pins" | "work";
  trials?: number;
  /** Patterns or a file, as given. */
  pinsLike?: string;
}

/** Throws ERR_OPTION. */
export function goalFrom(args: GoalArguments): Goal {
  const goal = goalOf(args);
  if (args.trials !== undefined && !(Number.isSafeInteger(args.trials) && args.trials >= 1))
    throw new UsageError("ERR_OPTION", `--trials needs a whole number of at least 1, found ${args.trials}.`, {
      hint: "For instance --trials 200.",
    });
  return {
    ...(goal && { goal }),
    prefer: args.prefer,
    ...(args.trials !== undefined && { trials: args.trials }),
    ...(args["pins-like"] !== undefined && { pinsLike: args["pins-like"] }),
  };
}

function goalOf({ budget, pins }: GoalArguments): Goal["goal"] {
  if (pins !== undefined) {
    if (Number.isSafeInteger(pins) && pins >= 0) return { kind: "pins", pins };
    throw new UsageError("ERR_OPTION", `--pins needs a whole number of at least 0, found ${pins}.`, { hint: "For instance --pins 4." });
  }
  if (budget === undefined) return undefined;
  const percent = Number(/^\s*(\d+(?:\.\d+)?)\s*%?\s*$/.exec(budget)?.[1] ?? Number.NaN);
  if (percent >= 0 && percent <= 100) return { kind: "budget", fp32Share: percent / 100 };
  throw new UsageError("ERR_OPTION", `--budget needs a share of the work from 0% to 100%, found ${JSON.stringify(budget)}.`, {
    hint: "For instance --budget 5%.",
  });
}
