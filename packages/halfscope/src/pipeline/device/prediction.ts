import { measure } from "@halfscope/analysis";
import type { Agreement, EngineRecord, Measurements, Verdict } from "@halfscope/core";
import { allHalf, keptFullBy, withPins } from "@halfscope/precision";
import type { Compared } from "../compare-step.js";
import { verifyAllHalf } from "../verify.js";
import type { Workbench } from "../workbench.js";
import { outcomeOf } from "./measure-engine.js";

/**
 * What the CPU predicts of the all-FP16 file's tensors. The comparison has it already where constants are kept finite, as the file has them, or where none is beyond the
 * range; else it is measured again.
 */
export async function predictTensors(bench: Workbench, compared: Pick<Compared, "accumulated" | "hazards">): Promise<Measurements> {
  const beyond = compared.hazards.some((h) => h.code === "weight-overflow" || h.code === "mask-constant");
  const asFile = bench.half === undefined && (compared.accumulated.constants === "finite" || !beyond);
  if (asFile) return compared.accumulated;
  const [first, ...others] = bench.feeds;
  const more = [];
  for (const feed of others) more.push({ subject: await bench.subject(feed), feed });
  const plan = allHalf(bench.model.digest, "finite", bench.precision);
  return measure(await bench.subject(), first, { mode: "accumulated", plan, progress: bench.progress, signal: bench.signal }, more);
}

/**
 * Tensors inside of what the engine runs as one, which the emulation does not round. An engine that gives them out does not run it as one, so nothing is predicted of them. A
 * multiply-add gives its product out all the same.
 */
export async function fusedOver(bench: Workbench): Promise<ReadonlySet<string>> {
  const fusions = bench.profile.fusions?.filter((f) => f !== "multiply-add") ?? [];
  if (fusions.length === 0) return new Set();
  const { roundings, types } = await bench.subject();
  const { view, layers } = bench;
  const splits = keptFullBy({ ...bench.profile, fusions }, { view, types, layers });
  const isSplit = (tensor: string): boolean => {
    const node = view.producer.get(tensor);
    return node !== undefined && splits(node);
  };
  return new Set([...(roundings.keptFull ?? [])].filter(isSplit));
}

/** The emulation's verdicts on sets of pins, constants finite as every engine's file has them; each is asked for once. */
export class Predictions {
  private readonly known = new Map<string, Promise<Verdict>>();

  constructor(
    private readonly bench: Workbench,
    private readonly tolerance: number,
  ) {}

  of(pins: readonly string[]): Promise<Verdict> {
    const key = [...pins].sort().join("\0");
    const found = this.known.get(key) ?? verifyAllHalf(this.bench, this.tolerance, (plan) => withPins(plan, pins));
    this.known.set(key, found);
    return found;
  }

  /** Infinity where outputs are not finite. */
  async errorOf(pins: readonly string[]): Promise<number> {
    return errorOf(await this.of(pins));
  }
}

const errorOf = ({ outcome, error }: Pick<Verdict, "outcome" | "error">): number =>
  outcome === "not-finite" ? Number.POSITIVE_INFINITY : error;

/** An error as a verdict. */
export const errorOutcome = (error: number, tolerance: number): Pick<Verdict, "outcome" | "error"> => ({
  outcome: outcomeOf(error, tolerance),
  error,
});

/** The emulation's word on an engine beside the engine's own. */
export const verdictBeside = (record: EngineRecord, predicted: Pick<Verdict, "outcome" | "error">): Agreement["verdicts"][number] => ({
  role: record.role,
  predicted: predicted.outcome,
  measured: record.outcome ?? "not-finite",
  predictedError: errorOf(predicted),
  measuredError: record.error ?? Number.POSITIVE_INFINITY,
});
