/** Protobuf written by hand, for messages that no library would write. */

/** A varint in exactly `width` bytes (more than needed is legal); as few as possible when absent. */
export function varintBytes(value: number | bigint, width?: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(rest & 127n));
    rest >>= 7n;
  } while (rest > 0n);
  while (bytes.length < (width ?? 1)) bytes.push(0);
  return bytes.map((b, i) => (i < bytes.length - 1 ? b | 128 : b));
}

/** A length-delimited field; `lengthWidth` pads the length prefix. */
export function block(number: number, content: Uint8Array | string | readonly Uint8Array[], lengthWidth?: number): Uint8Array {
  const bytes =
    typeof content === "string"
      ? Buffer.from(content)
      : content instanceof Uint8Array
        ? content
        : Buffer.concat(content as readonly Uint8Array[]);
  return Buffer.from([...varintBytes(number * 8 + 2), ...varintBytes(bytes.length, lengthWidth), ...bytes]);
}
export const varintField = (number: number, value: number | bigint, width?: number): Uint8Array =>
  Buffer.from([...varintBytes(number * 8), ...varintBytes(value, width)]);
export const packed = (number: number, values: readonly (number | bigint)[]): Uint8Array =>
  block(number, Buffer.from(values.flatMap((v) => varintBytes(v))));
export function fixed32(number: number, float: number): Uint8Array {
  const value = Buffer.alloc(4);
  value.writeFloatLE(float);
  return Buffer.from([...varintBytes(number * 8 + 5), ...value]);
}
export const fixed64 = (number: number, bytes: readonly number[]): Uint8Array => Buffer.from([...varintBytes(number * 8 + 1), ...bytes]);
