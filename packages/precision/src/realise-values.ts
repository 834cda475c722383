import type { ConstantPolicy, HalfType } from "@halfscope/core";
import { type Initializer, type Node, type Rope, readSpanSync, ropeLength } from "@halfscope/onnx";
import { formats } from "./number-format.js";

/** A body's bytes: small enough to hold, as bodies are nodes, and nodes are held. */
export const inMemory = (rope: Rope, constants: ConstantPolicy, type: HalfType): Uint8Array =>
  Buffer.concat(
    rope.map((piece) => {
      if (piece instanceof Uint8Array) return piece;
      if (!("convert" in piece)) return readSpanSync(piece);
      const full = piece.source instanceof Uint8Array ? piece.source : readSpanSync(piece.source);
      return halfBytesOf(float32sOf(full), constants, type);
    }),
  );

export const dataLength = (init: Initializer): number =>
  init.data.kind === "file"
    ? init.data.span.length
    : init.field.payload instanceof Uint8Array
      ? init.field.payload.length
      : ropeLength([init.field.payload]);

/** FP16 or bfloat16 bytes of values in memory. */
export function halfBytesOf(numbers: readonly number[], constants: ConstantPolicy, type: HalfType): Uint8Array {
  const out = new Uint8Array(numbers.length * 2);
  const view = new DataView(out.buffer);
  numbers.forEach((x, i) => {
    view.setUint16(2 * i, formats[type].bits(x, constants === "finite"), true);
  });
  return out;
}

const float32sOf = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength >> 2 }, (_, i) => view.getFloat32(4 * i, true));
};

/** Values of a Constant or ConstantOfShape node in FP32; undefined when they cannot be read. */
export function constantValues(node: Node): { numbers: number[]; dims: readonly number[] } | undefined {
  const scalar = node.attributes.get("value_float");
  if (scalar?.float !== undefined) return { numbers: [scalar.float], dims: [] };
  const list = node.attributes.get("value_floats");
  if (list?.floats !== undefined) return { numbers: [...list.floats], dims: [list.floats.length] };
  const tensor = node.attributes.get("value")?.tensor;
  if (tensor === undefined) return node.opType === "ConstantOfShape" ? { numbers: [0], dims: [1] } : undefined;
  if (tensor.data.kind !== "bytes" || tensor.dtype !== "float32") return undefined;
  return { numbers: float32sOf(tensor.data.bytes), dims: tensor.dims };
}
