import { encodeNode } from "@halfscope/onnx";
import type { BertConfig } from "./config.js";
import { floatBytes, int64Bytes, type TensorSpec } from "./tensors.js";
import { type OutlierChannel, outlierChannels, type Role, rowWriter } from "./weights.js";

type Attributes = NonNullable<Parameters<typeof encodeNode>[0]["attributes"]>;

/** Collects nodes and initializers, named as PyTorch's TorchScript exporter names them. */
export class Builder {
  readonly nodes: Uint8Array[] = [];
  readonly tensors: TensorSpec[] = [];
  readonly outliers: readonly OutlierChannel[];
  private readonly used = new Map<string, number>();
  private anonymous = 1000;

  constructor(readonly config: BertConfig) {
    this.outliers = outlierChannels(config);
  }

  /** A node in a scope such as `/encoder/layer.0/output`; its first output, named after it unless `output` is given. */
  node(scope: string, opType: string, inputs: readonly string[], attributes: Attributes = {}, output?: string): string {
    const name = this.unique(`${scope}/${opType}`);
    const made = output ?? `${name}_output_0`;
    this.nodes.push(encodeNode({ name, opType, inputs, outputs: [made], attributes }));
    return made;
  }

  /** A node with several outputs, all named by the caller. */
  split(scope: string, opType: string, inputs: readonly string[], attributes: Attributes, outputs: readonly string[]): void {
    this.nodes.push(encodeNode({ name: this.unique(`${scope}/${opType}`), opType, inputs, outputs, attributes }));
  }

  /** A float scalar. `key` names it for planted faults. */
  scalar(scope: string, value: number, key?: string): string {
    const name = `${this.unique(`${scope}/Constant`)}_output_0`;
    this.tensors.push({ key: key ?? name, name, elementType: 1, dims: [], data: floatBytes([value]) });
    return name;
  }

  integers(scope: string, values: readonly number[], dims: readonly number[] = [values.length]): string {
    const name = `${this.unique(`${scope}/Constant`)}_output_0`;
    this.tensors.push({ key: name, name, elementType: 7, dims, data: int64Bytes(values) });
    return name;
  }

  /** An int64 buffer of the module, by its own name. */
  buffer(key: string, values: readonly number[], dims: readonly number[]): string {
    this.tensors.push({ key, name: key, elementType: 7, dims, data: int64Bytes(values) });
    return key;
  }

  /** A float parameter. Matrices get numbered names: the exporter folds their transposition and forgets the name. */
  parameter(key: string, dims: readonly number[], role: Role): string {
    const name = role.kind === "matrix" ? `onnx::MatMul_${this.anonymous++}` : key;
    const [rows, columns] = dims.length === 2 ? [dims[0]!, dims[1]!] : [1, dims[0]!];
    this.tensors.push({ key, name, elementType: 1, dims, data: rowWriter(this.config.seed, key, role, columns, rows, this.outliers) });
    return name;
  }

  private unique(name: string): string {
    const n = this.used.get(name) ?? 0;
    this.used.set(name, n + 1);
    return n === 0 ? name : `${name}_${n}`;
  }
}
