/** Options that every program of this folder takes, and how it ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type BackendName, backendNames, HalfscopeError, UsageError } from "@halfscope/core";
import type { Argv } from "yargs";

export interface CommonOptions {
  engine: BackendName;
  out: string;
  library: string | undefined;
  work: string | undefined;
  "timing-cache": string | undefined;
  "builder-level": number | undefined;
}

export const commonOptions = (yargs: Argv): Argv<CommonOptions> =>
  yargs
    .options({
      engine: { choices: backendNames, default: "tensorrt" as const, describe: "what runs the engines; ort-cpu only rehearses" },
      out: { alias: "o", type: "string", demandOption: true, describe: "JSON file to write, under reports/hardware" },
      library: {
        type: "string",
        describe: "folder of TensorRT's libraries (in LD_LIBRARY_PATH too), or ONNX Runtime's library file [as halfscope finds them]",
      },
      work: { type: "string", describe: "folder for models that are made [a temporary one]" },
      "timing-cache": { type: "string", describe: "file of TensorRT's measured kernel times, read and written" },
      "builder-level": {
        choices: [0, 1, 2, 3, 4, 5] as const,
        describe: "TensorRT's effort in builds: at 0 to 2 they are much faster, engines may be slower [the library's own: 3]",
      },
    })
    .strict()
    .wrap(120) as Argv<CommonOptions>;

/** Must run before the first engine is opened: libraries are looked up once. */
export function useLibrary({ engine, library }: Pick<CommonOptions, "engine" | "library">): void {
  if (library === undefined) return;
  process.env[engine === "tensorrt" ? "HALFSCOPE_TENSORRT_LIBRARY" : "HALFSCOPE_ORT_LIBRARY"] = resolve(library);
}

/** Runs `work` with the folder for made models; one that nobody named is removed. */
export async function withWorkFolder<T>(named: string | undefined, work: (folder: string) => Promise<T>): Promise<T> {
  if (named !== undefined) return work(resolve(named));
  const folder = mkdtempSync(join(tmpdir(), "halfscope-hardware-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads `INPUT=AxBxC`. Throws ERR_OPTION. */
export function shapeOf(text: string): [string, number[]] {
  const at = text.lastIndexOf("=");
  const dims = text
    .slice(at + 1)
    .split("x")
    .map(Number);
  if (at < 1 || dims.some((d) => !Number.isSafeInteger(d) || d < 1))
    throw new UsageError("ERR_OPTION", `--shape expects INPUT=AxBxC, found "${text}".`);
  return [text.slice(0, at), dims];
}

/** Errors that are meant for people end in their message and exit code, all others in a stack. */
export async function endWell(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof HalfscopeError)) throw error;
    console.error(`${error.message}${error.hint === undefined ? "" : `\n${error.hint}`}`);
    process.exitCode = error.exitCode;
  }
}
