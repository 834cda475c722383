import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { latencyFront, messageHazards } from "@halfscope/analysis";
import { type DeviceResult, UsageError, type Verdict } from "@halfscope/core";
import type { Workbench } from "../workbench.js";
import { measureEngine } from "./measure-engine.js";
import { engineTitle, notRealHalf } from "./options.js";
import { verdictBeside } from "./prediction.js";
import { referenceStep } from "./reference-step.js";
import { DeviceSession, type OpenedDevice } from "./session.js";

/**
 * What a real engine says of any FP16 or mixed file beside the emulation's verdict: the file is built as it is, its outputs compared with those of the FP32 engine on every
 * sample. Nothing is kept on the disk. Throws ERR_OPTION where the library cannot take types from a file.
 */
export async function verifyOnEngine(
  bench: Workbench,
  device: OpenedDevice,
  { candidate, tolerance, verdict }: { candidate: string; tolerance: number; verdict: Verdict },
): Promise<DeviceResult> {
  if (device.typing !== "typed")
    throw new UsageError(
      "ERR_OPTION",
      `${engineTitle(device.backend.environment)} takes no types from a file, which is all that ${candidate} says.`,
      {
        hint: "Test the plan with `halfscope debug --engine`, or use TensorRT 10 or later.",
      },
    );
  const folder = await mkdtemp(join(tmpdir(), "halfscope-verify-"));
  try {
    await using s = await DeviceSession.open(bench, device, { folder, tolerance, journal: false });
    const { realHalf } = s.environment.capabilities;
    if (!realHalf) s.warn(notRealHalf(s.environment));
    const reference = await referenceStep(s);
    const record = await measureEngine(s, { role: "trial", title: basename(candidate), pins: [], path: resolve(candidate) });
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
