import { readFile, stat } from "node:fs/promises";
import { type LikeMatch, layersLike } from "@halfscope/analysis";
import { UsageError } from "@halfscope/core";
import { planFromOverrides } from "@halfscope/precision";
import type { Workbench } from "./workbench.js";

/** Overrides files are small. */
const mostBytes = 64e6;

/** Layers that `--pins-like` names: an overrides file of this model where there is one of that name, else patterns. Throws ERR_OPTION, ERR_OVERRIDES. */
export async function likeStep(bench: Workbench, given: string): Promise<LikeMatch & { given: string }> {
  const info = await stat(given).catch(() => undefined);
  if (info === undefined) {
    if (/\.json$/i.test(given))
      throw new UsageError("ERR_FILE_NOT_FOUND", `There is no file ${given}.`, {
        hint: "Name an overrides file, or operators such as LayerNormalization.",
      });
    return { given, ...layersLike(given, bench.layers) };
  }
  if (!info.isFile() || info.size > mostBytes)
    throw new UsageError("ERR_OVERRIDES", `${given} is no overrides file.`, { hint: "Name a file such as results/overrides.json." });
  const plan = planFromOverrides(await readFile(given, "utf8"), { digest: bench.model.digest, layers: bench.layers }, given);
  return { given, layers: plan.pins.map((p) => p.layer), unmatched: [] };
}
