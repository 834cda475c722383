import {
  delimitedField,
  editNode,
  encodeExternalTensor,
  encodeTensorHead,
  type GraphEdit,
  type GraphView,
  type Initializer,
  type Model,
  mapGraphsIn,
  type Node,
  type Piece,
  type Rope,
  rewriteGraph,
  rewriteModel,
  viewGraph,
} from "@halfscope/onnx";
import { inMemory } from "../realise-values.js";
import type { Fix } from "./fix.js";

export interface FixedModel {
  rope: Rope;
  /** Contents of the external-data file; undefined when none is needed. */
  external: Rope | undefined;
}

/**
 * The model with fixes applied; everything else stays byte for byte, but external data moves into one file `externalName` beside the new model: what it names must not
 * depend on the old folder.
 */
export function applyFixes(
  model: Model,
  fixes: readonly Fix[],
  externalName: string,
  view: GraphView = viewGraph(model.graph),
): FixedModel {
  const relocate = new Relocation(externalName);
  const edits = merged(fixes);
  const changed = new Set([...edits.nodes.keys(), ...edits.inputs.keys(), ...edits.before.keys()].map((i) => view.bodyOf.get(i)));
  const holds = (node: Node): boolean => {
    const bodies = view.bodies.get(node) ?? [];
    return bodies.some(
      (b) =>
        changed.has(b) || b.graph.initializers.some((i) => edits.initializers.has(i.name) || isExternal(i)) || b.graph.nodes.some(holds),
    );
  };
  const gone = goneBy(view, edits.nodes);
  const edit: GraphEdit = {
    node: (node) => {
      const before = edits.before.get(node.index) ?? [];
      const replaced = edits.nodes.get(node.index);
      const inputs = edits.inputs.get(node.index);
      if (replaced !== undefined) return [...before, ...replaced];
      if (holds(node)) return [...before, withBodies(node, inputs)];
      if (inputs !== undefined) return [...before, editNode(node, { input: (t) => inputs.get(t) ?? t, outer: (t) => t })];
      return before.length === 0 ? undefined : [...before, node.bytes];
    },
    initializer: (init) => {
      const changed = edits.initializers.get(init.name);
      const rope = changed === undefined ? relocate.moved(init) : [changed];
      return rope && [rope];
    },
    valueInfo: (value) => (gone.has(value.name) ? [] : undefined),
  };
  function withBodies(node: Node, inputs: ReadonlyMap<string, string> | undefined): Uint8Array {
    const graphs = (view.bodies.get(node) ?? []).map((b) => inMemory(rewriteGraph(b.graph, edit), "finite", "float16"));
    const edited = inputs === undefined ? node.bytes : editNode(node, { input: (t) => inputs.get(t) ?? t, outer: (t) => t });
    return mapGraphsIn(edited, (graph) => graphs.shift() ?? graph);
  }
  const rope = rewriteModel(model, edit);
  return { rope, external: relocate.pieces.length > 0 ? relocate.pieces : undefined };
}

interface Merged {
  readonly initializers: ReadonlyMap<string, Uint8Array>;
  readonly nodes: ReadonlyMap<number, readonly Uint8Array[]>;
  readonly before: ReadonlyMap<number, readonly Uint8Array[]>;
  readonly inputs: ReadonlyMap<number, ReadonlyMap<string, string>>;
}

function merged(fixes: readonly Fix[]): Merged {
  const before = new Map<number, Uint8Array[]>();
  const inputs = new Map<number, Map<string, string>>();
  for (const { edit } of fixes) {
    for (const [i, nodes] of edit.before ?? []) before.set(i, [...(before.get(i) ?? []), ...nodes]);
    for (const [i, names] of edit.inputs ?? []) inputs.set(i, new Map([...(inputs.get(i) ?? []), ...names]));
  }
  return {
    initializers: new Map(fixes.flatMap((f) => [...(f.edit.initializers ?? [])])),
    nodes: new Map(fixes.flatMap((f) => [...(f.edit.nodes ?? [])])),
    before,
    inputs,
  };
}

/** Tensors that nobody makes any more: their value_info would speak of nothing. */
function goneBy(view: GraphView, nodes: Merged["nodes"]): Set<string> {
  const gone = new Set<string>();
  for (const [i, made] of nodes) if (made.length === 0) for (const t of view.nodes[i]?.outputs ?? []) gone.add(t);
  return gone;
}

const isExternal = (init: Initializer): boolean => init.data.kind === "file" && init.data.external;

/** Moves external data into one file, in the order in which it is asked for. */
class Relocation {
  readonly pieces: Piece[] = [];
  private bytes = 0;

  constructor(private readonly name: string) {}

  /** The initializer's bytes with its values at their new place; undefined for those that lie in the model itself. */
  moved(init: Initializer): Rope | undefined {
    if (init.data.kind !== "file" || !init.data.external) return undefined;
    const { span } = init.data;
    if (span.length < smallest) return [encodeTensorHead(init.name, init.elementType, init.dims), ...delimitedField(9, [span])];
    const padding = (pageSize - (this.bytes % pageSize)) % pageSize;
    if (padding > 0) this.pieces.push(new Uint8Array(padding));
    this.pieces.push(span);
    const offset = this.bytes + padding;
    this.bytes = offset + span.length;
    return [encodeExternalTensor(init.name, init.elementType, init.dims, this.name, offset, span.length)];
  }
}

/** Runtimes refuse, or do not read, external data of less than a kilobyte where shapes depend on it. */
const smallest = 1024;
/** Engines map weights from the file: they begin at pages. */
const pageSize = 4096;
