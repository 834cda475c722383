import { stat } from "node:fs/promises";
import { UsageError } from "@halfscope/core";
import { unknownInput } from "./check-feeds.js";
import type { FeedInput } from "./feed.js";

/** One thing that `--feed` names: a file for one input, or (input undefined) a file or folder of whole samples. */
export interface FeedPart {
  input: FeedInput | undefined;
  path: string;
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/**
 * Reads one `--feed` value: `name=file`, a path, or trtexec's `name:file,name2:file2` with `'quoted:names'`. Names of inputs may hold `=`
 * and `:` themselves, so the longest input name that fits wins. Errors: ERR_FILE_NOT_FOUND, ERR_FEED.
 */
export async function parseFeedSpec(text: string, signature: readonly FeedInput[]): Promise<FeedPart[]> {
  const longestFirst = [...signature].sort((a, b) => b.name.length - a.name.length);
  const assigned = longestFirst.find(({ name }) => text.startsWith(`${name}=`));
  if (assigned !== undefined) return [{ input: assigned, path: text.slice(assigned.name.length + 1) }];
  if (await exists(text)) return [{ input: undefined, path: text }];
  const parts = trtexecParts(text, longestFirst);
  if (parts !== undefined) return parts;
  const unknown = /^'?([^=:]+)'?[=:](.+)$/.exec(text);
  if (unknown !== null && (await exists(unknown[2]!))) throw unknownInput(unknown[1]!, signature, `--feed ${text}`);
  throw new UsageError("ERR_FILE_NOT_FOUND", `There is no file or folder ${text}.`, {
    hint: "Name an .npz, a .json or a folder, or one input as name=file.npy.",
  });
}

/** `name:file` pairs. A comma ends a file only where another input's name follows. */
function trtexecParts(text: string, longestFirst: readonly FeedInput[]): FeedPart[] | undefined {
  const nameAt = (at: number): { input: FeedInput; length: number } | undefined => {
    for (const input of longestFirst)
      for (const prefix of [`${input.name}:`, `'${input.name}':`]) if (text.startsWith(prefix, at)) return { input, length: prefix.length };
    return undefined;
  };
  const parts: FeedPart[] = [];
  for (let at = 0; at <= text.length; ) {
    const found = nameAt(at);
    if (found === undefined) return undefined;
    const start = at + found.length;
    let end = text.indexOf(",", start);
    while (end >= 0 && nameAt(end + 1) === undefined) end = text.indexOf(",", end + 1);
    if (end < 0) end = text.length;
    parts.push({ input: found.input, path: text.slice(start, end) });
    at = end + 1;
  }
  return parts;
}
