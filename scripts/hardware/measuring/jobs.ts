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

export interface SharesOptions {
  /** What Node runs; this program by default. */
  program?: string;
  /** Arguments of share `index`, from 1. */
  argsOf: (index: number) => readonly string[];
  /** More environment of share `index`. */
  envOf?: (index: number) => Readonly<Record<string, string>>;
}

interface Ended {
  code: number;
  /** How a library ended it: a signal's name or an exit code. Undefined where it came to its own end, or was told to stop. */
  crash: string | undefined;
}

/**
 * Runs a program `jobs` times with `--share i/jobs`; resolves to the exit codes. A process that ends without having told so (`tellEnd`) was ended by a library, and is
 * started again with `--crashed HOW`. One that was told to stop, with this process or by itself, is not.
 */
export function runShares(jobs: number, { program = process.argv[1] ?? "", argsOf, envOf }: SharesOptions): Promise<number[]> {
  let stopped = false;
  const running = new Set<ChildProcess>();
  const stop = () => {
    stopped = true;
    for (const child of running) child.kill("SIGTERM");
  };
  const signals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;
  for (const signal of signals) process.once(signal, stop);
  const once = (index: number, args: readonly string[]) =>
    new Promise<Ended>((resolve) => {
      const env = { ...process.env, ...envOf?.(index) };
      const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "inherit", "inherit", "ipc"], env });
      let told = false;
      running.add(child);
      child.on("message", () => {
        told = true;
      });
      child.on("error", () => resolve({ code: 127, crash: undefined }));
      child.on("close", (code, signal) => {
        running.delete(child);
        const meant = told || stopped || (signal !== null && (signals as readonly string[]).includes(signal));
        resolve({ code: code ?? 128, crash: meant ? undefined : (signal ?? `exit code ${code}`) });
      });
    });
  const share = async (index: number): Promise<number> => {
    const args = [...argsOf(index), "--share", `${index}/${jobs}`];
    let ended = await once(index, args);
    let worst = ended.code;
    for (let i = 0; ended.crash !== undefined && !stopped && i < mostRestarts; i++) {
      console.error(`The process of share ${index} was ended (${ended.crash}); it goes on behind what it was at.`);
      ended = await once(index, [...args, "--crashed", ended.crash]);
      worst = Math.max(worst, ended.code);
    }
    return worst;
  };
  return Promise.all(Array.from({ length: jobs }, (_, i) => share(i + 1))).finally(() => {
    for (const signal of signals) process.off(signal, stop);
  });
}

/**
 * To be called first by a process that `runShares` starts: it ends when the parent does, however that one ended, since a build that nobody waits for keeps a GPU. Whoever
 * calls what this returns has come to its own end. Does nothing in a process without such a parent.
 */
export function underParent(): () => void {
  const { channel } = process;
  if (process.send === undefined || channel == null) return () => {};
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  channel.unref();
  return () => {
    process.removeAllListeners("disconnect");
    process.send?.("ended");
    process.disconnect();
  };
}

/** `0,1,2,3`: GPUs by CUDA's numbers or names, shared out in turn: share `index`, from 1, gets the GPU `index - 1` modulo their number. */
export function gpuOf(gpus: string | undefined, index: number): Readonly<Record<string, string>> {
  const all = gpus?.split(",").filter((g) => g !== "") ?? [];
  const gpu = all[(index - 1) % all.length];
  // CUDA numbers GPUs by speed unless it is told otherwise; with the bus order, numbers are those of nvidia-smi.
  return gpu === undefined ? {} : { CUDA_VISIBLE_DEVICES: gpu, CUDA_DEVICE_ORDER: "PCI_BUS_ID" };
}
