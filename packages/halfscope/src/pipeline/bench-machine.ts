import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { type BenchMachine, HalfscopeError } from "@halfscope/core";
import { addonInfo } from "@halfscope/engine";

/** Processes that ran or waited, mean of the last minute; undefined where the system does not count them. */
export const currentLoad = (): number | undefined => (process.platform === "win32" ? undefined : (loadavg()[0] ?? 0));

/** What the times belong to. Clocks cannot be read everywhere: rounds show what they did. */
export function benchMachine(before: number | undefined): BenchMachine {
  const after = currentLoad();
  return {
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    processor: cpus()[0]?.model.trim() ?? "",
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    ...instructionSet(),
    ...(before !== undefined && after !== undefined && { load: [before, after] as const }),
  };
}

function instructionSet(): { instructionSet?: string } {
  try {
    return { instructionSet: addonInfo().instructionSet };
  } catch (error) {
    if (error instanceof HalfscopeError) return {};
    throw error;
  }
}
