import { relative, sep } from "node:path";
import { numberFromDtype, type TensorType } from "@halfscope/core";
import {
  delimitedField,
  encodeExternalTensor,
  encodeIrVersion,
  encodeNode,
  encodeOpset,
  encodeTensor,
  encodeValueInfo,
  type Initializer,
  type Model,
  type NewNode,
  type Rope,
} from "@halfscope/onnx";

/** Domain of the addon's operators. */
export const operatorDomain = "halfscope";

/**
 * Puts a skeleton model together: structure in memory, every large initializer an external-data entry that points into the original files, so
 * that ONNX Runtime maps the weights and nothing copies them.
 */
export class GraphBuilder {
  private readonly first: Uint8Array[] = [];
  private readonly nodes: Uint8Array[] = [];
  private readonly last: Uint8Array[] = [];
  private readonly initializers = new Map<string, Uint8Array>();
  private readonly inputs = new Map<string, Uint8Array>();
  private readonly outputs = new Map<string, Uint8Array>();

  constructor(private readonly model: Model) {}

  node(node: NewNode | Uint8Array, where: "first" | "middle" | "last" = "middle"): void {
    const bytes = node instanceof Uint8Array ? node : encodeNode(node);
    (where === "first" ? this.first : where === "middle" ? this.nodes : this.last).push(bytes);
  }

  /** Adds an initializer as the model has it, under another name if given. */
  initializer(init: Initializer, name = init.name): void {
    if (init.data.kind === "bytes") this.initializers.set(name, encodeTensor(name, init.elementType, init.dims, init.data.bytes));
    else if (init.data.kind === "file") {
      const location = relative(this.model.folder, init.data.span.path).split(sep).join("/");
      this.initializers.set(
        name,
        encodeExternalTensor(name, init.elementType, init.dims, location, init.data.span.offset, init.data.span.length),
      );
    } else if (init.field.payload instanceof Uint8Array) this.initializers.set(name, init.field.payload); // strings: as they stand
  }

  input(name: string, type: TensorType): void {
    this.inputs.set(name, encodeValueInfo(name, numberFromDtype(type.dtype), type.dims));
  }

  /** A graph output; its type is left to ONNX Runtime. */
  output(name: string): void {
    this.outputs.set(name, encodeValueInfo(name, 0));
  }

  /** ModelProto bytes. */
  finish(): Uint8Array {
    const messages = (number: number, all: Iterable<Uint8Array>): Rope => [...all].flatMap((m) => delimitedField(number, [m]));
    const graph: Rope = [
      ...messages(1, this.first),
      ...messages(1, this.nodes),
      ...messages(1, this.last),
      ...delimitedField(2, [new TextEncoder().encode("halfscope")]),
      ...messages(5, this.initializers.values()),
      ...messages(11, this.inputs.values()),
      ...messages(12, this.outputs.values()),
    ];
    const opsets = [...this.model.opsets, [operatorDomain, 1] as const].map(([domain, version]) => encodeOpset(domain, version));
    // Version 8 is the first with functions; older models load unchanged under it, as their initializers are no inputs here.
    const irVersion = encodeIrVersion(Math.max(8, this.model.irVersion));
    const functions = this.model.functions.flatMap((f) => [f.field.header, f.field.payload]);
    const pieces: Rope = [irVersion, ...messages(8, opsets), ...delimitedField(7, graph), ...functions];
    return Buffer.concat(pieces as Uint8Array[]);
  }
}
