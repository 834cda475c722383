import { UsageError } from "@halfscope/core";

/** A part of a sweep, for one of several machines: the `index`-th of `of`, counted from 1. */
export interface Shard {
  index: number;
  of: number;
}

/** Beyond this, each machine would spend its time on opening the model. */
const most = 1000;

/** Reads `2/3`. Throws ERR_OPTION. */
export function parseShard(text: string): Shard {
  const [, i, n] = /^(\d{1,6})\/(\d{1,6})$/.exec(text.trim()) ?? [];
  const shard = { index: Number(i), of: Number(n) };
  if (shard.index >= 1 && shard.index <= shard.of && shard.of <= most) return shard;
  throw new UsageError("ERR_OPTION", `--shard needs I/N with I from 1 to N and N at most ${most}, found ${JSON.stringify(text)}.`, {
    hint: "For instance --shard 1/3 on one machine, 2/3 and 3/3 on the others.",
  });
}

/**
 * Whose a group is, by its place in graph order alone: nothing that a run finds, so that machines need not talk. Groups are dealt out there and back
 * (1 2 3 3 2 1 1 2 3 ...): every shard gets candidates of all parts of the graph, of which the early ones cost up to a whole pass and the late ones next to nothing, and
 * none gets the dearer one of each round.
 */
export function isOfShard({ index, of }: Shard, group: number): boolean {
  const place = group % of;
  const back = Math.floor(group / of) % 2 === 1;
  return (back ? of - 1 - place : place) === index - 1;
}
