import { UsageError } from "@halfscope/core";
import type { FeedInput } from "../feeds/feed.js";
import { closest } from "../feeds/feed-errors.js";
import { namesBatch } from "../feeds/input-roles.js";
import type { OptimizationProfile, ShapeRange } from "./backend.js";
import { largestSize, rangeText, sizesText } from "./profile-text.js";

/** What profiles are held against: an input of a network or of a graph. An `IoInfo` is one. */
export interface ProfileInput {
  readonly name: string;
  /** A string names a size that is open, undefined is an open size without a name. Undefined as a whole: even the rank is open. */
  readonly dims: readonly (number | string | undefined)[] | undefined;
  /** The values are sizes: TensorRT wants their range instead of the shape's. */
  readonly isShapeTensor?: boolean;
}

/** The same of a graph's inputs; `shapeTensors` as `shapeTensorsOf` finds them. */
export const profileInputs = (inputs: readonly FeedInput[], shapeTensors: ReadonlySet<string> = new Set()): ProfileInput[] =>
  inputs.map(({ name, dims }) => ({
    name,
    dims: dims?.map((d) => d.size ?? d.symbol),
    ...(shapeTensors.has(name) && { isShapeTensor: true }),
  }));

/** Whether a profile has to say something of the input. */
export const needsRange = ({ dims, isShapeTensor }: ProfileInput): boolean =>
  isShapeTensor === true || dims === undefined || dims.some((d) => typeof d !== "number");

/** "profile 2 of 3", or "the profile" where there is one. */
export const profileName = (index: number, count: number): string => (count === 1 ? "the profile" : `profile ${index + 1} of ${count}`);

/** "dimension 1 (sequence)". */
export function dimensionName(input: ProfileInput | undefined, axis: number): string {
  if (input?.isShapeTensor === true) return `value ${axis}`;
  const declared = input?.dims?.[axis];
  return typeof declared === "string" ? `dimension ${axis} (${declared})` : `dimension ${axis}`;
}

/**
 * Holds profiles against the inputs: every name known, ranks and fixed sizes as the model has them, sizes up to 2^31-1, from 0 as min and opt (but of a batch)
 * and from 1 as max, min <= opt <= max, every input with open sizes and every shape tensor covered. Throws UsageError ERR_PROFILE that names profile, input
 * and dimension. Returns warnings: sizes that the model gives one name and the profile different ranges, so that requests within both are fewer than it looks.
 */
export function checkProfiles(profiles: readonly OptimizationProfile[], inputs: readonly ProfileInput[]): string[] {
  const open = inputs.filter(needsRange);
  if (profiles.length === 0 && open.length > 0)
    throw new UsageError(
      "ERR_PROFILE",
      `The sizes of ${open.map((i) => `"${i.name}"`).join(", ")} are open, and there is no optimisation profile.`,
      {
        hint: `Give one: ${example(open)}.`,
        context: { inputs: open.map((i) => i.name) },
      },
    );
  return profiles.flatMap((profile, index) => {
    new Check(profile, profileName(index, profiles.length), inputs).run();
    return sharedSymbols(profile, profileName(index, profiles.length), inputs);
  });
}

class Check {
  constructor(
    private readonly profile: OptimizationProfile,
    private readonly title: string,
    private readonly inputs: readonly ProfileInput[],
  ) {}

  run(): void {
    const byName = new Map(this.inputs.map((i) => [i.name, i]));
    for (const [name, range] of Object.entries(this.profile.inputs)) {
      const input = byName.get(name);
      if (input === undefined) throw this.unknown(name);
      this.range(input, range);
    }
    const missing = this.inputs.filter((i) => needsRange(i) && !Object.hasOwn(this.profile.inputs, i.name));
    if (missing.length > 0)
      throw this.error(`does not cover the input ${missing.map((i) => `"${i.name}"`).join(", ")}`, `Add it: ${example(missing)}.`, {
        inputs: missing.map((i) => i.name),
      });
  }

  private range(input: ProfileInput, range: ShapeRange): void {
    const { min, opt, max } = range;
    const rank = input.isShapeTensor === true ? valuesOf(input) : input.dims?.length;
    const what = input.isShapeTensor === true ? "values" : "sizes";
    for (const [which, sizes] of Object.entries({ min, opt, max })) {
      if (rank !== undefined && sizes.length !== rank)
        throw this.error(
          `gives "${input.name}" ${sizes.length} ${what} as ${which} (${sizesText(sizes)}); expected ${rank}`,
          `The model declares ${declared(input)}.`,
          { input: input.name },
        );
      for (const [axis, size] of sizes.entries()) this.size(input, which, size, axis);
    }
    if (min.length !== opt.length || opt.length !== max.length)
      throw this.error(
        `gives "${input.name}" min, opt and max of different lengths (${rangeText(range)})`,
        "Give all three the same rank.",
        {
          input: input.name,
        },
      );
    min.forEach((low, axis) => {
      const [mid, high] = [opt[axis] ?? low, max[axis] ?? low];
      if (low > mid || mid > high)
        throw this.error(
          `has min ${low}, opt ${mid}, max ${high} for "${input.name}", ${dimensionName(input, axis)}; expected min <= opt <= max`,
          "Put the three in ascending order.",
          { input: input.name, axis },
        );
    });
  }

  private size(input: ProfileInput, which: string, size: number, axis: number): void {
    const at = `"${input.name}", ${dimensionName(input, axis)}`;
    const fixed = input.isShapeTensor === true ? undefined : input.dims?.[axis];
    const low = lowest(input, which, axis);
    if (!Number.isSafeInteger(size) || size < low || size > largestSize)
      throw this.error(
        `has ${which} ${size} for ${at}; expected a whole number from ${low} to ${largestSize}`,
        size !== 0 || isBatch(fixed)
          ? "Give a size that a request can have."
          : "Only min and opt may be 0: give a profile whose max is a size that later requests have, 0:0:1 at the least.",
        {
          input: input.name,
          axis,
        },
      );
    if (typeof fixed === "number" && fixed !== size)
      throw this.error(
        `has ${which} ${size} for ${at}, which is ${fixed} in the model`,
        `The model declares ${declared(input)}; only open sizes have a range.`,
        {
          input: input.name,
          axis,
        },
      );
  }

  private unknown(name: string): UsageError {
    const names = this.inputs.map((i) => i.name);
    const meant = closest(name, names);
    return this.error(
      `names "${name}", which is no input of the model`,
      meant === undefined ? `Its inputs are ${names.join(", ")}.` : `Did you mean "${meant}"?`,
      { input: name },
    );
  }

  private error(what: string, hint: string, context: Record<string, unknown>): UsageError {
    const title = `${this.title[0]?.toUpperCase()}${this.title.slice(1)}`;
    return new UsageError("ERR_PROFILE", `${title} ${what}.`, { hint, context: { profile: this.title, ...context } });
  }
}

/**
 * The least that a profile may say. A size of 0 is a decoder's empty past: TensorRT takes it as min and opt (NvInferRuntime.h, `setDimensions`: "0 <= minDims.d[i] <=
 * optDims.d[i] <= maxDims.d[i]"), `native/tensorrt` hands it on as it is, and an empty tensor has an address there too. With an opt of 0 TensorRT times kernels for the
 * empty tensor: its own choice, which requests of the first token want. An engine that holds nothing else, and a batch without rows, are slips.
 */
function lowest(input: ProfileInput, which: string, axis: number): number {
  if (input.isShapeTensor === true) return -largestSize;
  return which === "max" || isBatch(input.dims?.[axis]) ? 1 : 0;
}

/** Only a name tells: the first axis of an input is not always the batch. */
const isBatch = (declared: number | string | undefined): boolean => typeof declared === "string" && namesBatch(declared);

/** How many values a shape tensor holds; undefined where its length is open. */
function valuesOf({ dims }: ProfileInput): number | undefined {
  if (dims === undefined) return undefined;
  const sizes = dims.filter((d) => typeof d === "number");
  return sizes.length < dims.length ? undefined : sizes.reduce((n, d) => n * d, 1);
}

const declared = ({ dims }: ProfileInput): string => (dims === undefined ? "no shape" : `[${dims.map((d) => d ?? "?").join(", ")}]`);

/** What a person can type for these inputs, with sizes that look like sizes. */
function example(inputs: readonly ProfileInput[]): string {
  const sizes = (input: ProfileInput, open: number) =>
    input.isShapeTensor === true ? String(open) : sizesText((input.dims ?? [undefined]).map((d) => (typeof d === "number" ? d : open)));
  return `"${inputs.map((i) => `${i.name}=${sizes(i, 1)}:${sizes(i, 8)}:${sizes(i, 16)}`).join(",")}"`;
}

/** Ranges by the name that the model gives a size, each with the first place that has it. */
export function symbolRanges(
  profile: OptimizationProfile,
  inputs: readonly ProfileInput[],
): Map<string, readonly [number, number, number]> {
  const found = new Map<string, readonly [number, number, number]>();
  eachSymbol(profile, inputs, (symbol, range) => {
    if (!found.has(symbol)) found.set(symbol, range);
  });
  return found;
}

function eachSymbol(
  profile: OptimizationProfile,
  inputs: readonly ProfileInput[],
  visit: (symbol: string, range: readonly [number, number, number], input: ProfileInput, axis: number) => void,
): void {
  for (const input of inputs) {
    const range = Object.hasOwn(profile.inputs, input.name) ? profile.inputs[input.name] : undefined;
    if (range === undefined || input.isShapeTensor === true) continue;
    input.dims?.forEach((symbol, axis) => {
      const [min, opt, max] = [range.min[axis], range.opt[axis], range.max[axis]];
      if (typeof symbol === "string" && min !== undefined && opt !== undefined && max !== undefined)
        visit(symbol, [min, opt, max], input, axis);
    });
  }
}

function sharedSymbols(profile: OptimizationProfile, title: string, inputs: readonly ProfileInput[]): string[] {
  const first = new Map<string, { text: string; at: string }>();
  const warnings: string[] = [];
  eachSymbol(profile, inputs, (symbol, range, input, axis) => {
    const [text, at] = [range.join(":"), `"${input.name}", dimension ${axis}`];
    const before = first.get(symbol);
    if (before === undefined) first.set(symbol, { text, at });
    else if (before.text !== text)
      warnings.push(
        `In ${title}, the size "${symbol}" is ${before.text} at ${before.at} and ${text} at ${at}; the model gives both one name, so only requests within both are served.`,
      );
  });
  return warnings;
}
