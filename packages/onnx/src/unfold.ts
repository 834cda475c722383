import { encodeNode, encodeOpset } from "./encode.js";
import { type Expansion, expandAttention, statedValues } from "./expand-attention.js";
import { graphField, withNodes } from "./graph.js";
import { attributeField, mayHoldSubgraph, nodeField, nodeFromField } from "./node.js";
import { modelField } from "./read-model.js";
import { graphsIn, innerDefinitions, mapGraphsIn, renameNode, wrapField } from "./rename.js";
import type { Field, FunctionInfo, Model, Node } from "./types.js";
import { bytesOf, fieldsOf, intOf, textOf } from "./wire.js";

/** Nodes that inlining may make; beyond it functions stay closed. */
const mostNodes = 200_000;

/**
 * The model that is measured and rewritten: calls of local functions replaced by the functions' nodes, `Attention` written out, and names made unique over all bodies, so that the whole is
 * one flat graph (`viewGraph`). Computes exactly what the model does; returns the model itself when there is nothing to unfold. The digest stays that of the
 * file. Functions of another operator set than the model's stay as they are (`whyFunctionsStay`).
 */
export function unfoldModel(model: Model, { expand = true }: { expand?: boolean } = {}): Model {
  const inliner = new Inliner(model);
  const inlined = model.functions.length === 0 ? undefined : inliner.run();
  const unique = uniqueNames(model, inlined ?? model.graph.nodes);
  const plain = unique ?? inlined ?? model.graph.nodes;
  const { nodes, expansions } = expand ? expandNodes(model, plain) : { nodes: plain, expansions: [] };
  if (unique === undefined && inlined === undefined && expansions.length === 0) return model;
  const graph = withNodes(model.graph, nodes, model.folder);
  const left = inliner.callsLeft ? model.functions : [];
  const fields = model.fields.filter((f) => f.number !== modelField.functions || inliner.callsLeft);
  const opsets = new Map(model.opsets);
  for (const [domain, version] of inliner.opsets)
    if (!opsets.has(domain)) {
      opsets.set(domain, version);
      const [header, payload] = wrapField(modelField.opsetImport, encodeOpset(domain, version)) as [Uint8Array, Uint8Array];
      fields.push({ number: modelField.opsetImport, wireType: 2, header, payload });
    }
  return { ...model, graph, functions: left, fields, opsets, expansions };
}

/** Nodes that hide what they round, written out. */
function expandNodes(model: Model, nodes: readonly Node[]): { nodes: readonly Node[]; expansions: Expansion[] } {
  const expansions: Expansion[] = [];
  if (!nodes.some((n) => n.opType === "Attention")) return { nodes, expansions };
  const values = statedValues(model);
  const written = nodes.flatMap((node) => {
    const found = node.opType === "Attention" ? expandAttention(node, values) : undefined;
    if (found === undefined) return [node];
    expansions.push(found.expansion);
    return found.nodes.map((bytes) => nodeFromField(0, fieldAround(graphField.node, bytes), model.folder));
  });
  return { nodes: written, expansions };
}

const keyOf = (f: { domain: string; overload: string }, name: string): string => `${f.domain}:${name}:${f.overload}`;

interface Parts {
  readonly info: FunctionInfo;
  /** Why calls of it are not inlined. */
  readonly stays: string | undefined;
  /** AttributeProto bytes of default values. */
  readonly defaults: ReadonlyMap<string, Uint8Array>;
}

class Inliner {
  /** Operator sets that inlined nodes need. */
  readonly opsets = new Map<string, number>();
  private readonly functions = new Map<string, Parts>();
  private readonly taken: Set<string>;
  /** ONNX Runtime takes a node name only once in a graph. */
  private readonly takenNodes: Set<string>;
  /** Some calls stay, and what they call may call any other. */
  callsLeft = false;
  private made = 0;

  constructor(private readonly model: Model) {
    this.taken = new Set(model.functions.length === 0 ? [] : namesOf(model.graph.nodes, model));
    this.takenNodes = new Set(model.graph.nodes.map((n) => n.name));
    for (const info of model.functions) {
      const fields = fieldsOf(bytesOf(info.field), "a function");
      const defaults = new Map(fields.filter((f) => f.number === 11).map((f) => [attributeName(bytesOf(f)), bytesOf(f)]));
      const imports = fields.filter((f) => f.number === 9).map((f) => opsetOf(f));
      const other = imports.find(([domain, version]) => model.opsets.has(domain) && model.opsets.get(domain) !== version);
      const stays =
        other === undefined
          ? undefined
          : `it is written in version ${other[1]} of the operators of "${other[0] || "ai.onnx"}", the model in ${model.opsets.get(other[0])}`;
      if (stays === undefined) for (const [domain, version] of imports) this.opsets.set(domain, version);
      this.functions.set(keyOf(info, info.name), { info, stays, defaults });
    }
  }

  run(): Node[] | undefined {
    const { graph, folder } = this.model;
    const nodes: Node[] = [];
    let changed = false;
    for (const node of graph.nodes) {
      const expanded = this.expand(node.bytes, []);
      changed ||= expanded.length !== 1 || expanded[0] !== node.bytes;
      for (const bytes of expanded)
        nodes.push(bytes === node.bytes ? node : nodeFromField(nodes.length, fieldAround(graphField.node, bytes), folder));
    }
    return changed ? nodes : undefined;
  }

  /** A node with every call inside replaced: itself, or a function's nodes. */
  private expand(bytes: Uint8Array, stack: readonly Parts[]): Uint8Array[] {
    const node = nodeFromField(0, fieldAround(graphField.node, bytes), this.model.folder);
    const called = this.functions.get(keyOf(node, node.opType));
    if (called !== undefined && called.stays === undefined && !stack.includes(called) && this.made < mostNodes)
      return this.inline(node, called).flatMap((inner) => this.expand(inner, [...stack, called]));
    this.callsLeft ||= called !== undefined;
    if (!mayHoldSubgraph(node) || graphsIn(bytes).length === 0) return [bytes];
    let changed = false;
    const mapped = mapGraphsIn(bytes, (graph) =>
      Buffer.concat(
        fieldsOf(graph, "a subgraph").flatMap((f) => {
          if (f.number !== graphField.node) return [f.header, bytesOf(f)];
          const expanded = this.expand(bytesOf(f), stack);
          changed ||= expanded.length !== 1 || expanded[0] !== bytesOf(f);
          return expanded.flatMap((inner) => wrapField(graphField.node, inner));
        }),
      ),
    );
    return [changed ? mapped : bytes];
  }

  private inline(call: Node, { info, defaults }: Parts): Uint8Array[] {
    const prefix = call.name || call.outputs.find((o) => o !== "") || info.name;
    const names = new Map<string, string>();
    info.inputs.forEach((formal, i) => {
      names.set(formal, call.inputs[i] ?? "");
    });
    const passedOn: Uint8Array[] = [];
    info.outputs.forEach((formal, i) => {
      const actual = call.outputs[i] ?? "";
      if (actual === "") return;
      // An output that is an input needs a node to give it its second name; so does one that is asked for twice.
      if (names.has(formal))
        passedOn.push(
          encodeNode({
            name: unusedName(`${prefix}/${formal}`, this.takenNodes),
            opType: "Identity",
            inputs: [names.get(formal) ?? ""],
            outputs: [actual],
          }),
        );
      else names.set(formal, actual);
    });
    const fresh = (tensor: string) => unusedName(`${prefix}/${tensor}`, this.taken);
    const outside = (tensor: string) => {
      const name = names.get(tensor) ?? fresh(tensor);
      names.set(tensor, name);
      return name;
    };
    const given = new Map(
      fieldsOf(call.bytes, "a node")
        .filter((f) => f.number === nodeField.attribute)
        .map((f) => [attributeName(bytesOf(f)), bytesOf(f)]),
    );
    const reference = (attribute: string, refersTo: string) => {
      const value = given.get(refersTo) ?? defaults.get(refersTo);
      return value === undefined ? undefined : withName(value, attribute);
    };
    this.made += info.nodes.length;
    const nodes = info.nodes.map((n) =>
      renameNode(n.bytes, {
        outside,
        inside: fresh,
        reference,
        node: (name) => (name === "" ? "" : unusedName(`${prefix}/${name}`, this.takenNodes)),
      }),
    );
    return [...nodes, ...passedOn];
  }
}

/** Why calls of the model's functions are left as they are, by "domain:name"; those that are inlined are missing. */
export function whyFunctionsStay(model: Model): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>();
  for (const f of model.functions) {
    const other = fieldsOf(bytesOf(f.field), "a function")
      .filter((x) => x.number === 9)
      .map(opsetOf)
      .find(([domain, version]) => model.opsets.has(domain) && model.opsets.get(domain) !== version);
    reasons.set(
      `${f.domain}:${f.name}`,
      other === undefined
        ? "it calls a local function that could not be inlined"
        : `it calls a local function written in version ${other[1]} of "${other[0] || "ai.onnx"}", while the model uses ${model.opsets.get(other[0])}`,
    );
  }
  return reasons;
}

/** Nodes with new names where bodies repeat one; undefined when none does. */
function uniqueNames(model: Model, nodes: readonly Node[]): Node[] | undefined {
  const holders = nodes.filter((n) => mayHoldSubgraph(n) && graphsIn(n.bytes).length > 0);
  if (holders.length === 0) return undefined;
  const own = new Set([
    ...model.graph.initializers.map((i) => i.name),
    ...model.graph.sparseInitializers.map((i) => i.name),
    ...model.graph.inputs.map((v) => v.name),
    ...nodes.flatMap((n) => n.outputs),
  ]);
  // A new name must be one that nothing defines or will define.
  const taken = new Set([...own, ...holders.flatMap((h) => innerDefinitions(h.bytes))]);
  const seen = new Set(own);
  let changed = false;
  const renamed = nodes.map((node) => {
    if (!holders.includes(node)) return node;
    const inner = innerDefinitions(node.bytes);
    const repeats = inner.some((name) => seen.has(name)) || new Set(inner).size !== inner.length;
    if (!repeats) {
      for (const name of inner) seen.add(name);
      return node;
    }
    changed = true;
    const inside = (name: string) => {
      const unique = seen.has(name) ? unusedName(name, taken) : name;
      seen.add(unique);
      return unique;
    };
    const bytes = renameNode(node.bytes, { outside: (t) => t, inside });
    return nodeFromField(node.index, fieldAround(graphField.node, bytes), model.folder);
  });
  return changed ? renamed : undefined;
}

function unusedName(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let n = 2; taken.has(name); n++) name = `${wanted}_${n}`;
  taken.add(name);
  return name;
}

const namesOf = (nodes: readonly Node[], model: Model): string[] => [
  ...nodes.flatMap((n) => [...n.inputs, ...n.outputs, ...innerDefinitions(n.bytes)]),
  ...model.graph.initializers.map((i) => i.name),
  ...model.graph.sparseInitializers.map((i) => i.name),
  ...model.graph.inputs.map((v) => v.name),
];

function opsetOf(field: Field): [string, number] {
  const parts = fieldsOf(bytesOf(field), "an opset import");
  const domain = parts.find((p) => p.number === 1);
  const version = parts.find((p) => p.number === 2);
  const name = domain === undefined ? "" : textOf(domain);
  return [name === "ai.onnx" ? "" : name, version === undefined ? 0 : intOf(version)];
}

const attributeName = (bytes: Uint8Array): string => {
  const found = fieldsOf(bytes, "an attribute").find((f) => f.number === attributeField.name);
  return found === undefined ? "" : textOf(found);
};

const withName = (attribute: Uint8Array, name: string): Uint8Array =>
  Buffer.concat([
    ...wrapField(attributeField.name, new TextEncoder().encode(name)),
    ...fieldsOf(attribute, "an attribute")
      .filter((f) => f.number !== attributeField.name)
      .flatMap((f) => [f.header, bytesOf(f)]),
  ]);

const fieldAround = (number: number, bytes: Uint8Array): Field => {
  const [header, payload] = wrapField(number, bytes) as [Uint8Array, Uint8Array];
  return { number, wireType: 2, header, payload };
};
