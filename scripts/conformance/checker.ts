/** The ONNX checker: one Python process for all models, started anew when a file makes it crash. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { repository } from "./repository.js";

/** An interpreter with the onnx package: HALFSCOPE_PYTHON, `.venv/bin/python` of the checkout, or `python3`; undefined where none has it. */
export function findPython(): string | undefined {
  return [process.env.HALFSCOPE_PYTHON, join(repository, ".venv/bin/python"), "python3"].find((python) => {
    if (python === undefined || python === "" || (python.includes("/") && !existsSync(python))) return false;
    try {
      execFileSync(python, ["-c", "import onnx"], { stdio: "ignore", timeout: 60_000 });
      return true;
    } catch {
      return false;
    }
  });
}

interface Reply {
  path: string;
  problem: string | null;
}

export class Checker {
  private child: ChildProcess | undefined;
  private queue: Promise<unknown> = Promise.resolve();
  private answer: ((reply: Reply | string) => void) | undefined;
  /** Of the onnx package; known once the first answer is there. */
  version: string | undefined;

  constructor(
    private readonly python: string,
    private readonly limitSeconds: number,
  ) {}

  /** What the checker has against a file; undefined when it passes. */
  check(path: string): Promise<string | undefined> {
    const result = this.queue.then(() => this.ask(path));
    this.queue = result;
    return result;
  }

  end(): void {
    this.child?.stdin?.end();
  }

  private async ask(path: string): Promise<string | undefined> {
    const child = this.child ?? this.start();
    const reply = await new Promise<Reply | string>((resolve) => {
      this.answer = resolve;
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
      }, 1000 * this.limitSeconds);
      child.stdin?.write(`${JSON.stringify(path)}\n`);
      const done = this.answer;
      this.answer = (r) => {
        clearTimeout(timer);
        done(r);
      };
    });
    return typeof reply === "string" ? reply : (reply.problem ?? undefined);
  }

  private start(): ChildProcess {
    const child = spawn(this.python, [join(repository, "scripts/conformance/checker.py")], { stdio: ["pipe", "pipe", "ignore"] });
    this.child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const reply = JSON.parse(line) as Reply | { version: string };
      if ("version" in reply) this.version = reply.version;
      else this.answer?.(reply);
    });
    child.stdin.on("error", () => undefined); // the process died: its exit says so
    child.on("exit", (code, signal) => {
      if (this.child === child) this.child = undefined;
      this.answer?.(`the checker itself ended (${signal ?? `exit code ${code}`})`);
    });
    return child;
  }
}
