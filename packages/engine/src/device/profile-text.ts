import { UsageError } from "@halfscope/core";
import type { OptimizationProfile, ShapeRange } from "./backend.js";

/** TensorRT keeps no larger size. */
export const largestSize = 2 ** 31 - 1;

const form =
  'Write NAME=MIN:OPT:MAX with sizes as 1x128, several inputs joined by commas: "input_ids=1x1:1x128:8x512,mask=1x1:1x128:8x512".';

/**
 * One optimisation profile as the command line gives it: `NAME=MIN:OPT:MAX`, sizes joined by `x`, inputs by commas. `NAME=SIZES` alone fixes all three;
 * `scalar`, or nothing, stands for no sizes at all. The name ends at the last `=`, so it may hold `:` and `=`; one with a comma, or that starts with a quote,
 * stands in single quotes (trtexec's rule), a quote inside of them doubled; so does one in which sizes and a blank or semicolon stand, as where a comma was forgotten. Of shape tensors the numbers are values and may be negative.
 * Throws UsageError ERR_PROFILE for text of another form and for inputs named twice; what the model says is not known here (`checkProfiles`).
 */
export function parseProfile(text: string): OptimizationProfile {
  if (text.trim() === "") throw malformed("it is empty");
  const inputs = new Map<string, ShapeRange>();
  for (const entry of entriesOf(text)) {
    const [name, sizes] = nameAndSizes(entry);
    if (inputs.has(name)) throw malformed(`the profile ${JSON.stringify(text)} names the input "${name}" twice`);
    inputs.set(name, rangeOf(name, sizes));
  }
  return { inputs: Object.fromEntries(inputs) };
}

/** `a=1x2 b`: what is taken for the name of the second input where no comma stands before it. */
const joined = /^(.*?=(?:[-\dx:]+|scalar)?)\s*[\s;]\s*(?=\S)/;

/** The inverse of `parseProfile`, for messages and for commands that a person can repeat. */
export function profileText({ inputs }: OptimizationProfile): string {
  return Object.entries(inputs)
    .map(
      ([name, range]) => `${/,|^'|^\s|\s$/.test(name) || joined.test(name) ? `'${name.replaceAll("'", "''")}'` : name}=${rangeText(range)}`,
    )
    .join(",");
}

/** `1x1:1x128:8x512`, or one size where all three are alike. */
export function rangeText({ min, opt, max }: ShapeRange): string {
  const texts = [min, opt, max].map(sizesText);
  return texts[0] === texts[1] && texts[1] === texts[2] ? (texts[0] ?? "") : texts.join(":");
}

export const sizesText = (sizes: readonly number[]): string => (sizes.length === 0 ? "scalar" : sizes.join("x"));

/** Splits at commas outside of quoted names. */
function entriesOf(text: string): string[] {
  const entries: string[] = [];
  for (let at = 0; at <= text.length; ) {
    const start = at;
    while (text[at] === " ") at++;
    if (text[at] === "'") at = closingQuote(text, at) + 1;
    const comma = text.indexOf(",", at);
    const end = comma < 0 ? text.length : comma;
    entries.push(text.slice(start, end).trim());
    at = end + 1;
  }
  return entries;
}

/** Index of the quote that ends the name whose quote opens at `open`. */
function closingQuote(text: string, open: number): number {
  for (let at = open + 1; at < text.length; at++) {
    if (text[at] !== "'") continue;
    if (text[at + 1] !== "'") return at;
    at++;
  }
  throw malformed(`a quoted name does not end in ${JSON.stringify(text)}`);
}

function nameAndSizes(entry: string): [string, string] {
  if (entry.startsWith("'")) {
    const close = closingQuote(entry, 0);
    const rest = entry.slice(close + 1).trimStart();
    const name = entry.slice(1, close).replaceAll("''", "'");
    if (name !== "" && rest.startsWith("=")) return [name, rest.slice(1)];
    throw malformed(`expected '=' and sizes behind the quoted name in ${JSON.stringify(entry)}`);
  }
  const equals = entry.lastIndexOf("=");
  const name = entry.slice(0, Math.max(equals, 0)).trim();
  if (equals < 0 || name === "") throw malformed(`expected NAME=SIZES, found ${JSON.stringify(entry)}`);
  const [both, first = ""] = joined.exec(name) ?? [];
  if (both !== undefined)
    throw malformed(
      `there is no comma between two inputs in ${JSON.stringify(entry)}`,
      `Join inputs with a comma: "${first},${entry.slice(both.length)}".`,
    );
  return [name, entry.slice(equals + 1)];
}

function rangeOf(name: string, text: string): ShapeRange {
  const parts = text.split(":").map((part) => sizesOf(name, part.trim()));
  const [min, opt = min, max = opt] = parts;
  if (min === undefined || opt === undefined || max === undefined || parts.length === 2 || parts.length > 3)
    throw malformed(`input "${name}": expected MIN:OPT:MAX or one shape, found ${JSON.stringify(text)}`);
  return { min, opt, max };
}

function sizesOf(name: string, text: string): number[] {
  if (text === "" || text === "scalar") return [];
  return text.split("x").map((size) => {
    const number = Number(size);
    if (/^-?\d+$/.test(size) && Number.isSafeInteger(number)) return number;
    throw malformed(`input "${name}": expected whole numbers joined by x, found ${JSON.stringify(text)}`);
  });
}

const malformed = (what: string, hint = form): UsageError =>
  new UsageError("ERR_PROFILE", `An optimisation profile cannot be read: ${what}.`, { hint });
