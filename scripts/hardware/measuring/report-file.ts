/** The files under reports/hardware: what was measured, on what, by which command. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { type DeviceEnvironment, decodeJson, encodeJson } from "@halfscope/core";
import { version } from "halfscope";

/** What every file begins with. No date: the same command on the same machine may be repeated. */
export interface ReportHead {
  schema: string;
  /** As a reader runs it again, folders of this machine left out. */
  command: string;
  halfscope: string;
  host: { cpu: string; cores: number };
  environment: DeviceEnvironment;
  /** TensorRT's effort in builds, 0 to 5, where another than the library's own was asked for (--builder-level). */
  builderLevel?: number;
}

/**
 * The command, for a reader to run from the top of a checkout after `npm run build`: programs where the build puts them, results where they are kept, other paths without
 * the folders of this machine. Of a path its last part stays, of NAME/model.onnx both.
 */
export function commandLine(words: readonly string[] = process.argv.slice(1)): string {
  const [program = "", ...given] = words;
  const plain = given.map((word, i) => {
    if (given[i - 1] === "-o" || given[i - 1] === "--out") return join(reportsFolder, basename(word));
    const [, option = "", value = ""] = /^(--[a-z-]+=)(.*)$/s.exec(word) ?? [];
    if (option === "--out=") return option + join(reportsFolder, basename(value));
    return option === "" ? plainPath(word) : `${option}${plainPath(value)}`;
  });
  return ["node", `scripts/dist/hardware/${basename(program)}`, ...plain].join(" ");
}

const reportsFolder = "reports/hardware";

/** Names of inputs may hold slashes too: what is no path of this machine stays as it is. */
function plainPath(text: string): string {
  if (text.startsWith(`${reportsFolder}/`)) return text;
  const path = isAbsolute(text) || /^\.\.?\//.test(text) || (text.includes("/") && existsSync(text));
  if (!path) return text;
  const file = basename(text);
  return file === "model.onnx" ? join(basename(dirname(resolve(text))), file) : file;
}

/** `schema` is the question's name; `options` say what all engines of the file were built with. */
export function reportHead(
  question: string,
  environment: DeviceEnvironment,
  options: { "builder-level"?: number | undefined } = {},
): ReportHead {
  const { libraryPath, ...known } = environment;
  const level = options["builder-level"];
  return {
    schema: `halfscope/hardware/${question}/1`,
    command: commandLine(),
    halfscope: version,
    host: { cpu: cpus()[0]?.model ?? "unknown", cores: availableParallelism() },
    environment: { ...known, ...(libraryPath !== undefined && { libraryPath: basename(libraryPath) }) },
    ...(level !== undefined && { builderLevel: level }),
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
