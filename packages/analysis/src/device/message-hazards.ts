import type { EngineMessage, Hazard, HazardCode, Layer, MessageKind, Severity } from "@halfscope/core";

/** What a kind of message means for FP16; kinds that say nothing about it are left out. */
const meanings: Partial<Record<MessageKind, { code: HazardCode; severity: Severity; fix: string }>> = {
  "layer-norm-overflow": {
    code: "decomposed-layer-norm",
    severity: "warning",
    fix: "Fuse it into a LayerNormalization node with `halfscope fix`, or pin the layer.",
  },
  "weight-subnormal": {
    code: "weight-underflow",
    severity: "warning",
    fix: "See what the layer's weights cost in the sweep; pin the layer where it matters.",
  },
  "weight-underflow": {
    code: "weight-underflow",
    severity: "warning",
    fix: "See what the layer's weights cost in the sweep; pin the layer where it matters.",
  },
  "weight-overflow": { code: "weight-overflow", severity: "error", fix: "Pin the layer, or rewrite the constant with `halfscope fix`." },
  "constant-clamped": {
    code: "weight-overflow",
    severity: "info",
    fix: "Nothing to do where it is a mask; write the constant within the FP16 range with `halfscope fix`.",
  },
  "precision-fallback": {
    code: "engine-fallback",
    severity: "warning",
    fix: "The layer runs in another precision than was asked for: look at its engine layers.",
  },
  "cpu-fallback": {
    code: "engine-fallback",
    severity: "warning",
    fix: "These nodes run on the CPU, with copies to and fro: use operators that the device has.",
  },
};

/** Layers named in one message that get an entry of their own. */
const mostNamed = 50;

/**
 * What an engine's library warned of, as hazards: one per layer that a message names, one without a layer where it names none that the model has. `source` names the
 * library and its version.
 */
export function messageHazards(
  messages: readonly EngineMessage[],
  model: { layers: readonly Layer[]; nodeNames: readonly string[] },
  source: string,
): Hazard[] {
  const places = placesOf(model);
  const found = new Map<string, Hazard>();
  for (const message of messages) {
    const meaning = meanings[message.kind];
    if (meaning === undefined) continue;
    const named = (message.names ?? []).slice(0, mostNamed).map((name) => ({ layer: places.get(name) ?? "", tensor: name }));
    const known = named.filter((p) => p.layer !== "");
    const [first] = named;
    for (const { layer, tensor } of known.length > 0 ? known : [{ layer: "", tensor: first?.tensor ?? "" }]) {
      const key = `${meaning.code}\0${layer}\0${layer === "" ? message.text : ""}`;
      const before = found.get(key);
      const count = message.count + (before?.values.count ?? 0);
      found.set(key, {
        code: meaning.code,
        severity: meaning.severity,
        layer,
        tensor: before?.tensor ?? tensor,
        evidence: before?.evidence ?? `${source} says: ${message.text.trim()}`,
        fix: meaning.fix,
        values: { count },
        source,
      });
    }
  }
  return [...found.values()];
}

/** Layer of each name that a library may use: nodes, the tensors that they give, weights. */
function placesOf({ layers, nodeNames }: { layers: readonly Layer[]; nodeNames: readonly string[] }): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const layer of layers) {
    for (const name of [...layer.weights, ...layer.outputs, ...layer.nodes.map((n) => nodeNames[n] ?? "")])
      if (name !== "" && !places.has(name)) places.set(name, layer.id);
  }
  return places;
}
