import { randomBytes } from "node:crypto";
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EngineError, type TensorValue } from "@halfscope/core";

type Place = { value: TensorValue } | { at: number; value: Omit<TensorValue, "data">; bytes: number };

/** Tensors by name, in memory up to a limit and in a temporary file beyond it. The file has no name where the system allows that, so that a kill leaves none behind. */
export class KeptValues implements Disposable {
  private readonly places = new Map<string, Place>();
  private file: { descriptor: number; path: string; size: number } | undefined;
  private inMemory = 0;

  /** `limit` in bytes; `folder` for the file, the system's when absent. */
  constructor(
    private readonly limit: number,
    private readonly folder: string = tmpdir(),
  ) {}

  get bytesInMemory(): number {
    return this.inMemory;
  }
  get bytesInFile(): number {
    return this.file?.size ?? 0;
  }

  has(name: string): boolean {
    return this.places.has(name);
  }

  /** Throws ERR_ENGINE_RUN when the file cannot be written. */
  add(name: string, value: TensorValue): void {
    if (this.places.has(name)) return;
    const bytes = value.data.byteLength;
    if (this.inMemory + bytes <= this.limit) {
      this.inMemory += bytes;
      this.places.set(name, { value });
      return;
    }
    this.file ??= this.openFile();
    const { file } = this;
    this.attempt(() => {
      for (let done = 0; done < bytes; ) done += writeSync(file.descriptor, value.data, done, bytes - done, file.size + done);
    });
    this.places.set(name, { at: file.size, bytes, value: { dtype: value.dtype, dims: value.dims } });
    file.size += bytes;
  }

  get(name: string): TensorValue | undefined {
    const place = this.places.get(name);
    if (place === undefined || !("at" in place)) return place?.value;
    const data = new Uint8Array(place.bytes);
    this.attempt(() => {
      for (let done = 0; done < data.length; ) {
        const read = readSync(this.file?.descriptor ?? -1, data, done, data.length - done, place.at + done);
        if (read === 0) throw new Error("the file has become shorter");
        done += read;
      }
    });
    return { ...place.value, data };
  }

  [Symbol.dispose](): void {
    const { file } = this;
    this.file = undefined;
    this.places.clear();
    if (file === undefined) return;
    closeSync(file.descriptor);
    rmSync(file.path, { force: true });
  }

  private openFile() {
    const path = join(this.folder, `.${randomBytes(6).toString("hex")}.partial`);
    return this.attempt(() => {
      const descriptor = openSync(path, "wx+");
      // An open file needs no name; Windows refuses, and there it is removed at the end.
      try {
        rmSync(path);
      } catch {}
      return { descriptor, path, size: 0 };
    });
  }

  private attempt<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new EngineError("ERR_ENGINE_RUN", `Activations could not be kept in ${this.folder}: ${(cause as Error).message}.`, {
        cause,
        hint: "Free some space there.",
      });
    }
  }
}
