import type { SiteSensitivity } from "@halfscope/core";
import { addsWithSign, unpackProjection } from "../sweep/projection.js";

/** Stands for the square of an infinite error: far beyond any finite one, and still a number that adds up. */
const infiniteSquare = 1e12;
/** Beyond this many numbers, what adds with sign is added in squares too: searches would wait for memory. */
const mostNumbers = 2e7;

/** What one site adds, by output: squares of what falls anew, and signed vectors by sample. */
interface Part {
  readonly squares: Float64Array;
  readonly infinite: Uint8Array;
  /** By output, then by sample. */
  readonly vectors: readonly (readonly Float32Array[] | undefined)[];
}

/**
 * Squared errors of sites, added up output by output as `predictError` does it, where sites come and go: what adds with sign as vectors, the rest in squares. What
 * is not finite is counted by itself, for a large number in a sum would swallow the small ones.
 */
export class OutputSums {
  readonly outputs: number;
  private readonly parts: readonly Part[];
  private readonly fresh: Float64Array;
  private readonly broken: Int32Array;
  /** By output, then by sample; undefined where nothing adds with sign. */
  private readonly sums: (Float64Array[] | undefined)[];

  constructor(measured: readonly SiteSensitivity[]) {
    this.outputs = measured.reduce((n, m) => Math.max(n, m.perOutput.length), 0);
    const numbers = measured.reduce((n, m) => n + (addsWithSign(m.kind) ? 512 * (m.signed?.flat().length ?? 0) : 0), 0);
    this.parts = measured.map((m) => partOf(m, numbers <= mostNumbers));
    this.fresh = new Float64Array(this.outputs);
    this.broken = new Int32Array(this.outputs);
    this.sums = Array.from({ length: this.outputs }, (_, o) => {
      const shape = this.parts.find((p) => p.vectors[o] !== undefined)?.vectors[o];
      return shape?.map((v) => new Float64Array(v.length));
    });
    // Vectors of another shape than the first cannot be added to it: in squares, then.
    for (const part of this.parts) for (let o = 0; o < this.outputs; o++) this.requireShape(part, o);
  }

  /** Squared error of an output. */
  of(output: number): number {
    const vectors = this.sums[output];
    let square = Math.max(0, this.fresh[output] ?? 0) + infiniteSquare * (this.broken[output] ?? 0);
    for (const v of vectors ?? []) square += dot(v, v) / (vectors?.length ?? 1);
    return square;
  }

  add(site: number, sign: 1 | -1): void {
    const part = this.parts[site];
    if (part === undefined) return;
    for (let o = 0; o < this.outputs; o++) {
      this.fresh[o] = (this.fresh[o] ?? 0) + sign * (part.squares[o] ?? 0);
      this.broken[o] = (this.broken[o] ?? 0) + sign * (part.infinite[o] ?? 0);
      part.vectors[o]?.forEach((v, s) => {
        addTo(this.sums[o]?.[s], v, sign);
      });
    }
  }

  clear(): void {
    this.fresh.fill(0);
    this.broken.fill(0);
    for (const samples of this.sums) for (const v of samples ?? []) v.fill(0);
  }

  /** What an output's squared error loses with these sites. Changes nothing. */
  gain(sites: readonly number[], output: number): number {
    let gain = 0;
    let gone: Float64Array[] | undefined;
    for (const site of sites) {
      const part = this.parts[site];
      gain += (part?.squares[output] ?? 0) + infiniteSquare * (part?.infinite[output] ?? 0);
      const vectors = part?.vectors[output];
      if (vectors === undefined) continue;
      gone ??= vectors.map((v) => new Float64Array(v.length));
      vectors.forEach((v, s) => {
        addTo(gone?.[s], v, 1);
      });
    }
    const sums = this.sums[output];
    gone?.forEach((g, s) => {
      const v = sums?.[s];
      if (v !== undefined) gain += (2 * dot(v, g) - dot(g, g)) / (gone?.length ?? 1);
    });
    return gain;
  }

  private requireShape(part: Part, output: number): void {
    const [vectors, sums] = [part.vectors[output], this.sums[output]];
    if (vectors === undefined || sums === undefined) return;
    if (vectors.length === sums.length && vectors.every((v, s) => v.length === sums[s]?.length)) return;
    part.squares[output] = vectors.reduce((n, v) => n + dot(v, v), 0) / vectors.length;
    (part.vectors as (readonly Float32Array[] | undefined)[])[output] = undefined;
  }
}

function partOf(m: SiteSensitivity, withVectors: boolean): Part {
  const outputs = m.perOutput.length;
  const samples = m.perSample ?? [m.perOutput];
  const squares = new Float64Array(outputs);
  const infinite = new Uint8Array(outputs);
  const vectors: (readonly Float32Array[] | undefined)[] = [];
  for (let o = 0; o < outputs; o++) {
    const errors = samples.map((s) => s[o] ?? 0);
    if (!errors.every(Number.isFinite) || !Number.isFinite(m.perOutput[o])) {
      infinite[o] = 1;
      continue;
    }
    const signed = withVectors && addsWithSign(m.kind) ? errors.map((e, s) => scaled(m.signed?.[s]?.[o], e)) : [];
    if (signed.length > 0 && signed.every((v) => v !== undefined)) vectors[o] = signed;
    else squares[o] = errors.reduce((n, e) => n + e * e, 0) / errors.length;
  }
  return { squares, infinite, vectors };
}

/** The projection at the length of the measured error: one site alone is exact. */
function scaled(text: string | undefined, error: number): Float32Array | undefined {
  const v = unpackProjection(text);
  if (v === undefined) return undefined;
  const norm = Math.hypot(...v);
  return norm > 0 ? Float32Array.from(v, (x) => (x * error) / norm) : undefined;
}

function addTo(sum: Float64Array | undefined, v: ArrayLike<number>, sign: number): void {
  if (sum === undefined) return;
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + sign * (v[i] ?? 0);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}
