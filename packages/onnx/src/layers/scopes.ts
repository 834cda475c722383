import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";

/** Modules from the outermost to the innermost, for instance ["encoder", "layer.3", "attention", "self", "query"]. */
export type Scope = readonly string[];

/** The module that a node came from, as its exporter wrote it down; undefined when it did not. */
export function scopeOfNode(node: Node): Scope | undefined {
  const { metadata } = node;
  const fromMetadata = metadata.size === 0 ? undefined : scopeOfMetadata(metadata);
  return fromMetadata ?? scopeOfPath(node.name) ?? scopeOfPath(node.outputs[0] ?? "");
}

/**
 * PyTorch's newer exporter lists the modules, outermost first, and then the operation: `['', 'm', 'm.encoder', 'm.encoder.layer.0', 'add_3']`;
 * `namespace` has the same with class names: `: W/m: BertModel/m.encoder: BertEncoder/add_3: aten.add`.
 */
function scopeOfMetadata(metadata: ReadonlyMap<string, string>): Scope | undefined {
  const listed = metadata.get("pkg.torch.onnx.name_scopes");
  const namespace = metadata.get("namespace");
  const names =
    listed !== undefined
      ? [...listed.matchAll(/'([^']*)'|"([^"]*)"/g)].map((m) => m[1] ?? m[2] ?? "")
      : namespace?.split("/").map((part) => part.split(":")[0]?.trim() ?? "");
  const module = names?.at(-2);
  return module === undefined || module === "" || module.startsWith("_empty_nn_module_stack") ? undefined : scopeOfDots(module);
}

/** `/encoder/layer.3/attention/MatMul` or `bert/encoder/layer_0/attention/MatMul`: all but the operation. TFLite joins several names by semicolons. */
function scopeOfPath(name: string): Scope | undefined {
  const parts = (name.split(";")[0] ?? "").split("/").filter((p) => p !== "");
  return parts.length < 2 ? undefined : parts.slice(0, -1);
}

/** `m.encoder.layer.0.attention` becomes m, encoder, layer.0, attention: a number belongs to the list that it counts in. */
export function scopeOfDots(name: string): Scope {
  const scope: string[] = [];
  for (const part of name.split(".")) {
    if (part === "") continue;
    const last = scope.length - 1;
    if (/^\d+$/.test(part) && last >= 0) scope[last] = `${scope[last]}.${part}`;
    else scope.push(part);
  }
  return scope;
}

/**
 * Scopes from the names of weights, `encoder.layer.0.output.dense.bias`, for graphs whose nodes have no telling names. A weight that
 * several nodes share tells nothing.
 */
export function scopeOfWeights(view: GraphView, nodes: Iterable<Node>): Scope | undefined {
  let scope: Scope | undefined;
  for (const node of nodes)
    for (const tensor of node.inputs) {
      if (!view.initializers.has(tensor) || (view.consumers.get(tensor)?.length ?? 0) !== 1) continue;
      const parts = tensor.includes("/") ? tensor.split("/").filter((p) => p !== "") : scopeOfDots(tensor);
      if (parts.length < 2) continue;
      const found = parts.slice(0, -1);
      scope = scope === undefined ? found : commonScope(scope, found);
    }
  return scope === undefined || scope.length === 0 ? undefined : scope;
}

/** What two scopes share from the outside in; of `encoder.0.1` and `encoder.0.2` the part `encoder.0`. */
export function commonScope(a: Scope, b: Scope): Scope {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  const shared = a.slice(0, n);
  const [left, right] = [a[n]?.split(".") ?? [], b[n]?.split(".") ?? []];
  let m = 0;
  while (m < left.length && m < right.length && left[m] === right[m]) m++;
  // A list's name without any number would be a module that does not exist.
  return m > 1 ? [...shared, left.slice(0, m).join(".")] : shared;
}

/** Up to the outermost module that is one of many alike, such as `layer.3` or `layer_3`; undefined when there is none. */
export function blockOfScope(scope: Scope): Scope | undefined {
  const at = scope.findIndex((part) => /[._]\d+$/.test(part));
  return at === -1 ? undefined : scope.slice(0, at + 1);
}
