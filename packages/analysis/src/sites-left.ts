import type { Site, SiteSensitivity } from "@halfscope/core";
import { worst } from "./output-error.js";

/** Stands for the square of an infinite error: far beyond any finite one, and still a number that adds up. */
const infiniteSquare = 1e12;

/** What the sites that are left add up to, output by output, as errors. `addInSquares` of their errors is the plainest. */
export type PredictLeft = (left: readonly SiteSensitivity[]) => readonly number[];

/**
 * Which swept sites a set of pins leaves, and what they predict. Pins come and go one by one, at the price of the sites that the layer touches: searches ask for
 * thousands of sets. Sums are in squares; `predicted` asks the better prediction where there is one.
 */
export class SitesLeft {
  /** Layers that touch a swept site. */
  readonly layers: readonly string[];
  /** Layers of each swept site. */
  readonly needs: readonly (readonly string[])[];
  private readonly index: ReadonlyMap<string, number>;
  private readonly sitesOf: number[][];
  /** Layers that still have to be pinned before a site vanishes. */
  private readonly missing: Int32Array;
  /** Finite errors, squared, and by themselves how many are not finite: a large number in a sum would swallow the small ones. */
  private readonly squares: Float64Array[];
  private readonly infinite: (readonly number[])[];
  private readonly broken: Int32Array;
  private readonly pinned: Uint8Array;
  private readonly sums: Float64Array;

  constructor(
    sites: readonly Site[],
    readonly measured: readonly SiteSensitivity[],
    private readonly predictLeft?: PredictLeft,
    /** Order in which layers are named; those that no site touches are left out. */
    order: readonly string[] = [],
  ) {
    const touching = new Map(sites.map((s) => [s.id, s.touching]));
    this.needs = measured.map((m) => [...new Set(touching.get(m.site) ?? [])]);
    const known = new Set(this.needs.flat());
    this.layers = [...new Set([...order.filter((l) => known.has(l)), ...known])];
    this.index = new Map(this.layers.map((l, i) => [l, i]));
    this.sitesOf = this.layers.map(() => []);
    this.needs.forEach((layers, site) => {
      for (const l of layers) this.sitesOf[this.index.get(l) as number]?.push(site);
    });
    this.missing = Int32Array.from(this.needs, (n) => n.length);
    this.squares = measured.map((m) => Float64Array.from(m.perOutput, (e) => (Number.isFinite(e) ? e * e : 0)));
    this.infinite = measured.map((m) => m.perOutput.map((e) => (Number.isFinite(e) ? 0 : 1)));
    this.broken = new Int32Array(measured[0]?.perOutput.length ?? 0);
    this.pinned = new Uint8Array(this.layers.length);
    this.sums = new Float64Array(measured[0]?.perOutput.length ?? 0);
    this.settle();
  }

  get pins(): string[] {
    return this.layers.filter((_, i) => this.pinned[i]);
  }
  has(layer: string): boolean {
    return this.pinned[this.index.get(layer) ?? -1] === 1;
  }
  touches(layer: string): boolean {
    return this.index.has(layer);
  }
  isLeft(site: number): boolean {
    return (this.missing[site] ?? 0) > 0;
  }

  set(pins: Iterable<string>): this {
    const wanted = new Set(pins);
    for (const l of this.layers) this.put(l, wanted.has(l));
    this.settle();
    return this;
  }
  pin(layer: string): void {
    this.put(layer, true);
  }
  unpin(layer: string): void {
    this.put(layer, false);
  }

  /** Sums anew: what was added and taken away many times is a little off, and small errors beside large ones are lost in it. */
  settle(): void {
    this.sums.fill(0);
    this.broken.fill(0);
    for (let s = 0; s < this.missing.length; s++) if (this.isLeft(s)) this.addTo(s, 1);
  }

  /** Square of the error that the sites left predict, of the output that is worst. */
  get square(): number {
    return this.of(this.judged);
  }
  /** The output that is worst now. */
  get judged(): number {
    let worst = 0;
    for (let o = 1; o < this.sums.length; o++) if (this.of(o) > this.of(worst)) worst = o;
    return worst;
  }
  private of(output: number): number {
    return Math.max(0, this.sums[output] ?? 0) + infiniteSquare * (this.broken[output] ?? 0);
  }

  /** The error that the sites left predict; Infinity when one of them makes an output infinite. */
  predicted(): number {
    const left = this.measured.filter((_, s) => this.isLeft(s));
    if (left.some((m) => m.perOutput.includes(Number.POSITIVE_INFINITY))) return Number.POSITIVE_INFINITY;
    if (this.predictLeft !== undefined) return worst(this.predictLeft(left));
    this.settle();
    return Math.sqrt(this.square);
  }
  predictedFor(pins: Iterable<string>): number {
    return this.set(pins).predicted();
  }

  /** What vanishes of one output's squared error, in sums, when these layers are pinned too. Changes nothing. */
  gain(layers: readonly string[], output: number): number {
    const fresh = layers.filter((l) => !this.has(l));
    let gain = 0;
    const touched: number[] = [];
    for (const l of fresh)
      for (const s of this.sitesOf[this.index.get(l) ?? -1] ?? []) {
        const left = (this.missing[s] ?? 0) - 1;
        this.missing[s] = left;
        touched.push(s);
        if (left === 0) gain += (this.squares[s]?.[output] ?? 0) + infiniteSquare * (this.infinite[s]?.[output] ?? 0);
      }
    for (const s of touched) this.missing[s] = (this.missing[s] ?? 0) + 1;
    return gain;
  }

  private put(layer: string, on: boolean): void {
    const i = this.index.get(layer);
    if (i === undefined || (this.pinned[i] === 1) === on) return;
    this.pinned[i] = on ? 1 : 0;
    for (const s of this.sitesOf[i] ?? []) {
      const before = this.missing[s] ?? 0;
      this.missing[s] = before + (on ? -1 : 1);
      if (on && before === 1) this.addTo(s, -1);
      if (!on && before === 0) this.addTo(s, 1);
    }
  }
  private addTo(site: number, sign: number): void {
    this.squares[site]?.forEach((q, o) => {
      this.sums[o] = (this.sums[o] ?? 0) + sign * q;
      this.broken[o] = (this.broken[o] ?? 0) + sign * (this.infinite[site]?.[o] ?? 0);
    });
  }
}
