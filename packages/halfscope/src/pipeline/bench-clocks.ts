import { type BenchClocks, type DeviceEnvironment, type GpuClocks, HalfscopeError } from "@halfscope/core";
import { heldBack } from "@halfscope/report";

/** Reads the GPU's clocks; undefined where the driver's management library is absent. */
export type ReadClocks = () => Promise<GpuClocks | undefined>;

/** Clocks right before and right after work on a GPU; on a CPU none are read. The result keeps the reason where there are none. */
export class ClockReader {
  private clocks: BenchClocks = {};

  constructor(
    environment: Pick<DeviceEnvironment, "gpu" | "backend">,
    private readonly read: ReadClocks,
  ) {
    if (environment.backend === "ort-cpu") this.clocks = { reason: "no GPU serves here" };
  }

  async before(): Promise<void> {
    await this.note("before");
  }

  async after(): Promise<void> {
    await this.note("after");
  }

  get found(): BenchClocks {
    return this.clocks;
  }

  private async note(when: "before" | "after"): Promise<void> {
    if (this.clocks.reason !== undefined) return;
    try {
      const found = await this.read();
      this.clocks = found === undefined ? { ...this.clocks, reason: "no NVML, or it does not tell" } : { ...this.clocks, [when]: found };
    } catch (error) {
      // Times without clocks are better than none.
      if (!(error instanceof HalfscopeError)) throw error;
      this.clocks = { ...this.clocks, reason: error.message.replace(/\.$/, "") };
    }
  }
}

/** Beyond this the two readings are of different machines, so to speak. */
const highChange = 0.1;

/** What the clocks make of the times. */
export function clockWarnings(clocks: BenchClocks): string[] {
  const { before, after } = clocks;
  const held = heldBack(clocks);
  const idle = [before, after].some((c) => c?.throttle.includes("idle"));
  const change = before === undefined || after === undefined || idle || before.smMHz === 0 ? 0 : after.smMHz / before.smMHz - 1;
  return [
    ...(held.length === 0 ? [] : [`The GPU was held back by ${held.join(", ")}: times are those of a clock below its highest.`]),
    ...(Math.abs(change) <= highChange
      ? []
      : [
          `The GPU's clock was ${Math.round(before?.smMHz ?? 0)} MHz before the timed rounds and ${Math.round(after?.smMHz ?? 0)} MHz after.`,
        ]),
  ];
}
