import type { Hazard, Layer, TensorTypes } from "@halfscope/core";
import type { GraphView, Model } from "@halfscope/onnx";
import type { Range } from "../hazards/index.js";

export const fixKinds = ["clamp-mask", "clamp-weight", "fuse-norm", "scale-norm", "raise-epsilon"] as const;
export type FixKind = (typeof fixKinds)[number];

/** A change of the graph that answers a hazard better than a pin: FP32 results stay what they are, within a tolerance that is measured. */
export interface Fix {
  readonly id: string;
  readonly kind: FixKind;
  /** One sentence: what is changed to what. */
  readonly title: string;
  /** When FP32 results may differ in spite of the measurement: what the samples may not show. */
  readonly note?: string;
  /** Layers whose hazards it answers. */
  readonly layers: readonly string[];
  readonly edit: FixEdit;
  /** What to do instead where this one changes FP32 results too much. */
  readonly milder?: Fix;
}

/**
 * What stands in place of an initializer, by name, or of a node, by its index in the view. Fixes compose: an input that one fix redirects and another one's node
 * replaces is the latter's.
 */
export interface FixEdit {
  readonly initializers?: ReadonlyMap<string, Uint8Array>;
  /** Nothing to drop the node. */
  readonly nodes?: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Nodes to put in front of a node. */
  readonly before?: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Other tensors for inputs of a node, by the tensors that it reads now. */
  readonly inputs?: ReadonlyMap<number, ReadonlyMap<string, string>>;
}

/** A hazard that a fix would answer, and why there is none. */
export interface NoFix {
  readonly layer: string;
  readonly kind: FixKind;
  readonly reason: string;
}

export interface FixSubject {
  readonly model: Model;
  readonly view: GraphView;
  readonly types: TensorTypes;
  readonly layers: readonly Layer[];
  readonly hazards: readonly Hazard[];
  /** Measured values: without them, nothing is scaled. */
  readonly range?: Range;
}

export interface FixPlan {
  readonly fixes: readonly Fix[];
  readonly none: readonly NoFix[];
}

/** A name that no tensor and no node of the model has. */
export function freshName({ view, types }: FixSubject, wanted: string): string {
  const tensors = (name: string) => view.producer.has(name) || view.initializers.has(name) || view.graphInputs.has(name) || types.has(name);
  const taken = (name: string) => tensors(name) || view.nodes.some((n) => n.name === name);
  let name = wanted;
  for (let i = 2; taken(name); i++) name = `${wanted}_${i}`;
  return name;
}
