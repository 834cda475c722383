/** The files under reports/hardware: what was measured, on what, by which command. */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { type DeviceEnvironment, decodeJson, encodeJson } from "@halfscope/core";
import { version } from "halfscope";

/** What every file begins with. No date: the same command on the same machine may be repeated. */
export interface ReportHead {
  schema: string;
  /** As typed, folders of this machine left out. */
  command: string;
  halfscope: string;
  host: { cpu: string; cores: number };
  environment: DeviceEnvironment;
}

/** Folders are nobody's business: of an absolute path, what lies in the current folder, or its last two parts. */
const plainPath = (text: string): string => {
  if (!isAbsolute(text)) return text;
  const inside = relative(process.cwd(), text);
  return inside.startsWith("..") ? text.split("/").slice(-2).join("/") : inside;
};

/** `schema` is the question's name. */
export function reportHead(question: string, environment: DeviceEnvironment): ReportHead {
  const { libraryPath, ...known } = environment;
  const words = process.argv.slice(2).map((word) => {
    const [, option, value = ""] = /^(--[a-z-]+=)(.*)$/.exec(word) ?? [];
    return option === undefined ? plainPath(word) : `${option}${plainPath(value)}`;
  });
  return {
    schema: `halfscope/hardware/${question}/1`,
    command: ["node", plainPath(process.argv[1] ?? ""), ...words].join(" "),
    halfscope: version,
    host: { cpu: cpus()[0]?.model ?? "unknown", cores: availableParallelism() },
    environment: { ...known, ...(libraryPath !== undefined && { libraryPath: basename(libraryPath) }) },
  };
}

/** Under a temporary name, then renamed: a reader never sees half a file, and what an earlier step wrote survives a crash. */
export async function writeReport(path: string, report: object): Promise<void> {
  await mkdir(dirname(resolve(path)), { recursive: true });
  const partial = join(dirname(resolve(path)), `.${basename(path)}.partial`);
  await writeFile(partial, `${oneRowPerLine(encodeJson(report, 1))}\n`);
  await rename(partial, path);
}

/** Lists of numbers and texts take a line each, not one per number. */
const oneRowPerLine = (json: string): string =>
  json.replace(/\[\n\s+([^[\]{}]*?)\n\s*\]/g, (_, inner: string) => `[${inner.replace(/\n\s+/g, " ")}]`);

export const readReport = async (path: string): Promise<unknown> => decodeJson(await readFile(path, "utf8"));

/** Five significant digits: more would be noise, and files are read by people. */
export const short = (x: number): number => (Number.isFinite(x) ? Number(x.toPrecision(5)) : x);
