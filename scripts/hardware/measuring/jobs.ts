/** Shares of work for several processes of one program, each with a report of its own. */
import { spawn } from "node:child_process";

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

/** Runs this program `jobs` times with `--share i/jobs` and the arguments that `argsOf` gives; resolves to the exit codes. */
export function runShares(jobs: number, argsOf: (index: number) => readonly string[]): Promise<number[]> {
  const one = (index: number) =>
    new Promise<number>((resolve) => {
      const child = spawn(process.execPath, [process.argv[1] ?? "", ...argsOf(index), "--share", `${index}/${jobs}`], {
        stdio: ["ignore", "inherit", "inherit"],
      });
      const stop = () => child.kill("SIGTERM");
      process.once("SIGTERM", stop);
      child.on("error", () => resolve(127));
      child.on("close", (code, signal) => {
        process.removeListener("SIGTERM", stop);
        resolve(code ?? (signal === null ? 1 : 128));
      });
    });
  return Promise.all(Array.from({ length: jobs }, (_, i) => one(i + 1)));
}
