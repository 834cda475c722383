/** Writes row `index` of a tensor. Rows are asked for once each and in order, so that a generator may keep its state between them. */
export type RowWriter = (row: Float32Array, index: number) => void;

/** An initializer: bytes in memory, or float rows (along the last dimension) made while they are written. */
export interface TensorSpec {
  /** Name of the parameter in the PyTorch module, or of the constant: stable, also where the file's name is a number. */
  readonly key: string;
  /** Name in the file. */
  readonly name: string;
  /** TensorProto.DataType: 1 float, 7 int64. */
  readonly elementType: 1 | 7;
  readonly dims: readonly number[];
  readonly data: Uint8Array | (() => RowWriter);
}

/** value = value * scale + offset at the given elements of each given row; absent lists mean all. Vectors have one row, 0. */
export interface TensorEdit {
  readonly key: string;
  readonly rows?: readonly number[];
  readonly columns?: readonly number[];
  /** Default 1. */
  readonly scale?: number;
  /** Default 0. */
  readonly offset?: number;
}

/** Bytes of the tensor's values. */
export function dataLength(spec: TensorSpec): number {
  return spec.dims.reduce((n, d) => n * d, 1) * (spec.elementType === 7 ? 8 : 4);
}

export function int64Bytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
}

export function floatBytes(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

/** The same tensor with edits applied to its rows, in order. Edits of other tensors are ignored. */
export function withEdits(spec: TensorSpec, edits: readonly TensorEdit[]): TensorSpec {
  const own = edits.filter((edit) => edit.key === spec.key);
  if (own.length === 0) return spec;
  const { data } = spec;
  if (data instanceof Uint8Array) {
    const values = new Float32Array(Uint8Array.from(data).buffer);
    for (const edit of own) applyTo(values, edit);
    return { ...spec, data: new Uint8Array(values.buffer) };
  }
  return {
    ...spec,
    data: () => {
      const write = data();
      return (row, index) => {
        write(row, index);
        for (const edit of own) if (edit.rows?.includes(index) ?? true) applyTo(row, edit);
      };
    },
  };
}

function applyTo(row: Float32Array, { columns, scale = 1, offset = 0 }: TensorEdit): void {
  if (columns === undefined) for (let i = 0; i < row.length; i++) row[i] = row[i]! * scale + offset;
  else for (const i of columns) row[i] = row[i]! * scale + offset;
}
