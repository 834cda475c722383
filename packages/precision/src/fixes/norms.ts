import { layerNormParts } from "@halfscope/onnx";
import type { Fix, FixKind, FixPlan, FixSubject, NoFix } from "./fix.js";
import { fuseNorm, opsetTooLow } from "./fuse-norm.js";
import { normPattern } from "./norm-pattern.js";
import { scaleNorm } from "./scale-norm.js";

/** Normalizations in single nodes that hazards speak of: fused where the operator set has the node and the formula is the node's, scaled otherwise. */
export function fixNorms(o: FixSubject, wanted: (kind: FixKind) => boolean): FixPlan {
  const fixes: Fix[] = [];
  const none: NoFix[] = [];
  const { overflowing, flushed } = layersInTrouble(o);
  for (const layer of o.layers) {
    if ((layer.kind !== "layer-norm" && layer.kind !== "rms-norm") || layer.nodes.length < 3) continue;
    if (!overflowing.has(layer.id) && !flushed.has(layer.id)) continue;
    const pattern = normPattern(o, layer);
    const fused = opsetTooLow(o, layer.kind) ?? (typeof pattern === "string" ? pattern : fuseNorm(o, pattern));
    if (wanted("fuse-norm") && typeof fused !== "string") {
      fixes.push(fused);
      continue;
    }
    if (wanted("fuse-norm")) none.push({ layer: layer.id, kind: "fuse-norm", reason: fused as string });
    if (!wanted("scale-norm") || !overflowing.has(layer.id)) continue;
    const scaled = typeof pattern === "string" ? pattern : scaleNorm(o, pattern);
    if (typeof scaled === "string") none.push({ layer: layer.id, kind: "scale-norm", reason: scaled });
    else fixes.push(scaled);
  }
  return { fixes, none };
}

const overflows: ReadonlySet<string> = new Set(["decomposed-layer-norm", "range-overflow", "hidden-overflow"]);

/** Layers in which something inside overflows, and those whose epsilon FP16 cannot hold: one hazard speaks for all that share an epsilon. */
function layersInTrouble({ hazards, layers, view }: FixSubject): { overflowing: Set<string>; flushed: Set<string> } {
  const loud = hazards.filter((h) => h.severity !== "info");
  const results = new Set(layers.flatMap((l) => l.outputs));
  const overflowing = new Set(loud.filter((h) => overflows.has(h.code) && !results.has(h.tensor)).map((h) => h.layer));
  const epsilons = new Set(loud.filter((h) => h.code === "epsilon-underflow").map((h) => h.tensor));
  const flushed = new Set(
    epsilons.size === 0 ? [] : layers.filter((l) => epsilons.has(layerNormParts(view, l)?.epsilon?.tensor ?? "")).map((l) => l.id),
  );
  return { overflowing, flushed };
}
