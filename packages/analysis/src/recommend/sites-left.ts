import type { Site, SiteSensitivity } from "@halfscope/core";
import { OutputSums } from "./output-sums.js";

/**
 * Which swept sites a set of pins leaves, and what they predict together, as `predictError` adds them. Pins come and go one by one, at the price of the sites that the
 * layer touches: searches ask for thousands of sets.
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
  private readonly pinned: Uint8Array;
  private readonly sums: OutputSums;

  constructor(
    sites: readonly Site[],
    readonly measured: readonly SiteSensitivity[],
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
    this.pinned = new Uint8Array(this.layers.length);
    this.sums = new OutputSums(measured);
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
    this.sums.clear();
    for (let s = 0; s < this.missing.length; s++) if (this.isLeft(s)) this.sums.add(s, 1);
  }

  /** Square of the error that the sites left predict, of the output that is worst; an infinite one counts as 1e12. */
  get square(): number {
    return this.sums.of(this.judged);
  }
  /** The output that is worst now. */
  get judged(): number {
    let worst = 0;
    let most = -1;
    for (let o = 0; o < this.sums.outputs; o++) {
      const square = this.sums.of(o);
      if (square > most) [worst, most] = [o, square];
    }
    return worst;
  }

  /** The error that the sites left predict; Infinity when one of them makes an output infinite. */
  predicted(): number {
    if (this.measured.some((m, s) => this.isLeft(s) && m.perOutput.includes(Number.POSITIVE_INFINITY))) return Number.POSITIVE_INFINITY;
    this.settle();
    return Math.sqrt(this.square);
  }
  predictedFor(pins: Iterable<string>): number {
    return this.set(pins).predicted();
  }

  /** What vanishes of one output's squared error when these layers are pinned too. Changes nothing. */
  gain(layers: readonly string[], output: number): number {
    const touched: number[] = [];
    const vanishing: number[] = [];
    for (const l of layers) {
      if (this.has(l)) continue;
      for (const s of this.sitesOf[this.index.get(l) ?? -1] ?? []) {
        const left = (this.missing[s] ?? 0) - 1;
        this.missing[s] = left;
        touched.push(s);
        if (left === 0) vanishing.push(s);
      }
    }
    for (const s of touched) this.missing[s] = (this.missing[s] ?? 0) + 1;
    return this.sums.gain(vanishing, output);
  }

  private put(layer: string, on: boolean): void {
    const i = this.index.get(layer);
    if (i === undefined || (this.pinned[i] === 1) === on) return;
    this.pinned[i] = on ? 1 : 0;
    for (const s of this.sitesOf[i] ?? []) {
      const before = this.missing[s] ?? 0;
      this.missing[s] = before + (on ? -1 : 1);
      if (on && before === 1) this.sums.add(s, -1);
      if (!on && before === 0) this.sums.add(s, 1);
    }
  }
}
