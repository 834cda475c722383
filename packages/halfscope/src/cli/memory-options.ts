import { UsageError } from "@halfscope/core";
import { type MemoryPool, memoryPools } from "@halfscope/engine";

/** Less is no memory for kernels: a unit was forgotten. */
const leastWorkspace = 2 ** 20;

/** Bytes of --workspace. Throws ERR_OPTION, also for less than 1 MiB. */
export function workspaceFrom(text: string): number {
  const hint = "For instance --workspace 4GiB.";
  const { bytes, digits, unit } = amountOf(text);
  if (bytes !== undefined && bytes < leastWorkspace)
    throw new UsageError("ERR_OPTION", `--workspace needs at least 1 MiB, found ${JSON.stringify(text)}, which is ${bytes} bytes.`, {
      hint: unit === "" ? `Did you mean ${digits}GiB?` : hint,
    });
  if (bytes !== undefined) return bytes;
  throw new UsageError("ERR_OPTION", `--workspace needs an amount of memory, found ${JSON.stringify(text)}.`, { hint });
}

/** Bytes by pool, of `tactic-dram=2GiB` and the like. Throws ERR_OPTION for what is no pool, no amount, or named twice. */
export function memoryPoolsFrom(texts: readonly string[]): Partial<Record<MemoryPool, number>> {
  const hint = "For instance --memory-pool tactic-dram=2GiB.";
  const found: Partial<Record<MemoryPool, number>> = {};
  for (const text of texts) {
    const [name = "", ...rest] = text.split("=");
    const pool = memoryPools.find((p) => p === name);
    if (pool === undefined)
      throw new UsageError("ERR_OPTION", `--memory-pool needs ${memoryPools.join(" or ")}, found ${JSON.stringify(text)}.`, { hint });
    if (found[pool] !== undefined)
      throw new UsageError("ERR_OPTION", `--memory-pool names ${pool} twice.`, { hint: "Give each pool once." });
    const { bytes } = amountOf(rest.join("="));
    if (bytes === undefined)
      throw new UsageError("ERR_OPTION", `--memory-pool ${pool} needs an amount of memory, found ${JSON.stringify(text)}.`, { hint });
    found[pool] = bytes;
  }
  return found;
}

/** `4GiB`, `512 MB`, or bytes; `bytes` is undefined for what is no amount, or none of 1 or more that can be counted. */
function amountOf(text: string): { bytes: number | undefined; digits: string; unit: string } {
  const [, digits = "", unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]i?b|b)?\s*$/i.exec(text) ?? [];
  const power = "bkmgt".indexOf(unit.slice(0, 1).toLowerCase() || "b");
  const bytes = Math.round(Number(digits) * (/i/i.test(unit) ? 1024 : 1000) ** Math.max(0, power));
  return { bytes: digits !== "" && bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined, digits, unit };
}
