import type { DType, PrecisionPlan, ResultDocument } from "@halfscope/core";

/** A node of the measured graph, as exports for other tools see it. */
export interface ExportNode {
  /** As the file has it: may be empty or repeated. */
  readonly name: string;
  readonly opType: string;
  readonly layer: string;
  readonly outputs: readonly string[];
  /** By output; undefined where nobody could infer it. */
  readonly outputTypes: readonly (DType | undefined)[];
  /** Its layer stays in FP32. */
  readonly pinned: boolean;
  /** A Constant that a pinned node reads: it must not be rounded either. */
  readonly readByPinned?: boolean;
  /** FP32 constants that it reads, by tensor: initializers and outputs of Constants. None for nodes in bodies of control flow, where names are the reader's own. */
  readonly constants?: readonly string[];
  /** It is a Cast to FP32. */
  readonly castsToFloat?: boolean;
}

/** What is exported: a plan and the measurements behind it. */
export interface ExportSubject {
  readonly result: ResultDocument;
  readonly plan: PrecisionPlan;
  /** Every node, in the order of `Layer.nodes` and `Measurement.node`. */
  readonly nodes: readonly ExportNode[];
  /** How often each node name stands in the file, bodies of control flow included. Nodes of local functions are missing: calls repeat them. */
  readonly nameCounts: ReadonlyMap<string, number>;
  /** Real path of the model file. */
  readonly modelPath: string;
}

/** A file to be written below the folder of its format. */
export interface ExportFile {
  readonly path: string;
  readonly content: string | readonly Uint8Array[];
  /** A script that a person starts. */
  readonly executable?: boolean;
}

/** A pinned node that the other tool cannot be told of. */
export interface LostPin {
  /** As people would find it: its name, else its first output. */
  readonly node: string;
  readonly opType: string;
  readonly layer: string;
  readonly reason: string;
}

export interface ExportedFormat {
  readonly files: readonly ExportFile[];
  /** Pinned nodes that the tool is told of; undefined for formats that carry no plan. */
  readonly addressed?: number;
  readonly lost: readonly LostPin[];
  /** What a person must know before relying on it. */
  readonly notes: readonly string[];
}

/** Names of nodes by which another tool can be told to keep them in FP32, and the nodes that it cannot be told of. */
export interface Addressed {
  readonly nodes: readonly ExportNode[];
  readonly lost: readonly LostPin[];
}

/**
 * The pinned nodes that compute floats, as far as their names address them. `refuse` says what else keeps a name from being used in the tool's own
 * format. Nodes without a float output are left out: they have no precision to keep.
 */
export function addressPins(subject: ExportSubject, refuse: (name: string) => string | undefined = () => undefined): Addressed {
  return address(
    subject,
    subject.nodes.filter((n) => n.pinned && computesFloats(n)),
    refuse,
  );
}

export function address(
  { nameCounts }: ExportSubject,
  wanted: readonly ExportNode[],
  refuse: (name: string) => string | undefined = () => undefined,
): Addressed {
  const nodes: ExportNode[] = [];
  const lost: LostPin[] = [];
  for (const node of wanted) {
    const reason = whyNameless(node.name, nameCounts) ?? refuse(node.name);
    if (reason === undefined) nodes.push(node);
    else lost.push({ node: node.name || node.outputs.find((o) => o !== "") || "", opType: node.opType, layer: node.layer, reason });
  }
  return { nodes, lost };
}

/** Why no tool finds a node by this name; undefined when it does. */
export function whyNameless(name: string, nameCounts: ReadonlyMap<string, number>): string | undefined {
  if (name === "") return "it has no name";
  const count = nameCounts.get(name) ?? 0;
  if (count === 0) return "it stands in a local function, which tools that read the file know by the call alone";
  return count > 1 ? `${count} nodes of the file have this name` : whyGarbled(name);
}

/** Why a name cannot be passed on as it is; undefined when it can. */
export function whyGarbled(name: string): string | undefined {
  if (name.includes("\0")) return "its name holds a NUL character";
  return name.includes("\ufffd") ? "its name is not valid UTF-8" : undefined;
}

/** False only where every output is known to be of another type than FP32. */
export const computesFloats = (node: ExportNode): boolean => node.outputTypes.some((t) => t === undefined || t === "float32");
