/** Runs models in a few worker processes. A model that crashes its process or does not come to an end costs that process and nothing else. */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Checked } from "./check-model.js";
import type { ConformanceModel } from "./models.js";
import type { ModelRecord, StepName } from "./record.js";
import type { Answer, Job } from "./worker.js";

export interface PoolOptions {
  jobs: number;
  /** For one model. */
  limitSeconds: number;
  /** Where realised files go. */
  folder: string;
  /** Called once per model, in the order in which they end. */
  done: (checked: Checked) => void;
}

/** Resolves when every model has an answer. */
export async function runPool(models: readonly ConformanceModel[], o: PoolOptions): Promise<void> {
  const waiting = [...models].reverse();
  await Promise.all(
    Array.from({ length: Math.min(o.jobs, models.length) }, async () => {
      let worker: Worker | undefined;
      for (let model = waiting.pop(); model !== undefined; model = waiting.pop()) {
        worker ??= new Worker();
        const answer = await worker.check({ model, folder: o.folder }, o.limitSeconds);
        if (worker.ended) worker = undefined;
        o.done(answer);
      }
      worker?.end();
    }),
  );
}

class Worker {
  ended = false;
  private readonly child: ChildProcess = fork(join(import.meta.dirname, "worker.js"), { stdio: ["ignore", "ignore", "pipe", "ipc"] });
  private said = "";

  constructor() {
    this.child.stderr?.on("data", (text: Buffer) => {
      this.said = (this.said + text.toString()).slice(-2000);
    });
  }

  check(job: Job, limitSeconds: number): Promise<Checked> {
    const { child } = this;
    const started = performance.now();
    this.said = "";
    let under: StepName = "read";
    return new Promise((resolve) => {
      const end = (checked: Checked) => {
        clearTimeout(timer);
        child.removeAllListeners("message").removeAllListeners("exit");
        resolve(checked);
      };
      const broken = (reason: string) => {
        this.ended = true;
        const seconds = (performance.now() - started) / 1000;
        const { id, collection, path } = job.model;
        const record: ModelRecord = {
          id,
          collection,
          path,
          outcome: "failed",
          steps: [{ step: under, status: "failed", reason, seconds }],
          seconds,
        };
        end({ record, files: [] });
      };
      const timer = setTimeout(() => {
        child.removeAllListeners("exit");
        child.kill("SIGKILL");
        broken(`no end within ${limitSeconds} s`);
      }, 1000 * limitSeconds);
      child.on("message", (answer: Answer) => {
        if (answer.kind === "step") under = answer.step;
        else end({ record: answer.record, files: answer.files });
      });
      child.on("exit", (code, signal) => {
        broken(`the process died (${signal ?? `exit code ${code}`})${this.said === "" ? "" : `: ${this.said.trim().slice(-400)}`}`);
      });
      child.send(job);
    });
  }

  end(): void {
    this.ended = true;
    this.child.disconnect();
  }
}
