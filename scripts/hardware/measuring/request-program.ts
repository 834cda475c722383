/** request-overhead, the C++ program that serves the same plan: see request-overhead.cc. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { EngineError } from "@halfscope/core";
import type { Feed } from "@halfscope/engine";
import { writePrepared } from "./write-prepared.js";

/** What it exits with where TensorRT is not of the headers that it was compiled with. */
const wrongVersion = 3;

async function run(program: string, args: readonly string[]): Promise<unknown> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 1 << 26 });
    return JSON.parse(stdout);
  } catch (cause) {
    const { stderr, code } = cause as { stderr?: string; code?: number | string };
    const said = stderr?.trim().split("\n").at(-1) || String(cause);
    const hint = code === wrongVersion ? "Compile it with headers of the library's version." : undefined;
    throw new EngineError("ERR_ENGINE_RUN", `${program} failed: ${said}`, { ...(hint && { hint }), cause });
  }
}

/** Writes the inputs of `feed` where the program reads them. */
export const writeInputs = async (folder: string, feed: Feed): Promise<void> => void (await writePrepared(folder, feed, []));

/**
 * Lets the program read the inputs, and tells what it found, without a GPU: what it cannot read shows before minutes go into a build. `plan` defaults to a file that
 * is there: the program reads bytes and stops. Throws ERR_ENGINE_RUN.
 */
export const checkProgram = (program: string, folder: string, plan = join(folder, "run.txt")): Promise<unknown> =>
  run(program, ["--check", plan, folder]);

/** Milliseconds of each request. Throws ERR_ENGINE_RUN, with a hint where the program was compiled for another TensorRT. */
export async function timeProgram(
  program: string,
  { library, plan, folder, requests, warmup }: { library: string; plan: string; folder: string; requests: number; warmup: number },
): Promise<number[]> {
  return ((await run(program, [library, plan, folder, String(requests), String(warmup)])) as { milliseconds: number[] }).milliseconds;
}
