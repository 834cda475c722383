import { relative, sep } from "node:path";
import { numberFromDtype, type TensorType } from "@halfscope/core";
import {
  delimitedField,
  editNode,
  encodeAttribute,
  encodeExternalTensor,
  encodeIrVersion,
  encodeNode,
  encodeOpset,
  encodeTensor,
  encodeValueInfo,
  type GraphView,
  type Initializer,
  type Model,
  type NewNode,
  type Node,
  type NodeEdit,
  type Rope,
  type SparseInitializer,
  sparseNamed,
  tensorNamed,
  type ValueInfo,
} from "@halfscope/onnx";

/** Domain of the addon's operators. */
export const operatorDomain = "halfscope";

/** One graph being put together: the main one, or a body inside a node. */
export class LevelBuilder {
  private readonly first: Uint8Array[] = [];
  private readonly nodes: Uint8Array[] = [];
  private readonly last: Uint8Array[] = [];
  private readonly initializers = new Map<string, Uint8Array>();
  private readonly sparse = new Map<string, Uint8Array>();
  private readonly inputs = new Map<string, Uint8Array>();
  /** A body may give one tensor several times, so these are no map. */
  private readonly outputs: Uint8Array[] = [];
  private readonly outputNames = new Set<string>();
  private readonly inner = new Map<string, Uint8Array>();

  constructor(protected readonly model: Model) {}

  /** A builder for a body of a node at this level. */
  body(): LevelBuilder {
    return new LevelBuilder(this.model);
  }

  node(node: NewNode | Uint8Array, where: "first" | "middle" | "last" = "middle"): void {
    const bytes = node instanceof Uint8Array ? node : encodeNode(node);
    (where === "first" ? this.first : where === "middle" ? this.nodes : this.last).push(bytes);
  }

  /** Adds an initializer as the model has it, under another name if given. */
  initializer(init: Initializer | SparseInitializer, name = init.name): void {
    const field = init.field.payload;
    if ("values" in init) this.sparse.set(name, sparseNamed(field as Uint8Array, name));
    else if (init.data.kind === "bytes") this.initializers.set(name, encodeTensor(name, init.elementType, init.dims, init.data.bytes));
    else if (init.data.kind === "file") {
      const location = relative(this.model.folder, init.data.span.path).split(sep).join("/");
      this.initializers.set(
        name,
        encodeExternalTensor(name, init.elementType, init.dims, location, init.data.span.offset, init.data.span.length),
      );
    } else if (field instanceof Uint8Array) this.initializers.set(name, tensorNamed(field, name)); // strings: as they stand
  }

  /** A constant of ours: TensorProto bytes. */
  tensor(name: string, bytes: Uint8Array): void {
    this.initializers.set(name, bytes);
  }

  input(name: string, type: TensorType): void {
    this.inputs.set(name, encodeValueInfo(name, numberFromDtype(type.dtype), type.dims));
  }

  /** An input or output as the model declares it: ValueInfoProto bytes. */
  declared(side: "input" | "output", name: string, bytes: Uint8Array): void {
    if (side === "input") this.inputs.set(name, bytes);
    else this.outputs.push(bytes);
  }

  /** An output whose type is left to ONNX Runtime; asked for twice, it is there once. */
  output(name: string): void {
    if (this.outputNames.has(name)) return;
    this.outputNames.add(name);
    this.outputs.push(encodeValueInfo(name, 0));
  }

  /** Says the type of a tensor that ONNX Runtime cannot infer: what our operators give. Sizes that are not known are left to the run. */
  innerType(name: string, type: TensorType | undefined): void {
    if (type?.dims?.every((d) => d !== undefined)) this.inner.set(name, encodeValueInfo(name, numberFromDtype(type.dtype), type.dims));
  }

  /** GraphProto bytes. */
  graph(): Uint8Array {
    const messages = (number: number, all: Iterable<Uint8Array>): Rope => [...all].flatMap((m) => delimitedField(number, [m]));
    const rope: Rope = [
      ...messages(1, this.first),
      ...messages(1, this.nodes),
      ...messages(1, this.last),
      ...delimitedField(2, [new TextEncoder().encode("halfscope")]),
      ...messages(5, this.initializers.values()),
      ...messages(15, this.sparse.values()),
      ...messages(11, this.inputs.values()),
      ...messages(12, this.outputs),
      ...messages(13, this.inner.values()),
    ];
    return Buffer.concat(rope as Uint8Array[]);
  }
}

/**
 * Puts a skeleton model together: structure in memory, every large initializer an external-data entry that points into the original files, so
 * that ONNX Runtime maps the weights and nothing copies them.
 */
export class GraphBuilder extends LevelBuilder {
  /** ModelProto bytes. Without `operators`, nodes of halfscope's own domain have no place in it. */
  finish({ operators = true } = {}): Uint8Array {
    const opsets = [...this.model.opsets, ...(operators ? [[operatorDomain, 1] as const] : [])].map(([domain, version]) =>
      encodeOpset(domain, version),
    );
    // Version 8 is the first with functions; older models load unchanged under it, as their initializers are no inputs here.
    const irVersion = encodeIrVersion(Math.max(8, this.model.irVersion));
    const functions = this.model.functions.flatMap((f) => [f.field.header, f.field.payload]);
    const pieces: Rope = [irVersion, ...opsets.flatMap((m) => delimitedField(8, [m])), ...delimitedField(7, [this.graph()]), ...functions];
    return Buffer.concat(pieces as Uint8Array[]);
  }
}

/** Graph inputs that must be fed: those without an initializer of the same name. */
export const feedInputs = (view: GraphView): ValueInfo[] =>
  view.graph.inputs.filter((v) => !view.initializers.has(v.name) && !view.sparse.has(v.name));

/** A graph input with the feed's sizes; sequences and optionals as the model declares them. */
export function feedInput(builder: LevelBuilder, value: ValueInfo, dims: readonly (number | undefined)[] | undefined): void {
  if (value.dtype === "unknown") builder.declared("input", value.name, value.field.payload as Uint8Array);
  else builder.input(value.name, { dtype: value.dtype, dims });
}

/** NodeProto bytes of a holder with other bodies, by attribute name. */
export const withBodies = (holder: Node, bodies: Iterable<readonly [string, LevelBuilder]>, edit: NodeEdit = {}): Uint8Array =>
  editNode(holder, {
    ...edit,
    attributes: new Map([
      ...[...bodies].map(([name, level]) => [name, encodeAttribute(name, { graph: level.graph() })] as const),
      ...(edit.attributes ?? []),
    ]),
  });
