/**
 * How small the recommended sets of pins are. Seeded random models, real engines: pins against greedy removal from "everything pinned" (models of up to 30 layers),
 * and against exhaustive search (models of up to 12 layers that pins can change). Run after `npm run build`:
 *
 *     node scripts/dist/bench/minimal-pins.js [MODELS, default 50] [EXHAUSTIVE MODELS, default 20]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Evaluate, layersWorthPinning, type OutputError, PinCosts, recommendPins } from "@halfscope/analysis";
import { silentProgress } from "@halfscope/core";
import { Random } from "@halfscope/engine";
import { allHalf, switchesFromPlan, withPins } from "@halfscope/precision";
import { sweepStep, Workbench } from "halfscope";
import { seededModel } from "./seeded-model.js";

const models = Number(process.argv[2] ?? 50);
const small = Number(process.argv[3] ?? 20);
interface Problem {
  bench: Workbench;
  worth: readonly string[];
  /** Worst error of both samples. */
  errorOf(pins: readonly string[]): Promise<number>;
  recommended(tolerance: number, trials?: number): Promise<{ pins: readonly string[]; trials: number; meets: boolean }>;
}

async function open(path: string): Promise<Problem> {
  const bench = await Workbench.open(path, { samples: 2, threads: 1 });
  const { roundings, types } = await bench.subject();
  const base = allHalf(bench.model.digest, "finite");
  const [first, second] = [bench.evaluator(), bench.evaluator(bench.feeds[1])];
  const known = new Map<string, OutputError>();
  const remember =
    (name: string, evaluate: Evaluate): Evaluate =>
    async (switches) => {
      const key = `${name}:${switches.join("")}`;
      const found = known.get(key) ?? (await evaluate(switches));
      known.set(key, found);
      return found;
    };
  const evaluate = remember("a", first);
  const evaluateHeldBack = remember("b", second);
  const finite = (e: OutputError) => (e.nonFinite ? Number.POSITIVE_INFINITY : e.error);
  return {
    bench,
    worth: layersWorthPinning({ sites: roundings.sites, layers: bench.layers, base: [] }),
    async errorOf(pins) {
      const switches = switchesFromPlan(withPins(base, pins), roundings);
      return Math.max(finite(await evaluate(switches)), finite(await evaluateHeldBack(switches)));
    },
    async recommended(tolerance, trials) {
      const sensitivity = await sweepStep(bench, []);
      const { recommendation: r } = await recommendPins({
        roundings,
        layers: bench.layers,
        allHalf: base,
        basePins: [],
        sensitivity,
        costs: new PinCosts(roundings.floats, types),
        tolerance,
        trials,
        evaluate,
        heldBack: [evaluateHeldBack],
        progress: silentProgress,
      });
      return { pins: r.pins.map((p) => p.layer), trials: r.trials.length, meets: r.outcome !== "not-met" };
    },
  };
}

/** The plain reference: the pin that leaves the smallest error goes, as long as the tolerance holds. */
async function greedyRemoval(p: Problem, tolerance: number): Promise<number> {
  let kept = p.worth;
  for (;;) {
    let best: { set: readonly string[]; error: number } | undefined;
    for (const pin of kept) {
      const set = kept.filter((l) => l !== pin);
      const error = await p.errorOf(set);
      if (error <= tolerance && (best === undefined || error < best.error)) best = { set, error };
    }
    if (best === undefined) return kept.length;
    kept = best.set;
  }
}

/** The fewest pins of all sets. */
async function exhaustive(p: Problem, tolerance: number): Promise<number> {
  const sets = Array.from({ length: 2 ** p.worth.length }, (_, bits) => p.worth.filter((_, i) => (bits >> i) & 1));
  for (const set of sets.toSorted((a, b) => a.length - b.length)) if ((await p.errorOf(set)) <= tolerance) return set.length;
  return Number.POSITIVE_INFINITY;
}

async function compare(
  title: string,
  count: number,
  sizes: (i: number) => number,
  most: number,
  reference: (p: Problem, tolerance: number) => Promise<number>,
  trials?: number,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "halfscope-pins-"));
  const random = new Random(5);
  const rows: { ours: number; theirs: number; layers: number; trials: number }[] = [];
  try {
    for (let seed = 1; rows.length < count && seed < 40 * count; seed++) {
      const path = await seededModel(folder, seed, sizes(seed));
      let p: Problem;
      try {
        p = await open(path);
      } catch {
        continue;
      }
      using _ = p.bench;
      if (p.worth.length < 3 || p.worth.length > most) continue;
      try {
        const plain = await p.errorOf([]);
        const floor = await p.errorOf(p.worth);
        if (!Number.isFinite(plain) || plain === 0) continue;
        const tolerance = Math.max(floor, plain * (0.1 + 0.8 * random.uniform()));
        const ours = await p.recommended(tolerance, trials);
        const theirs = await reference(p, tolerance);
        if (!ours.meets || (await p.errorOf(ours.pins)) > tolerance) console.log(`seed ${seed}: the tolerance is not met`);
        if (ours.pins.length > theirs)
          console.log(`seed ${seed}: ${ours.pins.length} pins, reference ${theirs}, of ${p.worth.length} layers`);
        rows.push({ ours: ours.pins.length, theirs, layers: p.worth.length, trials: ours.trials });
      } catch (error) {
        if ((error as { code?: string }).code === undefined) throw error;
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const sum = (pick: (r: (typeof rows)[number]) => number) => rows.reduce((n, r) => n + pick(r), 0);
  const notMore = rows.filter((r) => r.ours <= r.theirs).length;
  console.log(
    `${title}: ${rows.length} models of ${Math.min(...rows.map((r) => r.layers))} to ${Math.max(...rows.map((r) => r.layers))} layers; no more pins on ${((100 * notMore) / rows.length).toFixed(1)} % (goal: at least 95 %), fewer on ${rows.filter((r) => r.ours < r.theirs).length}; pins in all ${sum((r) => r.ours)} against ${sum((r) => r.theirs)}, gap ${sum((r) => Math.max(0, r.ours - r.theirs))}, largest ${Math.max(...rows.map((r) => r.ours - r.theirs))}; trials ${(sum((r) => r.trials) / rows.length).toFixed(0)} on average`,
  );
}

await compare("greedy removal from everything pinned", models, (seed) => 12 + (seed % 40), 30, greedyRemoval);
await compare("the same with 60 trials, as large models get", models, (seed) => 12 + (seed % 40), 30, greedyRemoval, 60);
await compare("exhaustive search", small, (seed) => 8 + (seed % 14), 12, exhaustive);
