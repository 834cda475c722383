import { open, stat } from "node:fs/promises";
import { InputError, UsageError } from "@halfscope/core";

/** How much a feed may take. Files are untrusted: a size that a file declares is compared with these before anything is allocated. */
export interface FeedLimits {
  /** Bytes of one file. */
  fileBytes: number;
  /** Bytes of all tensors of one call of `loadFeeds` together. */
  totalBytes: number;
  /** Entries of one zip archive or folder, and samples of one call. */
  entries: number;
  /** Axes of one tensor. */
  rank: number;
}
export const defaultLimits: FeedLimits = { fileBytes: 2 ** 31 - 1, totalBytes: 2 ** 32, entries: 10_000, rank: 32 };

/** What is left of the limits while feeds are loaded. */
export class Budget {
  #left: number;
  constructor(readonly limits: FeedLimits = defaultLimits) {
    this.#left = limits.totalBytes;
  }

  /** Throws ERR_FEED_FILE unless `bytes` are left: call it before allocating. */
  require(bytes: number, file: string): void {
    if (!(bytes <= this.#left))
      throw new InputError("ERR_FEED_FILE", `${file}: declares ${bytes} bytes of data where ${this.#left} are left of the limit.`, {
        hint: `All feeds together may hold ${this.limits.totalBytes} bytes; feed fewer or smaller samples.`,
        context: { file, declared: bytes, limit: this.limits.totalBytes },
      });
  }

  /** Requires `bytes` and takes them off. */
  spend(bytes: number, file: string): void {
    this.require(bytes, file);
    this.#left -= bytes;
  }

  /** The product of `dims` times `width` in bytes, spent. Throws ERR_FEED_FILE on sizes that are none or beyond the limits. */
  spendTensor(dims: readonly number[], width: number, file: string): number {
    const bytes = dims.reduce((n, d) => n * d, width);
    const valid = dims.length <= this.limits.rank && dims.every((d) => Number.isSafeInteger(d) && d >= 0);
    if (!valid || !Number.isSafeInteger(dims.reduce((n, d) => n * Math.max(d, 1), width)))
      throw new InputError("ERR_FEED_FILE", `${file}: the shape [${dims.slice(0, 40).join(", ")}] is no shape of a tensor.`, {
        hint: `A shape has at most ${this.limits.rank} sizes, none of them negative.`,
        context: { file },
      });
    this.spend(bytes, file);
    return bytes;
  }
}

/** The whole file. Refuses what is no regular file (a pipe or a device would never end) and files beyond the limit. */
export async function readFeedFile(path: string, limits: FeedLimits): Promise<Uint8Array> {
  const info = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError("ERR_FILE_NOT_FOUND", `${path} cannot be read: ${cause.message}.`, { hint: "Check the path of the feed.", cause });
  });
  if (!info.isFile())
    throw new InputError(
      "ERR_FEED_FILE",
      `${path}: expected a regular file, found ${info.isDirectory() ? "a folder" : "a device or pipe"}.`,
      {
        hint: "Save the data to a file first.",
        context: { file: path },
      },
    );
  if (info.size > limits.fileBytes)
    throw new InputError("ERR_FEED_FILE", `${path}: expected at most ${limits.fileBytes} bytes, found ${info.size}.`, {
      hint: "Feed fewer or smaller samples.",
      context: { file: path, limit: limits.fileBytes, found: info.size },
    });
  const file = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError("ERR_FILE_NOT_FOUND", `${path} cannot be read: ${cause.message}.`, {
      hint: "Check the file's permissions.",
      cause,
    });
  });
  try {
    const bytes = new Uint8Array(info.size);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, 2 ** 30), at);
      if (bytesRead === 0) return bytes.slice(0, at);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
