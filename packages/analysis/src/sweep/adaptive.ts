import type { AdaptiveSweep, Layer, SiteSensitivity } from "@halfscope/core";
import { worst } from "../judge/output-error.js";
import { type Block, blocksOf, byLayer } from "./adaptive-blocks.js";
import { leaveOut, ratioOf, Shares, scaled, scoreOf, sum } from "./adaptive-shares.js";
import { predictError } from "./projection.js";
import type { Candidates } from "./sweep-candidates.js";
import type { SiteGroup } from "./sweep-groups.js";

export interface AdaptiveOptions {
  layers: readonly Layer[];
  /** Share of the squared error that may stay in sets that are not opened. Defaults to 0.05; 0 opens all. */
  threshold?: number | undefined;
  /** Error that must be met: what is not opened stays below half of it too. */
  tolerance?: number | undefined;
}
export const defaultThreshold = 0.05;

/** Share of the threshold that predictions may fill. */
const inHand = 0.9;

/** A layer within a block: what is measured together before its groups are. */
interface Unit {
  block: Block;
  leaves: readonly SiteGroup[];
}

/**
 * Errors of disjoint sites add (DESIGN section 5), so that a set whose error is small hides nothing: blocks are measured first, then the layers of those that matter, then
 * the groups of those layers. Of blocks that are built alike, one is opened to its groups; its proportions say where to look in the others, and share out what a layer of theirs
 * measures. In the end everything that was not looked at is measured together, so that what was missed is known and not believed: where that is more than
 * the threshold, more is opened.
 */
export async function sweepAdaptively(
  o: AdaptiveOptions & { groups: readonly SiteGroup[]; candidates: Candidates; whole: readonly number[] },
): Promise<{ sites: SiteSensitivity[]; adaptive: AdaptiveSweep }> {
  return new AdaptiveRun(o).run();
}

class AdaptiveRun {
  private readonly blocks: readonly Block[];
  private readonly shares: Shares;
  private readonly threshold: number;
  /** Measured sets, by their groups. */
  private readonly measured = new Map<string, { name: string; leaves: readonly SiteGroup[]; found: SiteSensitivity; opened: boolean }>();
  private readonly ofLeaf = new Map<SiteGroup, SiteSensitivity>();
  /** Blocks with one opened block built alike. */
  private readonly likeOf = new Map<Block, Block>();
  /** Remembered until something else was measured. */
  private byWord: { of: number; shares: ReadonlyMap<string, number[]> } | undefined;

  constructor(private readonly o: Parameters<typeof sweepAdaptively>[0]) {
    this.blocks = blocksOf(o.groups, o.layers);
    this.shares = new Shares(o.whole);
    const { threshold = defaultThreshold, tolerance } = o;
    const error = worst(o.whole);
    const budget = tolerance !== undefined && error > tolerance && Number.isFinite(error) ? (tolerance / error / 2) ** 2 : 1;
    this.threshold = Math.min(threshold, budget);
  }

  async run(): Promise<{ sites: SiteSensitivity[]; adaptive: AdaptiveSweep }> {
    await this.measure(
      this.blocks.map((b) => ({ name: b.name, leaves: b.leaves })),
      "blocks",
    );
    this.shares.expectSum(this.blocks.map((b) => this.foundOf(b.leaves)));
    const closed = new Set(
      leaveOut(
        this.blocks,
        (b) => this.shareOf(b.leaves),
        this.threshold / 2,
        (b) => this.costOf(b.leaves),
      ),
    );
    const open = this.blocks.filter((b) => !closed.has(b));
    this.chooseExamples(open);
    await this.openExamples(open);
    await this.openOthers(open, closed);
    await this.openLayers();
    const rest = await this.measureRest();
    return this.result(rest);
  }

  /**
   * Of three and more blocks built alike, the one in the middle stands for the others: proportions change along the way.
   */
  private chooseExamples(open: readonly Block[]): void {
    if (this.threshold === 0) return;
    for (const alike of groupBy(open, (b) => b.signature).values()) {
      const finite = alike.filter((b) => Number.isFinite(scoreOf(this.shareOf(b.leaves))));
      if (finite.length < 3) continue;
      const example = finite[finite.length >> 1] as Block;
      for (const b of finite) this.likeOf.set(b, example);
    }
  }

  private async openExamples(open: readonly Block[]): Promise<void> {
    const examples = [...new Set(this.likeOf.values())];
    const alone = open.filter((b) => !this.likeOf.has(b));
    await this.measure(
      [
        ...examples.flatMap((b) => b.leaves.map((g) => ({ name: g[0].id, leaves: [g] }))),
        ...alone.flatMap((b) => byLayer(b.leaves).map((leaves) => ({ name: leaves[0]?.[0].layer ?? b.name, leaves }))),
      ],
      "layers",
    );
    for (const b of [...examples, ...alone]) this.markOpened(b.leaves);
  }

  /** Layers of blocks built like an opened one: those that are predicted to matter. */
  private async openOthers(open: readonly Block[], closed: ReadonlySet<Block>): Promise<void> {
    const others = open.filter((b) => this.likeOf.has(b) && this.likeOf.get(b) !== b);
    const units = others.flatMap((block) => byLayer(block.leaves).map((leaves): Unit => ({ block, leaves })));
    const hidden = sum([...closed].map((b) => this.shareOf(b.leaves)));
    // Some in hand, for proportions are not the same everywhere.
    const budget = inHand * Math.max(0, this.threshold - scoreOf(hidden));
    const left = new Set(
      leaveOut(
        units,
        (u) => this.predicted(u),
        budget,
        (u) => this.costOf(u.leaves),
      ),
    );
    await this.measureUnits(units.filter((u) => !left.has(u)));
    for (const b of others) this.markOpened(b.leaves);
  }

  /** Groups of layers that were measured together, where nothing tells their proportions. */
  private async openLayers(): Promise<void> {
    const together = [...this.measured.values()].filter(
      (m) =>
        m.leaves.length > 1 && !m.opened && (this.threshold === 0 || !this.likeOf.has(this.blockOf(m.leaves))) && this.isLayer(m.leaves),
    );
    const left = new Set(leaveOut(together, (m) => this.shareOf(m.leaves), this.threshold));
    const opened = together.filter((m) => !left.has(m));
    await this.measure(
      opened.flatMap((m) => m.leaves.map((g) => ({ name: g[0].id, leaves: [g] }))),
      "groups of sites",
    );
    for (const m of opened) m.opened = true;
  }

  /** All that was in no measured layer, together; undefined when there is none. More is opened while it holds too much. */
  private async measureRest(): Promise<{ leaves: readonly SiteGroup[]; found: SiteSensitivity } | undefined> {
    for (let round = 0; ; round++) {
      const rest = this.unseen();
      if (rest.length === 0) return undefined;
      await this.measure([{ name: "everything else", leaves: rest }], "the rest");
      const found = this.foundOf(rest);
      const share = this.shares.of(found);
      // Of what was measured in the end, not of the blocks: that is what `captured` says.
      if (ratioOf(share, sum([...this.seenShares(), share])) <= this.threshold) return { leaves: rest, found };
      const units = this.blocks.flatMap((block) =>
        byLayer(block.leaves.filter((g) => rest.includes(g))).map((leaves): Unit => ({ block, leaves })),
      );
      const guess = sum(units.map((u) => this.predicted(u)));
      const correction = Number.isFinite(scoreOf(share)) ? scoreOf(share) / Math.max(scoreOf(guess), 1e-300) : Number.POSITIVE_INFINITY;
      const budget = round < 3 ? inHand * this.threshold : 0;
      const left = new Set(leaveOut(units, (u) => scaled(this.predicted(u), Math.max(1, correction)), budget));
      const before = rest.length;
      await this.measureUnits(units.filter((u) => !left.has(u)));
      if (this.unseen().length === before) await this.measureUnits(units);
    }
  }

  /** Shares of groups measured alone, and of layers measured as a whole only. */
  private seenShares(): number[][] {
    const layers = [...this.measured.values()].filter(
      (m) => m.leaves.length > 1 && this.isLayer(m.leaves) && !m.leaves.some((g) => this.ofLeaf.has(g)),
    );
    return [...this.ofLeaf.values(), ...layers.map((m) => m.found)].map((s) => this.shares.of(s));
  }

  /** Groups in no layer that was measured and not measured themselves. */
  private unseen(): SiteGroup[] {
    const seen = new Set(this.ofLeaf.keys());
    for (const m of this.measured.values()) if (this.isLayer(m.leaves)) for (const g of m.leaves) seen.add(g);
    return this.o.groups.filter((g) => !seen.has(g));
  }
  private isLayer(leaves: readonly SiteGroup[]): boolean {
    return leaves.length === 1 || leaves.every((g) => g[0].layer !== undefined && g[0].layer === leaves[0]?.[0].layer);
  }

  /** Share of a layer's error, as its block's proportions or those of the block that stands for it say. */
  private predicted(u: Unit): number[] {
    const parts = this.proportions(u.block);
    return sum(u.leaves.map((g) => parts[u.block.leaves.indexOf(g)] ?? []));
  }

  /**
   * Predicted share of each group of a block: the block's own error by the proportions of the block that stands for it, else by what groups of the same word cost
   * elsewhere, else evenly.
   */
  private proportions(block: Block): number[][] {
    const whole = this.shareOf(block.leaves);
    const example = this.likeOf.get(block);
    const elsewhere = example === undefined ? this.sharesByWord() : new Map<string, number[]>();
    const known = block.leaves.map((_, i) => {
      const like = example?.leaves[i];
      const found = like && this.ofLeaf.get(like);
      return found === undefined ? elsewhere.get(block.words[i] ?? "") : this.shares.of(found);
    });
    const usual = sum(known.filter((k) => k !== undefined)).map((x) => x / known.filter((k) => k !== undefined).length);
    const weights = known.map((k) => k ?? (usual.length > 0 ? usual : whole.map(() => 1)));
    const total = sum(weights);
    return weights.map((w) => w.map((x, output) => ((whole[output] ?? 0) * x) / (total[output] || 1)));
  }

  /** Mean share of the groups of each word that were measured alone; those that are not finite left out. */
  private sharesByWord(): ReadonlyMap<string, number[]> {
    if (this.byWord?.of === this.ofLeaf.size) return this.byWord.shares;
    const found = new Map<string, number[][]>();
    for (const block of this.blocks)
      block.leaves.forEach((g, i) => {
        const share = this.ofLeaf.has(g) ? this.shares.of(this.ofLeaf.get(g) as SiteSensitivity) : undefined;
        if (share?.every(Number.isFinite)) found.set(block.words[i] ?? "", [...(found.get(block.words[i] ?? "") ?? []), share]);
      });
    const shares = new Map([...found].map(([word, all]) => [word, sum(all).map((x) => x / all.length)]));
    this.byWord = { of: this.ofLeaf.size, shares };
    return shares;
  }

  private measureUnits(units: readonly Unit[]): Promise<void> {
    return this.measure(
      units.map(({ block, leaves }) => ({ name: leaves[0]?.[0].layer ?? block.name, leaves })),
      "layers",
    );
  }

  private async measure(sets: readonly { name: string; leaves: readonly SiteGroup[] }[], what: string): Promise<void> {
    const fresh = sets.filter((s) => s.leaves.length > 0 && !this.measured.has(idOf(s.leaves)));
    if (fresh.length === 0) return;
    const found = await this.o.candidates.measure(
      fresh.map((s) => joined(s.leaves)),
      `Sweeping ${fresh.length} ${what}`,
    );
    fresh.forEach(({ name, leaves }, i) => {
      const result = found[i] as SiteSensitivity;
      this.measured.set(idOf(leaves), { name, leaves, found: result, opened: false });
      if (leaves.length === 1) this.ofLeaf.set(leaves[0] as SiteGroup, result);
    });
  }
  private costOf(leaves: readonly SiteGroup[]): number {
    return this.o.candidates.costOf(joined(leaves));
  }
  private foundOf(leaves: readonly SiteGroup[]): SiteSensitivity {
    return this.measured.get(idOf(leaves))?.found as SiteSensitivity;
  }
  private shareOf(leaves: readonly SiteGroup[]): number[] {
    return this.shares.of(this.foundOf(leaves));
  }
  private markOpened(leaves: readonly SiteGroup[]): void {
    const set = this.measured.get(idOf(leaves));
    // A block of one layer is a layer still: whether its groups are looked at is decided there.
    if (set !== undefined && !this.isLayer(leaves)) set.opened = true;
  }
  private blockOf(leaves: readonly SiteGroup[]): Block {
    return this.blocks.find((b) => b.leaves.includes(leaves[0] as SiteGroup)) as Block;
  }

  private result(rest: { leaves: readonly SiteGroup[]; found: SiteSensitivity } | undefined): {
    sites: SiteSensitivity[];
    adaptive: AdaptiveSweep;
  } {
    const estimates = new Map<SiteGroup, SiteSensitivity>();
    const within = (leaves: readonly SiteGroup[], found: SiteSensitivity) => {
      const missing = leaves.filter((g) => !this.ofLeaf.has(g) && !estimates.has(g));
      const weights = missing.map((g) => {
        const block = this.blockOf([g]);
        return this.proportions(block)[block.leaves.indexOf(g)] ?? [];
      });
      const total = sum(weights);
      missing.forEach((g, i) => {
        const parts = found.perOutput.map((e, output) => {
          const all = total[output] ?? 0;
          const part = all > 0 && Number.isFinite(all) ? (weights[i]?.[output] ?? 0) / all : 1 / missing.length;
          return e * Math.sqrt(part);
        });
        estimates.set(g, estimated(g, parts, found));
      });
    };
    for (const m of this.measured.values()) if (this.isLayer(m.leaves) && m.leaves.length > 1) within(m.leaves, m.found);
    if (rest !== undefined) within(rest.leaves, rest.found);
    const sites = this.o.groups.map((g) => this.ofLeaf.get(g) ?? (estimates.get(g) as SiteSensitivity));
    const total = sum(sites.map((s) => this.shares.of(s)));
    const guessed = sum(sites.filter((s) => s.estimated).map((s) => this.shares.of(s)));
    const sets = [...this.measured.values()].filter((m) => m.leaves.length > 1);
    const whole = worst(this.o.whole);
    return {
      sites,
      adaptive: {
        threshold: this.threshold,
        estimated: estimates.size,
        estimatedShare: ratioOf(guessed, total),
        captured: rest === undefined ? 1 : 1 - ratioOf(this.shares.of(rest.found), total),
        sets: sets
          .map(({ name, leaves, found, opened }) => ({
            name,
            sites: leaves.reduce((n, g) => n + g.length, 0),
            perOutput: found.perOutput,
            outputError: found.outputError,
            opened,
          }))
          .sort((a, b) => b.outputError - a.outputError || (a.name < b.name ? -1 : 1)),
        additivity: {
          blocks: whole / worst(predictError(this.blocks.map((b) => this.foundOf(b.leaves)))),
          opened: sets
            .filter((m) => m.leaves.every((g) => this.ofLeaf.has(g)) && m.found.outputError > 0)
            .map((m) => m.found.outputError / worst(predictError(m.leaves.map((g) => this.ofLeaf.get(g) as SiteSensitivity)))),
        },
      },
    };
  }
}

function estimated(group: SiteGroup, perOutput: readonly number[], within: SiteSensitivity): SiteSensitivity {
  const [{ id, kind, layer }] = group;
  return {
    site: id,
    sites: group.map((s) => s.id),
    kind,
    layer,
    outputError: worst(perOutput),
    perOutput,
    outputMaxAbs: within.outputMaxAbs,
    nonFinite: false,
    estimated: true,
  };
}

const idOf = (leaves: readonly SiteGroup[]): string => leaves.map((g) => `${g[0].id}+${g.length}`).join("\0");
const joined = (leaves: readonly SiteGroup[]): SiteGroup =>
  leaves.length === 1 ? (leaves[0] as SiteGroup) : (leaves.flat() as unknown as SiteGroup);

function groupBy<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const list = groups.get(key(item));
    if (list === undefined) groups.set(key(item), [item]);
    else list.push(item);
  }
  return groups;
}
