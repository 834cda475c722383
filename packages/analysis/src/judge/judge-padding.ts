import { type FeedValue, isTensorValue, type TensorValue } from "@halfscope/core";

/** An input that says which positions of a sample are padding. */
export interface PaddingMask {
  input: string;
  /** Samples of a batch, and positions. */
  dims: readonly [number, number];
  /** 1 where a position counts. */
  kept: Uint8Array;
}

/** For results: the rule that `paddingMasks` and `maskOf` follow. */
export const paddingRule =
  "an integer or boolean input of shape [batch, length] whose name ends in attention_mask or input_mask says which positions count (not 0); an output with the same first axis loses the others along the first later axis of that length";

/** Names of inputs that say which positions count. */
export const maskName = /(?:^|[^A-Za-z])(?:attention|input|Attention|Input)_?[mM]ask$|(?<=[a-z])(?:Attention|Input)Mask$/;

/** The masks among a sample's inputs that leave something out, and not everything. */
export function paddingMasks(tensors: ReadonlyMap<string, FeedValue>): PaddingMask[] {
  const masks: PaddingMask[] = [];
  for (const [input, value] of tensors) {
    if (!maskName.test(input) || !isTensorValue(value) || value.dims.length !== 2) continue;
    const kept = notZero(value);
    if (kept?.includes(0) && kept.includes(1)) masks.push({ input, dims: [value.dims[0] ?? 0, value.dims[1] ?? 0], kept });
  }
  return masks;
}

const widths: Readonly<Partial<Record<string, number>>> = {
  bool: 1,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
};

function notZero({ dtype, data }: TensorValue): Uint8Array | undefined {
  const width = widths[dtype];
  if (width === undefined) return undefined;
  const kept = new Uint8Array(data.length / width);
  data.forEach((byte, i) => {
    if (byte !== 0) kept[Math.floor(i / width)] = 1;
  });
  return kept;
}

/** Which mask an output obeys, and along which axis; undefined for outputs without one. The first that fits. */
export function maskOf(dims: readonly number[], masks: readonly PaddingMask[]): { mask: PaddingMask; axis: number } | undefined {
  for (const mask of masks) {
    const axis = dims.indexOf(mask.dims[1], 1);
    if (axis >= 1 && dims[0] === mask.dims[0]) return { mask, axis };
  }
  return undefined;
}

/** Whether each element of an output counts, in C order. */
export function keptElements(dims: readonly number[], { mask, axis }: { mask: PaddingMask; axis: number }): Uint8Array {
  const [batch, length] = mask.dims;
  const between = dims.slice(1, axis).reduce((a, b) => a * b, 1);
  const inner = dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const kept = new Uint8Array(batch * between * length * inner);
  let at = 0;
  for (let b = 0; b < batch; b++)
    for (let k = 0; k < between; k++)
      for (let s = 0; s < length; s++, at += inner) if (mask.kept[b * length + s]) kept.fill(1, at, at + inner);
  return kept;
}
