import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { latencyFront, messageHazards } from "@halfscope/analysis";
import { type DeviceResult, UsageError, type Verdict } from "@halfscope/core";
import type { Workbench } from "../workbench.js";
import { buildNote } from "./build-estimate.js";
import { measureEngine } from "./measure-engine.js";
import { engineTitle, hasProfiles, notRealHalf } from "./options.js";
import { verdictBeside } from "./prediction.js";
import { referenceStep } from "./reference-step.js";
import { DeviceSession, type OpenedDevice } from "./session.js";

/** What is held against the FP32 engine. */
export interface EngineCandidate {
  /** A file that states its types. */
  candidate: string;
  /** Where it was made from overrides: the layers that they pin. Their place in the engine is proved then, and weakly typed networks are told of them. */
  pins?: readonly string[] | undefined;
  /** For people; the file's name when absent. */
  title?: string | undefined;
  tolerance: number;
  /** The emulation's. */
  verdict: Verdict;
}

/** Refuses a file of types where types are not read from files; before anything is measured. Throws ERR_OPTION. */
export function requireReadable({ typing, backend }: OpenedDevice, model: string, candidate: string): void {
  if (typing === "typed") return;
  const can = backend.environment.capabilities.typings.includes("typed");
  throw new UsageError(
    "ERR_OPTION",
    `${candidate} states its precisions as types, which a weakly typed network of ${engineTitle(backend.environment)} leaves to the builder.`,
    {
      hint: `Give the pins in its place: \`halfscope verify ${model} --overrides overrides.json --engine tensorrt --typing weak\`${can ? "; or leave out --typing weak" : ", or use TensorRT 10 or later"}.`,
    },
  );
}

/**
 * What a real engine says of any FP16 or mixed file beside the emulation's verdict: the file is built as it is, or weakly typed the model with the file's pins, and its
 * outputs compared with those of the FP32 engine on every sample. Nothing is kept on the disk. Throws ERR_OPTION where the library cannot take types from a file and no pins
 * are known, and what the build throws.
 */
export async function verifyOnEngine(
  bench: Workbench,
  device: OpenedDevice,
  { candidate, pins, title, tolerance, verdict }: EngineCandidate,
): Promise<DeviceResult> {
  if (pins === undefined) requireReadable(device, bench.model.path, candidate);
  const folder = await mkdtemp(join(tmpdir(), "halfscope-verify-"));
  try {
    await using s = await DeviceSession.open(bench, device, { folder, tolerance, journal: false });
    const { realHalf } = s.environment.capabilities;
    if (hasProfiles(s.environment.backend))
      bench.progress.note(buildNote({ sure: 2, most: 0, full: 1 }, s.environment.backend, s.build.timingCache));
    if (!realHalf) s.warn(notRealHalf(s.environment));
    const reference = await referenceStep(s);
    const spec = { role: "trial", title: title ?? basename(candidate), pins: pins ?? [], path: resolve(candidate), needed: true } as const;
    const record = await measureEngine(s, spec);
    const nodeNames = bench.view.nodes.map((n) => n.name);
    const hazards = messageHazards(
      [...reference.messages, ...record.messages],
      { layers: bench.layers, nodeNames },
      engineTitle(s.environment),
    );
    const front = latencyFront([reference, record]);
    return {
      environment: s.environment,
      options: s.asked,
      engines: [reference, record],
      ...(realHalf && { agreement: { verdicts: [verdictBeside(record, verdict)] } }),
      ...(hazards.length > 0 && { hazards }),
      ...(front.length > 1 && { front }),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
