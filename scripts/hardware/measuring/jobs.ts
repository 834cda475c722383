/** Shares of work for several processes of one program, each with a report of its own. */
import { type ChildProcess, spawn } from "node:child_process";

export interface Share {
  index: number;
  of: number;
}

/** `2/4`: the second of four. */
export function shareOf(text: string): Share {
  const [index = Number.NaN, of = Number.NaN] = text.split("/").map(Number);
  return { index, of };
}

export const isMine = ({ index, of }: Share, at: number): boolean => at % of === index - 1;

/** A process that a library ends again and again is given up. */
const mostRestarts = 20;

/**
 * Runs this program `jobs` times with `--share i/jobs` and the arguments that `argsOf` gives; resolves to the exit codes. A process that a signal ended, as a crash
 * inside of a library does, is started again with `--resume`; one that this process was told to stop is not.
 */
export function runShares(jobs: number, argsOf: (index: number) => readonly string[]): Promise<number[]> {
  let stopped = false;
  const running = new Set<ChildProcess>();
  const stop = () => {
    stopped = true;
    for (const child of running) child.kill("SIGTERM");
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, stop);
  const once = (args: readonly string[]) =>
    new Promise<{ code: number; crashed: boolean }>((resolve) => {
      const child = spawn(process.execPath, [process.argv[1] ?? "", ...args], { stdio: ["ignore", "inherit", "inherit"] });
      running.add(child);
      child.on("error", () => resolve({ code: 127, crashed: false }));
      child.on("close", (code, signal) => {
        running.delete(child);
        resolve({ code: code ?? 128, crashed: signal !== null || (code ?? 0) > 128 });
      });
    });
  const share = async (index: number): Promise<number> => {
    const args = [...argsOf(index), "--share", `${index}/${jobs}`];
    let ended = await once(args);
    let worst = ended.code;
    for (let i = 0; ended.crashed && !stopped && i < mostRestarts; i++) {
      console.error(`The process of share ${index} was ended; it goes on with the next case.`);
      ended = await once([...args, "--resume"]);
      worst = Math.max(worst, ended.code);
    }
    return worst;
  };
  return Promise.all(Array.from({ length: jobs }, (_, i) => share(i + 1)));
}
