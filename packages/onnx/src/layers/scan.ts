import { type DType, isFloat } from "@halfscope/core";
import type { GraphView } from "../graph-view.js";
import type { Node } from "../types.js";
import { type Constant, collectConstants, isOneElement, smallValues } from "./constants.js";
import { knownDtypes } from "./dtypes.js";

/** Operators that hand their first input on unchanged but for type or nothing at all. */
const plainSteps = new Set(["Identity", "Cast", "Dropout"]);
/** And those that change its shape without changing which value is which. */
const shapeSteps = new Set(["Reshape", "Squeeze", "Unsqueeze", "Expand", "Flatten"]);

export interface Walk {
  readonly tensor: string;
  /** Nodes that were passed. */
  readonly nodes: readonly Node[];
}

/** What recognisers ask about a graph. Everything is derived once, so that each question is cheap. */
export class Scan {
  readonly constants: ReadonlyMap<string, Constant>;
  readonly dtypes: ReadonlyMap<string, DType>;
  private readonly positions: ReadonlyMap<Node, number>;
  private readonly readers = new Map<string, readonly Node[]>();

  private constructor(readonly view: GraphView) {
    this.constants = collectConstants(view);
    this.dtypes = knownDtypes(view);
    this.positions = new Map(view.order.map((node, i) => [node, i]));
  }

  private static readonly known = new WeakMap<GraphView, Scan>();
  /** One scan per view: the helpers that look into single layers would otherwise repeat it for each. */
  static of(view: GraphView): Scan {
    let scan = Scan.known.get(view);
    if (scan === undefined) {
      scan = new Scan(view);
      Scan.known.set(view, scan);
    }
    return scan;
  }

  producer(tensor: string | undefined): Node | undefined {
    return tensor === undefined ? undefined : this.view.producer.get(tensor);
  }

  /** The standard operator of this type that makes a tensor; undefined for any other. */
  made(tensor: string | undefined, ...opTypes: readonly string[]): Node | undefined {
    const node = this.producer(tensor);
    return node !== undefined && node.domain === "" && opTypes.includes(node.opType) ? node : undefined;
  }

  constant(tensor: string | undefined): Constant | undefined {
    return tensor === undefined ? undefined : this.constants.get(tensor);
  }

  isConstant(tensor: string | undefined): boolean {
    return tensor !== undefined && this.constants.has(tensor);
  }

  /** Whether a tensor is a one-element constant near a value. A scalar whose value was left in a file counts: its place in the pattern tells enough. */
  isScalar(tensor: string | undefined, value: number, tolerance = 1e-2): boolean {
    const c = this.constant(tensor);
    return (
      c !== undefined &&
      isOneElement(c) &&
      (c.scalar === undefined || Math.abs(c.scalar - value) <= tolerance * Math.max(1, Math.abs(value)))
    );
  }

  isAnyScalar(tensor: string | undefined): boolean {
    const c = this.constant(tensor);
    return c !== undefined && isOneElement(c);
  }

  /** Values of a small constant that was stored as such, for instance axes. */
  smallValues(tensor: string | undefined): readonly number[] | undefined {
    const root = this.constant(tensor)?.root;
    if (root === undefined) return undefined;
    const stored = this.view.initializers.get(root) ?? this.view.producer.get(root)?.attributes.get("value")?.tensor;
    return stored === undefined ? this.view.producer.get(root)?.attributes.get("value_ints")?.ints : smallValues(stored);
  }

  /** False only where the type is known to be something else. */
  mayBeFloat(tensor: string): boolean {
    const dtype = this.dtypes.get(tensor);
    return dtype === undefined || isFloat(dtype);
  }

  /** Nodes that read a tensor's values, each once. Shape and Size look at no values. */
  users(tensor: string): readonly Node[] {
    let users = this.readers.get(tensor);
    if (users === undefined) {
      const uses = this.view.consumers.get(tensor) ?? [];
      users = [...new Set(uses.map((u) => u.node))].filter((n) => !readsShape(n));
      this.readers.set(tensor, users);
    }
    return users;
  }

  /** The one node that reads a tensor; undefined when several do, or when it is an output of the graph. */
  onlyUser(tensor: string | undefined): Node | undefined {
    if (tensor === undefined || this.view.graphOutputs.has(tensor)) return undefined;
    const users = this.users(tensor);
    return users.length === 1 ? users[0] : undefined;
  }

  onlyUserOf(tensor: string | undefined, ...opTypes: readonly string[]): Node | undefined {
    const node = this.onlyUser(tensor);
    return node !== undefined && node.domain === "" && opTypes.includes(node.opType) ? node : undefined;
  }

  /** For a node of two operands: the one that is not `tensor`, whatever the order. undefined when it reads `tensor` twice or never. */
  other(node: Node, tensor: string): string | undefined {
    const [a, b] = node.inputs;
    if (a === tensor && b !== tensor) return b;
    return b === tensor && a !== tensor ? a : undefined;
  }

  /** Follows the values back through casts, identities and, when asked for, reshapes. Constants end the walk. */
  back(tensor: string, steps: "plain" | "shapes" = "plain"): Walk {
    const nodes: Node[] = [];
    let at = tensor;
    for (let node = this.producer(at); node !== undefined && isStep(node, steps) && !this.isConstant(at); node = this.producer(at)) {
      nodes.push(node);
      at = node.inputs[0] ?? "";
    }
    return { tensor: at, nodes };
  }

  /** Follows the values forward through casts, identities and, when asked for, reshapes, as long as nobody else reads them. */
  forward(tensor: string, steps: "plain" | "shapes" = "plain"): Walk {
    const nodes: Node[] = [];
    let at = tensor;
    for (let node = this.onlyUser(at); node !== undefined && isStep(node, steps) && node.inputs[0] === at; node = this.onlyUser(at)) {
      const next = node.outputs[0];
      if (next === undefined) break;
      nodes.push(node);
      at = next;
    }
    return { tensor: at, nodes };
  }

  /** Where a tensor's values were computed: the same for all its casts and reshapes. */
  source(tensor: string): string {
    return this.back(tensor, "shapes").tensor;
  }

  /** Place in topological order. */
  position(node: Node): number {
    return this.positions.get(node) ?? 0;
  }
}

export const readsShape = (node: Node): boolean => node.domain === "" && (node.opType === "Shape" || node.opType === "Size");

const isStep = (node: Node, steps: "plain" | "shapes"): boolean =>
  node.domain === "" && (plainSteps.has(node.opType) || (steps === "shapes" && shapeSteps.has(node.opType)));
