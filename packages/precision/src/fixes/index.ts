import {
  delimitedField,
  encodeExternalTensor,
  encodeTensorHead,
  type Initializer,
  type Model,
  type Piece,
  type Rope,
  rewriteModel,
} from "@halfscope/onnx";
import { fixConstants } from "./constants.js";
import type { Fix, FixKind, FixPlan, FixSubject } from "./fix.js";
import { fuseNorms } from "./norms.js";

export { maskValue } from "./constants.js";
export type { Fix, FixKind, FixPlan, FixSubject, NoFix } from "./fix.js";
export { fixKinds } from "./fix.js";

/** Fixes that answer the hazards of a model; a normalization that is fused needs no epsilon raised. `only` names kinds; all when absent. */
export function planFixes(o: FixSubject, only?: readonly FixKind[]): FixPlan {
  const norms = fuseNorms(o);
  const fusedLayers = new Set(norms.fixes.flatMap((f) => f.layers));
  const constants = fixConstants(o);
  const wanted = (kind: FixKind) => only === undefined || only.includes(kind);
  const needed = (f: Fix) => f.kind !== "raise-epsilon" || !wanted("fuse-norm") || f.layers.some((l) => !fusedLayers.has(l));
  return {
    fixes: [...constants.fixes.filter(needed), ...norms.fixes].filter((f) => wanted(f.kind)),
    none: [...constants.none, ...norms.none].filter((n) => wanted(n.kind)),
  };
}

export interface FixedModel {
  rope: Rope;
  /** Contents of the external-data file; undefined when none is needed. */
  external: Rope | undefined;
}

/**
 * The model with fixes applied; everything else stays byte for byte, but external data moves into one file `externalName` beside the new model: what it names must not
 * depend on the old folder.
 */
export function applyFixes(model: Model, fixes: readonly Fix[], externalName: string): FixedModel {
  const initializers = new Map(fixes.flatMap((f) => [...(f.edit.initializers ?? [])]));
  const nodes = new Map(fixes.flatMap((f) => [...(f.edit.nodes ?? [])]));
  const external: Piece[] = [];
  let bytes = 0;
  const moved = (init: Initializer): Rope | undefined => {
    if (init.data.kind !== "file" || !init.data.external) return undefined;
    const { span } = init.data;
    if (span.length < 1024) return [encodeTensorHead(init.name, init.elementType, init.dims), ...delimitedField(9, [span])];
    const padding = (4096 - (bytes % 4096)) % 4096;
    if (padding > 0) external.push(new Uint8Array(padding));
    external.push(span);
    const offset = bytes + padding;
    bytes = offset + span.length;
    return [encodeExternalTensor(init.name, init.elementType, init.dims, externalName, offset, span.length)];
  };
  const rope = rewriteModel(model, {
    node: (node) => nodes.get(node.index),
    initializer: (init) => {
      const changed = initializers.get(init.name);
      const rope = changed === undefined ? moved(init) : [changed];
      return rope && [rope];
    },
  });
  return { rope, external: external.length > 0 ? external : undefined };
}
