import { type Rope, readSpan } from "@halfscope/onnx";

/** All bytes of a rope, for tests. */
export async function ropeBytes(rope: Rope): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (const piece of rope) {
    if (piece instanceof Uint8Array) chunks.push(piece);
    else if (!("convert" in piece)) for await (const chunk of readSpan(piece)) chunks.push(chunk);
    else if (piece.source instanceof Uint8Array) chunks.push(await piece.convert(piece.source));
    else for await (const chunk of readSpan(piece.source)) chunks.push(await piece.convert(chunk));
  }
  return Buffer.concat(chunks);
}
