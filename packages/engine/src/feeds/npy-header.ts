import { badFile } from "./feed-errors.js";

export interface NpyHeader {
  /** NumPy's type string, for instance `<f4`. */
  descr: string;
  fortranOrder: boolean;
  shape: number[];
  /** Where the data starts. */
  dataOffset: number;
}

export const npyMagic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const;
export const isNpy = (bytes: Uint8Array): boolean => npyMagic.every((b, i) => bytes[i] === b);
const saveWithNumpy = "Save the array with numpy.save(file, array, allow_pickle=False).";

/** Reads the header of a `.npy` file, format 1.0, 2.0 or 3.0. Errors: ERR_FEED_FILE. */
export function readNpyHeader(bytes: Uint8Array, file: string): NpyHeader {
  if (!isNpy(bytes)) throw badFile(file, "an .npy file, which begins with \\x93NUMPY", describeStart(bytes), saveWithNumpy);
  const [major, minor] = [bytes[6] ?? 0, bytes[7] ?? 0];
  if (major < 1 || major > 3 || minor !== 0)
    throw badFile(file, "format version 1.0, 2.0 or 3.0 of .npy", `${major}.${minor}`, saveWithNumpy);
  const lengthBytes = major === 1 ? 2 : 4;
  const start = 8 + lengthBytes;
  if (bytes.length < start) throw badFile(file, `a header of at least ${start} bytes`, `${bytes.length} bytes`, saveWithNumpy);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = lengthBytes === 2 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > 1 << 16)
    throw badFile(
      file,
      "a header of at most 65536 bytes",
      `${length}`,
      "Headers that long belong to structured arrays, which are no tensors.",
    );
  if (bytes.length < start + length)
    throw badFile(
      file,
      `a header of ${length} bytes`,
      `${bytes.length - start} bytes up to the file's end`,
      "Write the file again: it is not complete.",
    );
  const text = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(bytes.subarray(start, start + length));
  return { ...readHeaderText(text, file), dataOffset: start + length };
}

/** The header is a Python dict literal with the keys descr, fortran_order and shape, in any order. */
function readHeaderText(text: string, file: string): Omit<NpyHeader, "dataOffset"> {
  const wrong = (found: string) =>
    badFile(file, "a header like {'descr': '<f4', 'fortran_order': False, 'shape': (1, 128), }", found, saveWithNumpy);
  const parser = new LiteralParser(text);
  let values: Map<string, Literal>;
  try {
    values = parser.dict();
  } catch (cause) {
    if (cause instanceof LiteralError) throw wrong(cause.message);
    throw cause;
  }
  const [descr, fortranOrder, shape] = [values.get("descr"), values.get("fortran_order"), values.get("shape")];
  if (values.size !== 3) throw wrong(`the keys ${[...values.keys()].join(", ").slice(0, 80)}`);
  if (Array.isArray(descr)) throw badFile(file, "one number per element", "a structured array", "Save each field as an array of its own.");
  if (typeof descr !== "string") throw wrong(`descr ${String(descr)}`);
  if (typeof fortranOrder !== "boolean") throw wrong(`fortran_order ${String(fortranOrder)}`);
  if (!Array.isArray(shape) || shape.some((d) => typeof d !== "number" || !Number.isSafeInteger(d) || d < 0))
    throw wrong(`shape ${JSON.stringify(shape)?.slice(0, 80)}`);
  return { descr, fortranOrder, shape: shape as number[] };
}

type Literal = string | boolean | number | Literal[];
class LiteralError extends Error {}

/** The few Python literals of a header: a dict of strings, booleans, integers, tuples and lists. */
class LiteralParser {
  #at = 0;
  constructor(readonly text: string) {}

  dict(): Map<string, Literal> {
    const entries = new Map<string, Literal>();
    this.#expect("{");
    while (!this.#take("}")) {
      const key = this.#value(0);
      if (typeof key !== "string") throw new LiteralError("a key that is no string");
      if (entries.has(key)) throw new LiteralError(`the key ${key} twice`);
      this.#expect(":");
      entries.set(key, this.#value(0));
      if (!this.#take(",")) {
        this.#expect("}");
        break;
      }
    }
    this.#space();
    if (this.#at < this.text.length) throw new LiteralError(`text behind the dict: ${this.text.slice(this.#at, this.#at + 20)}`);
    return entries;
  }

  #value(depth: number): Literal {
    this.#space();
    const rest = this.text.slice(this.#at, this.#at + 256);
    const token = /^(?:'([^'\\]*)'|"([^"\\]*)"|(True|False)|(-?\d{1,20})L?)/.exec(rest);
    if (token !== null) {
      this.#at += token[0].length;
      const string = token[1] ?? token[2];
      if (string !== undefined) return string;
      return token[3] === undefined ? Number(token[4]) : token[3] === "True";
    }
    const close = this.#take("(") ? ")" : this.#take("[") ? "]" : undefined;
    if (close === undefined || depth > 8) throw new LiteralError(`"${rest.slice(0, 20)}"`);
    const items: Literal[] = [];
    while (!this.#take(close)) {
      items.push(this.#value(depth + 1));
      if (!this.#take(",")) {
        this.#expect(close);
        break;
      }
    }
    return items;
  }

  #space(): void {
    while (/\s/.test(this.text[this.#at] ?? "x")) this.#at++;
  }
  #take(char: string): boolean {
    this.#space();
    if (this.text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
  #expect(char: string): void {
    if (!this.#take(char)) throw new LiteralError(`"${this.text.slice(this.#at, this.#at + 20)}" where "${char}" belongs`);
  }
}

function describeStart(bytes: Uint8Array): string {
  if (bytes.length === 0) return "an empty file";
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return "a zip archive (an .npz file?)";
  if (bytes[0] === 0x80) return "a Python pickle";
  return `bytes ${[...bytes.subarray(0, 6)].map((b) => b.toString(16).padStart(2, "0")).join(" ")}`;
}
