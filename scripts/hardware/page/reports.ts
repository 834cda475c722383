/** The committed results, by what they answer. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJson } from "@halfscope/core";
import type { EnginesReport } from "../engines.js";
import type { HazardsReport } from "../hazards.js";
import type { ReportHead } from "../measuring/report-file.js";
import type { OverheadReport } from "../overhead.js";
import type { ServingReport } from "../serving.js";
import type { TensorsReport } from "../tensors.js";

export type Filed<Report> = Report & { file: string };

export interface Reports {
  all: Filed<ReportHead>[];
  tensors: Filed<TensorsReport>[];
  engines: Filed<EnginesReport>[];
  hazards: Filed<HazardsReport>[];
  serving: Filed<ServingReport>[];
  overhead: Filed<OverheadReport>[];
}

export const noReports = (): Reports => ({ all: [], tensors: [], engines: [], hazards: [], serving: [], overhead: [] });

/**
 * Every halfscope/hardware file of the folder, by name. Throws Error for one that was measured on an engine that computes FP16 in FP32: a rehearsal is no evidence.
 */
export function readReports(folder: string): Reports {
  const found = noReports();
  const files = existsSync(folder) ? readdirSync(folder).filter((f) => f.endsWith(".json")) : [];
  for (const file of files.sort()) {
    const report = { ...(decodeJson(readFileSync(join(folder, file), "utf8")) as ReportHead), file };
    // Computed on a CPU, about results that are here: no table of its own.
    if (report.schema.startsWith("halfscope/hardware/spread/")) continue;
    const kind = /^halfscope\/hardware\/(tensors|engines|hazards|serving|overhead)\/1$/.exec(report.schema)?.[1] as
      | Exclude<keyof Reports, "all">
      | undefined;
    if (kind === undefined)
      throw new Error(`${file}: expected a result of scripts/hardware, found the schema ${JSON.stringify(report.schema)}.`);
    if (!report.environment.capabilities.realHalf)
      throw new Error(`${file} is a rehearsal on ${report.environment.library}; it must not be among the evidence.`);
    found.all.push(report);
    (found[kind] as Filed<ReportHead>[]).push(report);
  }
  return found;
}

/** "TensorRT 10.6.0". */
export const engineOf = ({ environment: { library, version } }: ReportHead): string => `${library} ${version}`;
