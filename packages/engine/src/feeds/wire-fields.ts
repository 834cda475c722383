import { badFile, saveAgain } from "./feed-errors.js";

/** A protobuf field; the payload of a varint is its bytes. */
export interface WireField {
  number: number;
  wireType: number;
  payload: Uint8Array;
}

/**
 * The top-level fields of a message. Every length must end inside the bytes, which tells a truncated file from a wrong one. `expected` names the message in
 * errors (ERR_FEED_FILE).
 */
export function wireFields(bytes: Uint8Array, file: string, expected: string): WireField[] {
  const wrong = (found: string) => badFile(file, expected, found, saveAgain);
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw wrong("an incomplete file");
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw wrong("a number that is too long");
  };
  while (at < bytes.length) {
    const tag = varint();
    const [number, wireType] = [Math.floor(tag / 8), tag % 8];
    if (number === 0 || ![0, 1, 2, 5].includes(wireType)) throw wrong(`a field ${number} of wire type ${wireType}`);
    const length = wireType === 2 ? varint() : wireType === 1 ? 8 : wireType === 5 ? 4 : 0;
    const start = at;
    if (wireType === 0) varint();
    if (!(length <= bytes.length - at)) throw wrong(`field ${number} with ${length} bytes where ${bytes.length - at} are left`);
    at += length;
    fields.push({ number, wireType, payload: bytes.subarray(start, at) });
  }
  return fields;
}
