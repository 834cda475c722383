import { EngineError } from "@halfscope/core";
import type { Node } from "@halfscope/onnx";
import type { DeviceEngine } from "../backend.js";

export type Placement = NonNullable<DeviceEngine["placement"]>;

/** Nodes that ONNX Runtime puts between providers: copies from one memory to another. Counted apart, they are no node of the model. */
export const copiesEntry = "copies between devices";
/** Nodes of the file that ran under no name of their own: computed ahead of time, fused into a node of another name, or in a branch that was not taken. */
export const absentEntry = "folded or fused";

/**
 * Nodes by what ran them, from ONNX Runtime's profile of a run: an array of events, of which those of kernels have args.op_name and args.provider. A node that ran
 * several times, in a loop, counts once. What the TensorRT provider fused into an engine of its own is one node, "TensorRT engine". `nodes` are those of the file's main graph; nodes that fusion made count under the provider that ran them, with the
 * operator's name that fusion gave. Throws EngineError ERR_ENGINE_RUN where the text is no profile.
 */
export function placementOf(profile: string, nodes: readonly Pick<Node, "index" | "name" | "opType">[]): Placement {
  const entries = new Map<string, Map<string, number>>();
  const count = (provider: string, operator: string) => {
    const operators = entries.get(provider) ?? new Map<string, number>();
    entries.set(provider, operators.set(operator, (operators.get(operator) ?? 0) + 1));
  };
  const ran = new Set<string>();
  for (const { key, name, operator, provider } of kernelsOf(profile)) {
    if (ran.has(key)) continue;
    ran.add(key).add(name);
    count(
      /^Memcpy(To|From)Host$/.test(operator) ? copiesEntry : provider,
      operator.startsWith("TRTKernel_graph_") ? "TensorRT engine" : operator,
    );
  }
  for (const node of nodes) if (!ran.has(nameInProfile(node))) count(absentEntry, node.opType);
  return [...entries].map(([provider, operators]) => ({
    provider,
    nodes: [...operators.values()].reduce((n, k) => n + k, 0),
    operators: Object.fromEntries([...operators].sort(([a], [b]) => (a < b ? -1 : 1))),
  }));
}

/** ONNX Runtime calls a node without a name by its operator and index. */
const nameInProfile = (node: Pick<Node, "index" | "name" | "opType">): string =>
  node.name === "" ? `${node.opType}_${node.index}` : node.name;

const ending = "_kernel_time";

function* kernelsOf(profile: string): Generator<{ key: string; name: string; operator: string; provider: string }> {
  for (const event of eventsOf(profile)) {
    const { cat, name, args } = event as { cat?: unknown; name?: unknown; args?: Record<string, unknown> };
    if (cat !== "Node" || typeof name !== "string" || !name.endsWith(ending) || typeof args !== "object" || args === null) continue;
    const { op_name: operator, provider, node_index: index } = args;
    if (typeof operator !== "string" || typeof provider !== "string" || provider === "") continue;
    const own = name.slice(0, -ending.length);
    // Names may repeat; an index says which node it was.
    yield { key: `${own}\n${typeof index === "string" ? index : ""}`, name: own, operator, provider };
  }
}

function eventsOf(profile: string): object[] {
  let events: unknown;
  try {
    events = JSON.parse(profile);
  } catch (cause) {
    throw new EngineError("ERR_ENGINE_RUN", "ONNX Runtime's profile is no JSON.", { cause });
  }
  if (!Array.isArray(events)) throw new EngineError("ERR_ENGINE_RUN", "ONNX Runtime's profile is no list of events.");
  return events.filter((event) => typeof event === "object" && event !== null);
}
