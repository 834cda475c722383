import { elementCount, type HalfType, numberFromDtype, type TensorTypes } from "@halfscope/core";
import {
  type Body,
  type Conversion,
  castTarget,
  delimitedField,
  editNode,
  encodeAttribute,
  encodeExternalTensor,
  encodeNode,
  encodeTensor,
  encodeTensorHead,
  encodeValueInfo,
  type FileSpan,
  type GraphView,
  type Initializer,
  type Model,
  type Node,
  type Piece,
  type Rope,
  readSpanSync,
  rewriteGraph,
  rewriteModel,
  type ValueInfo,
} from "@halfscope/onnx";
import { formats, isHalfType } from "./number-format.js";
import { dataLength } from "./realise-values.js";
import { isPrecisionCast } from "./restore.js";

const fullType = numberFromDtype("float32");
const halfNumbers: readonly number[] = [numberFromDtype("float16"), numberFromDtype("bfloat16")];
/** Attributes that name the type of a result or of the arithmetic. */
const typeAttributes = ["dtype", "output_dtype", "precision", "softmax_precision", "stash_type"];

export interface RestoreModelOptions {
  /** Unfolded. */
  model: Model;
  view: GraphView;
  types: TensorTypes;
  /** FP16 or bfloat16 little-endian bytes to FP32 ones, exactly. */
  fromHalf: (bytes: Uint8Array, type: HalfType) => Promise<Uint8Array>;
  /** Weights beyond this many bytes in all go to an external file. Defaults to 1.8e9 (protobuf stops at 2 GiB). */
  embedLimitBytes?: number;
  /** Name of that file, relative to the model's folder. */
  externalName: string;
}

export interface RestoredModel {
  /** The .onnx file. */
  rope: Rope;
  /** Contents of the external-data file, when one is needed. */
  external: Rope | undefined;
}

/**
 * The FP32 model that an FP16, bfloat16 or mixed-precision file would be without its rounding: tensors, weights and constants become FP32 (values converted up,
 * which is exact), Casts between them become Identity. Nodes keep their places and tensors their names, so that node i of one file is node i of the other.
 * What rounding the weights once cost is not undone: only the original knows.
 */
export function restoreModel(options: RestoreModelOptions): RestoredModel {
  return new ModelRestorer(options).run();
}

class ModelRestorer {
  private readonly external: Piece[] = [];
  private externalBytes = 0;
  private readonly useExternal: boolean;

  constructor(private readonly o: RestoreModelOptions) {
    const bytes = o.view.graph.initializers.reduce((n, i) => n + dataLength(i) * (isHalfType(i.dtype) ? 2 : 1), 0);
    this.useExternal = bytes > (o.embedLimitBytes ?? 1.8e9);
  }

  run(): RestoredModel {
    const rope = rewriteModel(this.o.model, {
      ...this.edits,
      initializer: (init) => (isHalfType(init.dtype) ? [this.widened(init, init.dtype)] : this.relocated(init)),
    });
    return { rope, external: this.external.length > 0 ? this.external : undefined };
  }

  /** What changes in the main graph and in bodies alike. */
  private readonly edits = {
    node: (node: Node) => this.node(node),
    input: (value: ValueInfo) => typed(value),
    output: (value: ValueInfo) => typed(value),
    valueInfo: (value: ValueInfo) => typed(value),
  };

  private get opset(): number {
    return this.o.model.opsets.get("") ?? 1;
  }

  private node(node: Node): readonly Uint8Array[] | undefined {
    const { view, types } = this.o;
    const bodies = view.bodies.get(node);
    if (bodies !== undefined) return this.holder(node, bodies);
    if (isPrecisionCast(node, types))
      return [encodeNode({ name: node.name, opType: "Identity", inputs: node.inputs, outputs: node.outputs })];
    const attributes = this.fullAttributes(node);
    return attributes.size === 0 ? undefined : [editNode(node, { attributes })];
  }

  private holder(node: Node, bodies: readonly Body[]): readonly Uint8Array[] {
    const attributes = new Map<string, Uint8Array>();
    for (const { attribute, graph } of bodies) {
      const rope = rewriteGraph(graph, {
        ...this.edits,
        initializer: (init) =>
          isHalfType(init.dtype) ? [[encodeTensor(init.name, fullType, init.dims, widen(bytesOf(init), init.dtype))]] : undefined,
      });
      const bytes = Buffer.concat(rope.map((piece) => (piece instanceof Uint8Array ? piece : readSpanSync(piece as FileSpan))));
      attributes.set(attribute, encodeAttribute(attribute, { graph: bytes }));
    }
    return [editNode(node, { attributes })];
  }

  private fullAttributes(node: Node): ReadonlyMap<string, Uint8Array> {
    const changed = new Map<string, Uint8Array>();
    for (const a of node.attributes.values()) {
      if (isHalfType(a.tensor?.dtype) && a.tensor !== undefined)
        changed.set(
          a.name,
          encodeAttribute(a.name, {
            tensor: encodeTensor(a.tensor.name, fullType, a.tensor.dims, widen(bytesOf(a.tensor), a.tensor.dtype as HalfType)),
          }),
        );
      else if (halfNumbers.includes(a.int ?? 0) && node.domain === "" && typeAttributes.includes(a.name))
        changed.set(a.name, encodeAttribute(a.name, fullType));
    }
    const to = node.opType === "Cast" && node.domain === "" ? node.attributes.get("to") : undefined;
    if (halfNumbers.includes(to?.int ?? 0) || to?.string === "FLOAT16" || to?.string === "BFLOAT16")
      changed.set("to", encodeAttribute("to", castTarget("float32", this.opset)));
    return changed;
  }

  private widened(init: Initializer, type: HalfType): Rope {
    const source = init.data.kind === "file" ? init.data.span : bytesOf(init);
    const values: Conversion = { source, length: elementCount(init.dims) * 4, convert: (bytes) => this.o.fromHalf(bytes, type) };
    return this.tensor(init.name, fullType, init.dims, values);
  }

  /** External data must lie beside the new file. */
  private relocated(init: Initializer): readonly Rope[] | undefined {
    if (init.data.kind !== "file" || (!init.data.external && !this.useExternal)) return undefined;
    return [this.tensor(init.name, init.elementType, init.dims, init.data.span)];
  }

  private tensor(name: string, elementType: number, dims: readonly number[], values: Piece): Rope {
    if (!this.useExternal || values.length < 1024) return [encodeTensorHead(name, elementType, dims), ...delimitedField(9, [values])];
    const padding = (4096 - (this.externalBytes % 4096)) % 4096;
    if (padding > 0) this.external.push(new Uint8Array(padding));
    const offset = this.externalBytes + padding;
    this.external.push(values);
    this.externalBytes = offset + values.length;
    return [encodeExternalTensor(name, elementType, dims, this.o.externalName, offset, values.length)];
  }
}

function typed(value: ValueInfo): readonly Uint8Array[] | undefined {
  if (!isHalfType(value.dtype)) return undefined;
  const dims = value.dims?.map((d) => d.size ?? d.symbol);
  return [encodeValueInfo(value.name, fullType, dims)];
}

function bytesOf(init: Initializer): Uint8Array {
  if (init.data.kind === "bytes") return init.data.bytes;
  return init.data.kind === "file" ? readSpanSync(init.data.span) : new Uint8Array(0);
}

/** FP16 or bfloat16 bytes to FP32 ones. Meant for constants: weights are converted in chunks by the caller's function. */
function widen(half: Uint8Array, type: HalfType): Uint8Array {
  const from = new DataView(half.buffer, half.byteOffset, half.byteLength);
  const full = new Uint8Array(half.byteLength * 2);
  const to = new DataView(full.buffer);
  for (let at = 0; at + 2 <= half.byteLength; at += 2) to.setFloat32(2 * at, formats[type].fromBits(from.getUint16(at, true)), true);
  return full;
}
