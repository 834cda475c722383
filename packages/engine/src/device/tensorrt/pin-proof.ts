import type { EngineLayer, PinProof, Typing } from "@halfscope/core";
import { isRegion } from "./fused-names.js";
import { canCompute, castsInside, lettersOf, operatorsByType } from "./generated-kernels.js";
import { kernelTypes, kernelTypesText } from "./kernel-types.js";
import type { LayerMap } from "./layer-map.js";
import { type MapGraph, movingOperators } from "./map-graph.js";

/** A layer that a plan keeps in FP32. */
export interface PinnedLayer {
  /** Its id. */
  layer: string;
  /** Names of its nodes, as `mapGraphOf` gives them. */
  nodes: readonly string[];
}

/**
 * Whether each pin is in the engine: what the engine layers that hold its nodes compute in. One node in FP16 is enough for `ignored`. Nodes that change no
 * value do not count where others are pinned with them: an engine runs those anywhere.
 *
 * Generated kernels show borders in FP16 though they compute in FP32 inside, where the casts around a pin were fused into them. In a strongly typed network the
 * graph's own Cast nodes around a pin, among a layer's nodes, prove it: such a network keeps every type that the file states. In a weakly typed one the kernel's name has to list
 * the pinned operators between casts. Give the unmarked engine: marked tensors change what is fused.
 */
export function provePins(pins: readonly PinnedLayer[], map: LayerMap, graph: MapGraph, typing: Typing): PinProof[] {
  const operators = new Map(graph.nodes.map((n) => [n.name, n.opType]));
  const pinned = new Set(pins.flatMap((p) => p.nodes));
  const besideCasts = neighbours(graph, pinned);
  return pins.map((pin) => proofOf(pin, { map, operators, pinned, typing, besideCasts }));
}

/**
 * Share of the profiled time that is spent in engine layers which compute in FP16 or bfloat16, 0 to 1; layers that are `mixed` or do not say count as not.
 * Undefined without times, and where regions that were compiled as one take more than a twentieth of it (TensorRT 8.6): what is inside may be anything.
 */
export function halfTimeShare(layers: readonly EngineLayer[]): number | undefined {
  let [half, regions, all] = [0, 0, 0];
  for (const { name, milliseconds, computes } of layers) {
    if (milliseconds === undefined || !Number.isFinite(milliseconds) || milliseconds < 0) continue;
    all += milliseconds;
    if (isRegion(name)) regions += milliseconds;
    else if (computes === "float16" || computes === "bfloat16") half += milliseconds;
  }
  return all > 0 && regions <= 0.05 * all ? half / all : undefined;
}

type Verdict = "full" | "half" | "unknown";

interface Proving {
  map: LayerMap;
  operators: ReadonlyMap<string, string>;
  pinned: ReadonlySet<string>;
  typing: Typing;
  besideCasts: ReadonlyMap<string, readonly string[]>;
}

/** By Cast node, the pinned nodes that it feeds or reads. */
function neighbours(graph: MapGraph, pinned: ReadonlySet<string>): Map<string, string[]> {
  const makers = new Map(graph.nodes.flatMap((n) => n.outputs.map((output) => [output, n] as const)));
  const found = new Map<string, string[]>();
  const add = (cast: string, node: string) => found.set(cast, [...(found.get(cast) ?? []), node]);
  for (const node of graph.nodes)
    for (const input of node.inputs) {
      const maker = makers.get(input);
      if (maker?.opType === "Cast" && pinned.has(node.name)) add(maker.name, node.name);
      if (maker !== undefined && node.opType === "Cast" && pinned.has(maker.name)) add(node.name, maker.name);
    }
  return found;
}

function proofOf(pin: PinnedLayer, proving: Proving): PinProof {
  const { map, operators, pinned } = proving;
  const isMoving = (node: string) => movingOperators.has(operators.get(node) ?? "");
  const computing = pin.nodes.filter((n) => !isMoving(n));
  const nodes = computing.length > 0 ? computing : pin.nodes;
  const places = [...new Set(nodes.flatMap((n) => placesOf(n, proving)))].sort((a, b) => a - b);
  const found = places.map((p) => map.layers[p]).filter((l) => l !== undefined);
  const proof = (outcome: PinProof["outcome"], evidence: string): PinProof => ({ layer: pin.layer, nodes: pin.nodes, outcome, evidence });
  if (found.length === 0)
    return proof("not-found", `No engine layer holds any of its ${counted(nodes.length, "node")}: ${whyMissing(nodes, map)}.`);

  const verdicts = found.map((layer, i) =>
    verdictOf(
      layer,
      nodes.filter((n) => placesOf(n, proving).includes(places[i] ?? -1)),
      proving,
    ),
  );
  const inHalf = found.filter((_, i) => verdicts[i] === "half");
  // Copies and integers beside a layer that computes do not make its answer doubtful.
  const telling = verdicts.some((v) => v !== "unknown");
  const silent = found.filter((l, i) => verdicts[i] === "unknown" && !(telling && (l.computes === "integer" || l.kind === "Reformat")));
  const missing = nodes.filter((n) => !map.byNode.has(n)).length;
  const rest = missing === 0 ? "" : ` ${counted(missing, "node")} of it ${missing === 1 ? "is" : "are"} in no engine layer.`;
  if (inHalf.length > 0) return proof("ignored", `${sentence(inHalf, "computes its nodes in FP16")}.${rest}`);
  if (silent.length > 0)
    return proof(
      "unknown",
      `The engine does not say what ${counted(silent.length, "engine layer")} with its nodes compute${silent.length === 1 ? "s" : ""} in: ${describe(silent[0])}. What the pin is worth shows in the error.${rest}`,
    );

  const strangers = places.map((place) =>
    (map.layers[place]?.nodes ?? []).filter(
      (n) => operators.has(n) && !pinned.has(n) && !isMoving(n) && placesOf(n, proving).includes(place),
    ),
  );
  const shared = found.filter((_, i) => (strangers[i]?.length ?? 0) > 0);
  const others = [...new Set(strangers.flat())];
  if (shared.length > 0)
    return proof(
      "moved",
      `${sentence(shared, "computes it in FP32")}, together with ${counted(others.length, "node")} that ${others.length === 1 ? "was" : "were"} not pinned (${short(others)}).${rest}`,
    );
  return proof("took-effect", `${sentence(found, "computes its nodes in FP32")}.${rest}`);
}

/** Engine layers that compute a node: of those that hold it all that can, or all of them where none seems to. */
function placesOf(node: string, { map, operators }: Proving): readonly number[] {
  const all = map.byNode.get(node) ?? [];
  const able = all.filter((place) => {
    const layer = map.layers[place];
    return layer !== undefined && canCompute(layer, operators.get(node) ?? "");
  });
  return able.length > 0 ? able : all;
}

/** What an engine layer runs those of `nodes` in that it holds. */
function verdictOf(layer: EngineLayer, nodes: readonly string[], { operators, typing, besideCasts }: Proving): Verdict {
  if (layer.computes === "float32") return "full";
  if (layer.computes !== "float16" && layer.computes !== "bfloat16" && layer.computes !== "mixed") return "unknown";
  const beside = new Set(layer.nodes.filter((n) => operators.get(n) === "Cast").flatMap((cast) => besideCasts.get(cast) ?? []));
  // A kernel whose name states its operands is what it says.
  if (layer.tactic !== undefined && kernelTypes(layer.tactic) !== undefined) return "half";
  if (typing === "typed" && layer.nodes.some((n) => beside.has(n))) return "full";
  const sorted = operatorsByType(layer);
  if (sorted === undefined) return layer.computes === "mixed" ? "unknown" : "half";
  const wanted = nodes.filter((n) => layer.nodes.includes(n)).map((n) => lettersOf(operators.get(n) ?? ""));
  if (sorted.half.length === 0) return "full";
  if (sorted.full.length === 0) return "half";
  if (wanted.some((w) => w === undefined)) return "unknown";
  return holds(
    sorted.full,
    wanted.flatMap((w) => w ?? []),
  )
    ? "full"
    : "half";
}

/** Whether a list has all that is wanted, as often as it is wanted. */
function holds(list: readonly string[], wanted: readonly string[]): boolean {
  const left = [...list];
  return wanted.every((w) => {
    const at = left.indexOf(w);
    if (at >= 0) left.splice(at, 1);
    return at >= 0;
  });
}

/** "2 engine layers compute its nodes in FP32: "X" (gemm, kernel ..., FP32) and 1 more". */
function sentence(layers: readonly EngineLayer[], does: string): string {
  const [first] = layers;
  const more = layers.length > 1 ? ` and ${layers.length - 1} more` : "";
  return layers.length === 1
    ? `${describe(first)} ${does}`
    : `${counted(layers.length, "engine layer")} ${does.replace(/^computes/, "compute")}: ${describe(first)}${more}`;
}

function describe(layer: EngineLayer | undefined): string {
  if (layer === undefined) return "none";
  const types = layer.tactic === undefined ? undefined : kernelTypes(layer.tactic);
  const casts = castsInside(layer);
  const borders = [...new Set([...layer.inputs, ...layer.outputs].map((t) => words[t.dtype]).filter((w) => w !== undefined))].sort();
  const facts = [
    layer.kind,
    ...(isRegion(layer.name) ? [`${counted(layer.nodes.length, "node")} compiled as one`] : []),
    ...(types === undefined ? [] : [`kernel ${short([layer.tactic ?? ""])} in ${kernelTypesText(types)}`]),
    ...(types === undefined && borders.length > 0 && !isRegion(layer.name) ? [`borders in ${borders.join(" and ")}`] : []),
    ...(types === undefined && casts > 0 ? [`${counted(casts, "cast")} inside`] : []),
  ];
  return `"${short([layer.name])}" (${facts.join(", ")})`;
}

const words: Readonly<Record<string, string>> = { float32: "FP32", float16: "FP16", bfloat16: "BF16" };

function whyMissing(nodes: readonly string[], map: LayerMap): string {
  const reasons = new Map(map.unmapped.map(({ node, reason }) => [node, reason]));
  const counts = new Map<string, number>();
  for (const node of nodes) {
    const reason = reasonTexts[reasons.get(node) ?? "absent"] ?? "";
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, n]) => (counts.size === 1 ? reason : `${n} ${reason}`)).join(", ");
}

const reasonTexts: Readonly<Record<string, string>> = {
  constant: "folded into a constant when the engine was built",
  movement: "merged into neighbours, as it changes no value",
  unused: "not read by anything that reaches an output",
  unnamed: "fused or folded, and named by no engine layer",
  absent: "not in the graph that was built",
};

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

const longest = 96;
const short = (names: readonly string[]): string => {
  const [first = ""] = names;
  const text = first.length > longest ? `${first.slice(0, longest)}...` : first;
  return names.length > 1 ? `${text} and ${names.length - 1} more` : text;
};
