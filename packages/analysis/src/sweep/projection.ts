import type { SiteKind, SiteSensitivity } from "@halfscope/core";

/** Changes when the numbers of a projection do: journals of another version cannot be continued. */
export const projectionVersion = 1;
/** Numbers that an output's signed error is projected to; outputs of no more elements are kept as they are. */
export const projectionBuckets = 512;

/**
 * Which bucket each element of an output goes to and with which sign: `bucket * 2 + (negative ? 1 : 0)`. A count sketch of one row (Charikar, Chen, Farach-Colton,
 * "Finding frequent items in data streams", 2002; "feature hashing" of Weinberger et al., 2009): linear, and inner products of what it makes are those of
 * the vectors on average, with a standard deviation of about 1 / sqrt(buckets) of the product of their norms.
 */
export function projectionOf(elements: number): Uint16Array {
  const codes = new Uint16Array(elements);
  if (elements <= projectionBuckets) return codes.map((_, i) => 2 * i);
  for (let i = 0; i < elements; i++) codes[i] = mix(i + 1) & (2 * projectionBuckets - 1);
  return codes;
}

/** The final mix of MurmurHash3: every bit of the index reaches every bit of the hash. */
function mix(index: number): number {
  let h = Math.imul(index, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** How many numbers a projection of so many elements has. */
export const projectedLength = (elements: number): number => Math.min(elements, projectionBuckets);

/** Projects a vector. */
export function project(values: ArrayLike<number>, codes: Uint16Array = projectionOf(values.length)): Float64Array {
  const sums = new Float64Array(projectedLength(codes.length));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    const v = values[i] ?? 0;
    sums[code >> 1] = (sums[code >> 1] ?? 0) + (code & 1 ? -v : v);
  }
  return sums;
}

/** As text for journals and results: a float32 scale and a signed byte per number, in base64. What a byte loses is far below what the projection does. */
export function packProjection(projection: Float64Array): string {
  let largest = 0;
  for (const v of projection) largest = Math.max(largest, Math.abs(v));
  const scale = Math.fround(largest / 127);
  if (!(scale > 0 && Number.isFinite(scale))) return "";
  const bytes = new Uint8Array(4 + projection.length);
  new DataView(bytes.buffer).setFloat32(0, scale, true);
  projection.forEach((v, i) => {
    bytes[4 + i] = Math.max(-127, Math.min(127, Math.round(v / scale)));
  });
  return Buffer.from(bytes.buffer).toString("base64");
}

/** The projection behind a text; undefined for an empty or damaged one: results come from anywhere. */
export function unpackProjection(text: unknown): Float64Array | undefined {
  if (typeof text !== "string" || text === "") return undefined;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length < 5 || bytes.length > 4 + projectionBuckets) return undefined;
  const scale = bytes.readFloatLE(0);
  if (!Number.isFinite(scale)) return undefined;
  return Float64Array.from(new Int8Array(bytes.buffer, bytes.byteOffset + 4, bytes.length - 4), (v) => v * scale);
}

/**
 * A weight or constant errs the same way in every candidate, so that the effects of several add with sign. A rounding of a value that other roundings have moved
 * falls anew: it adds in squares (DESIGN section 5).
 */
export const addsWithSign = (kind: SiteKind): boolean => kind === "weight";

/** Errors as `SiteSensitivity` has them. */
export type SignedError = Pick<SiteSensitivity, "kind" | "perOutput" | "perSample" | "signed">;

/**
 * The error of all these sites together, output by output: relative L2, root of the mean square over the samples that were swept. Sites that add with sign do so
 * as vectors, each scaled to its measured norm (so that one alone is exact); the others, and those without a projection, in squares.
 */
export function predictError(sites: readonly SignedError[]): number[] {
  const outputs = sites.reduce((n, s) => Math.max(n, s.perOutput.length), 0);
  const samples = sites.reduce((n, s) => Math.max(n, s.perSample?.length ?? 1), 1);
  return Array.from({ length: outputs }, (_, output) => {
    let squares = 0;
    for (let sample = 0; sample < samples; sample++) squares += squareOf(sites, sample, output);
    return Math.sqrt(squares / samples);
  });
}

function squareOf(sites: readonly SignedError[], sample: number, output: number): number {
  let squares = 0;
  let sum: Float64Array | undefined;
  for (const site of sites) {
    const error = (site.perSample?.[sample] ?? site.perOutput)[output] ?? 0;
    const direction = addsWithSign(site.kind) && Number.isFinite(error) ? directionsOf(site)[sample]?.[output] : undefined;
    sum ??= direction && new Float64Array(direction.length);
    if (direction === undefined || direction.length !== sum?.length) squares += error * error;
    else for (let i = 0; i < direction.length; i++) sum[i] = (sum[i] ?? 0) + error * (direction[i] ?? 0);
  }
  for (const v of sum ?? []) squares += v * v;
  return squares;
}

type Directions = readonly (readonly (Float64Array | undefined)[])[];
/** Searches ask for the same sites thousands of times. */
const directions = new WeakMap<readonly (readonly string[])[], Directions>();

/** Projections of length 1, by sample and output. */
function directionsOf({ signed }: SignedError): Directions {
  if (signed === undefined) return [];
  const known = directions.get(signed);
  if (known !== undefined) return known;
  const made = signed.map((outputs) => outputs.map((text) => ofLengthOne(unpackProjection(text))));
  directions.set(signed, made);
  return made;
}

function ofLengthOne(v: Float64Array | undefined): Float64Array | undefined {
  if (v === undefined) return undefined;
  const norm = Math.hypot(...v);
  return norm > 0 ? v.map((x) => x / norm) : undefined;
}
