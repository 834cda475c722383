import { InputError } from "@halfscope/core";

/** ERR_FEED_FILE: `file` is not what its format asks for. The message reads "FILE: expected EXPECTED, found FOUND." */
export function badFile(file: string, expected: string, found: string, hint: string, cause?: unknown): InputError {
  return new InputError("ERR_FEED_FILE", `${file}: expected ${expected}, found ${found}.`, {
    hint,
    context: { file, expected, found },
    ...(cause === undefined ? {} : { cause }),
  });
}

export const saveAgain = "The file is damaged or was not written completely; write it again.";

/** The candidate that needs the fewest edits to become `name`, unless all are too far off to be a slip. */
export function closest(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(name.length / 2));
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 64 || a.length > 512) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
