/** A plan written as a file, which must mean what the plan means. */
import { join } from "node:path";
import { HalfscopeError, silentProgress } from "@halfscope/core";
import { inferTypes, OutputEngine, Random, shapesOfFeed } from "@halfscope/engine";
import { type Node, readModel, unfoldModel, viewGraph } from "@halfscope/onnx";
import { allHalf, movedInputs, restoreSites, roundedUses, switchesFromPlan, withPins } from "@halfscope/precision";
import { applyPlan } from "halfscope";
import { difference, valuesOf } from "../match-outputs.js";
import { rawSession } from "./load.js";
import { type Prepared, widenHalves } from "./measure.js";
import { Refused, Wrong } from "./verdicts.js";

/**
 * Writes the plan (all in FP16, or a seeded half of the layers pinned), loads the file as it is in ONNX Runtime, reads the plan back from it, and runs its
 * emulation and the candidate under the plan's switches: their bits must be equal. `files` gets the file's path.
 */
export async function realiseStep(
  { subject, feed, random }: Prepared,
  which: "half" | "mixed",
  at: { id: string; folder: string },
  files: string[],
  note: (text: string) => void,
): Promise<string> {
  const { roundings, layers, model } = subject;
  const all = allHalf(model.digest, "finite");
  const plan =
    which === "half"
      ? all
      : withPins(
          all,
          randomPins(
            layers.map((l) => l.id),
            at.id,
          ),
        );
  const path = join(at.folder, `${at.id.replace(/[^\w.-]/g, "_")}-${which}.onnx`);
  const applied = await applyPlan(subject, plan, path, { progress: silentProgress });
  files.push(path);
  note(`${plan.pins.length} of ${layers.length} layers pinned, ${applied.casts} Casts, ${applied.halfWeights} weights in FP16`);
  const loaded = await rawSession(path).catch((error: unknown) => {
    // Before opset 6 a Cast's type is a text; where ONNX Runtime has no FP16 kernel it inserts Casts with a number all the same.
    if (error instanceof Error && /InsertedPrecisionFreeCast.*Expected: 'STRING', actual: 'INT'/.test(error.message))
      throw new Refused(`of the FP16 file: ${error.message}`, { cause: error });
    return wrapped("the realised file does not load")(error);
  });
  loaded.dispose();

  const written = unfoldModel(await readModel(path));
  const view = viewGraph(written.graph);
  const feedShapes = shapesOfFeed(feed);
  const types = await inferTypes(written, view, feedShapes).catch(wrapped("the realised file gets no types"));
  const { uses } = restoreSites(view, types);
  const expected = roundedUses(plan, roundings);
  const only = (a: ReadonlySet<string>, b: ReadonlySet<string>) => [...a].filter((use) => !b.has(use));
  const [inFile, inPlan] = [only(uses, expected), only(expected, uses)];
  if (inFile.length > 0)
    throw new Wrong(`rounded in the file, but not by the plan: ${inFile.slice(0, 3).join("; ")} (${inFile.length} in all)`);
  if (inPlan.length > 0)
    throw new Wrong(`rounded by the plan, but not in the file: ${inPlan.slice(0, 3).join("; ")} (${inPlan.length} in all)`);

  const outputs = subject.view.graph.outputs.map((v) => v.name);
  const isMover = (node: Node) => movedInputs(node) !== undefined;
  using candidate = await OutputEngine.candidate({ ...subject, placements: roundings.placements }, { threads: 1 }).catch(
    wrapped("candidate"),
  );
  candidate.setFeed(feed);
  const a = await candidate.outputsOf({ switches: switchesFromPlan(plan, roundings), fetch: outputs }).catch(wrapped("candidate"));
  using restored = await OutputEngine.restored({ model: written, view, types, feedShapes, isMover }, { threads: 1 }).catch(
    wrapped("restored"),
  );
  restored.setFeed(widenHalves(feed));
  const b = await restored.outputsOf({ fetch: outputs }).catch(wrapped("restored"));
  const differs = difference(valuesOf(b), valuesOf(a));
  if (differs === undefined) return path;
  if (random.length === 0) throw new Wrong(`the emulated file differs from the candidate: ${differs}`);
  note(`bits are not compared: ${random.join(", ")} draws random numbers`);
  return path;
}

/** Every second layer on average, at least one; not all where there are several. */
function randomPins(layers: readonly string[], seed: string): string[] {
  const random = new Random(1, seed);
  const pins = layers.filter(() => random.uniform() < 0.5);
  if (pins.length === 0) return layers.slice(0, 1);
  return pins.length === layers.length && layers.length > 1 ? pins.slice(1) : pins;
}

/** Says in an error of ONNX Runtime's which of the graphs it is about. */
const wrapped =
  (what: string) =>
  (error: unknown): never => {
    if (!(error instanceof HalfscopeError)) throw error;
    throw new Wrong(`${what}: ${error.code}: ${error.message}`, { cause: error });
  };
