import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { EngineError } from "@halfscope/core";

/** Longer profiles are not read: a million events, which is where ONNX Runtime stops, stay below it. */
const largest = 400 * 2 ** 20;

const folders = new Set<string>();
let cleansUp = false;

/** A place for the profile of one session, gone when it has been read, at the latest with the process. */
export class ProfileFile {
  /** What ONNX Runtime is given: it appends the time of day. */
  readonly prefix: string;
  readonly #folder: string;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "halfscope-profile-"));
    this.prefix = join(this.#folder, "run");
    if (!cleansUp) process.once("exit", removeAll);
    cleansUp = true;
    folders.add(this.#folder);
  }

  /** The text of the profile that ONNX Runtime has written at `path`; removes it. Throws EngineError ERR_ENGINE_RUN where it is no file of ours or too long. */
  read(path: string): string {
    try {
      if (dirname(path) !== this.#folder) throw new Error(`it was written to ${path}`);
      const { size } = statSync(path);
      if (size > largest) throw new Error(`it has ${size} bytes, more than ${largest}`);
      return readFileSync(path, "utf8");
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new EngineError("ERR_ENGINE_RUN", `ONNX Runtime's profile could not be read: ${reason}.`, {
        hint: `It is written to ${tmpdir()}: see that there is space, or name another folder in TMPDIR.`,
        cause: error,
      });
    } finally {
      this.remove();
    }
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    folders.delete(this.#folder);
  }
}

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
