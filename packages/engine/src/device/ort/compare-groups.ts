import type { Markable } from "../marking-groups.js";

/** Tensors compared first, where no size is known before a run: what they took tells what others may. */
const firstTensors = 16;

/**
 * Deals tensors out in groups that fit into memory. Sizes that are not known before a run count as the largest known one; those that a run has shown are known
 * from then on, so one that is larger than all before it shrinks the groups behind it.
 */
export class CompareGroups {
  #largest: number;
  #left: Markable[];

  constructor(
    tensors: readonly Markable[],
    private readonly limitBytes: number,
  ) {
    this.#left = [...tensors];
    this.#largest = Math.max(0, ...tensors.map((t) => t.bytes ?? 0));
  }

  /** The next group, in the order of the tensors; undefined when all have been dealt out. A tensor beyond the limit is a group of its own. */
  next(): readonly string[] | undefined {
    if (this.#left.length === 0) return undefined;
    let bytes = 0;
    let count = 0;
    for (const tensor of this.#left) {
      const unknown = tensor.bytes === undefined;
      bytes += tensor.bytes ?? this.#largest;
      if (count > 0 && (bytes > this.limitBytes || (unknown && this.#largest === 0 && count >= firstTensors))) break;
      count++;
    }
    return this.#left.splice(0, count).map((t) => t.tensor);
  }

  /** What a tensor took. */
  seen(bytes: number): void {
    this.#largest = Math.max(this.#largest, bytes);
  }
}
