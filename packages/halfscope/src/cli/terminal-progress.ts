import { createRequire } from "node:module";
import type { Progress, ProgressStep } from "@halfscope/core";
import type cliProgress from "cli-progress";
import { clip, safe } from "./text.js";

/** A step that takes longer than this shows a bar with the time left. */
const quietMs = 2000;

/** Loaded with the first bar: most command lines never draw one. */
const loadBars = (): typeof cliProgress => createRequire(import.meta.url)("cli-progress");

/** Progress that must be stopped at the end: a bar left alone keeps its timer, and with it the process, alive. */
export interface TerminalProgress extends Progress {
  stop(): void;
}

/** Progress on standard error: a bar on a terminal, a line now and then elsewhere. */
export function terminalProgress(): TerminalProgress {
  const bars = new Set<cliProgress.SingleBar>();
  return {
    stop(): void {
      for (const bar of bars) bar.stop();
      bars.clear();
    },
    step(name: string, total?: number, { steady = true } = {}): ProgressStep {
      const label = clip(safe(name));
      const start = Date.now();
      let bar: cliProgress.SingleBar | undefined;
      let lastLine = start;
      return {
        update(done: number): void {
          const now = Date.now();
          if (now - start < quietMs || total === 0) return;
          const far = total === undefined || !steady ? `${duration((now - start) / 1000)} so far` : timeLeft(done, total, now - start);
          if (!process.stderr.isTTY) {
            if (now - lastLine < 15_000) return;
            lastLine = now;
            process.stderr.write(`${label}: ${total === undefined ? "" : `${Math.floor((100 * done) / total)} %, `}${far}\n`);
            return;
          }
          if (bar === undefined) {
            bar = new (loadBars().SingleBar)({
              format: total === undefined ? "{label} · {far}" : "{label} |{bar}| {percentage} % · {far}",
              stream: process.stderr,
              hideCursor: false,
              clearOnComplete: true,
              etaBuffer: 1,
              gracefulExit: false,
            });
            bars.add(bar);
            bar.start(total ?? 1, done, { label, far });
          } else bar.update(done, { label, far });
        },
        end(summary?: string): void {
          bar?.stop();
          if (bar !== undefined) bars.delete(bar);
          const seconds = (Date.now() - start) / 1000;
          if (seconds >= quietMs / 1000 || summary !== undefined)
            process.stderr.write(`${label}${summary ? `: ${summary}` : ""} · ${duration(seconds)}\n`);
        },
      };
    },
    note(message: string): void {
      process.stderr.write(`${clip(safe(message))}\n`);
    },
  };
}

const timeLeft = (done: number, total: number, spent: number): string =>
  `${duration((done > 0 ? (spent / done) * (total - done) : Number.NaN) / 1000)} left`;

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "unknown time";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
