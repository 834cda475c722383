import { encodeAttribute, type Node, scanInputCount } from "@halfscope/onnx";

/** What crosses a border, in order: what belongs to the operator itself (a condition, a counter), then groups that may each be doubled. */
export interface Crossing<T> {
  readonly kept: readonly T[];
  readonly groups: readonly (readonly T[])[];
}

/** How an operator with bodies lines up what it takes and gives (onnx.ai, operators If, Loop and Scan). */
export interface Borders {
  holderInputs<T>(all: readonly T[]): Crossing<T>;
  holderOutputs<T>(all: readonly T[]): Crossing<T>;
  /** Of a body. */
  inputs<T>(all: readonly T[]): Crossing<T>;
  outputs<T>(all: readonly T[]): Crossing<T>;
  /** Attributes that count or describe what crosses, when every group is doubled. */
  attributes(): ReadonlyMap<string, Uint8Array>;
}

export function bordersOf(holder: Node, states: number): Borders {
  const split =
    (kept: number, first: number | undefined) =>
    <T>(all: readonly T[]): Crossing<T> => ({
      kept: all.slice(0, kept),
      groups: first === undefined ? [all.slice(kept)] : [all.slice(kept, kept + first), all.slice(kept + first)],
    });
  if (holder.opType === "If")
    return {
      holderInputs: split(1, undefined),
      holderOutputs: split(0, undefined),
      inputs: split(0, undefined),
      outputs: split(0, undefined),
      attributes: () => new Map(),
    };
  if (holder.opType === "Loop")
    return {
      holderInputs: split(2, states),
      holderOutputs: split(0, states),
      inputs: split(2, states),
      outputs: split(1, states),
      attributes: () => new Map(),
    };
  return {
    holderInputs: split(0, states),
    holderOutputs: split(0, states),
    inputs: split(0, states),
    outputs: split(0, states),
    attributes: () => doubledScanAttributes(holder),
  };
}

function doubledScanAttributes(holder: Node): ReadonlyMap<string, Uint8Array> {
  const attributes = new Map([["num_scan_inputs", encodeAttribute("num_scan_inputs", 2 * scanInputCount(holder))]]);
  for (const name of ["scan_input_axes", "scan_input_directions", "scan_output_axes", "scan_output_directions"]) {
    const values = holder.attributes.get(name)?.ints;
    if (values !== undefined) attributes.set(name, encodeAttribute(name, [...values, ...values]));
  }
  return attributes;
}
