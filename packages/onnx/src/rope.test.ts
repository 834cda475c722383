import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CancelledError } from "@halfscope/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Rope, ropeLength, varint, writeRope } from "./rope.js";

let folder: string;
let target: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-rope-"));
  target = join(folder, "out.bin");
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});
/** Bytes that repeat every 251, which no chunk size divides. */
const pattern = (bytes: number) =>
  Buffer.alloc(
    bytes,
    Uint8Array.from({ length: 251 }, (_, i) => i),
  );
const everySecond = (bytes: Uint8Array) => {
  const out = Buffer.alloc(bytes.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = bytes[2 * i] ?? 0;
  return out;
};
const source = (bytes: number) => {
  const path = join(folder, "source.bin");
  writeFileSync(path, pattern(bytes));
  return path;
};

describe("writing a rope", () => {
  it("joins memory, file spans and conversions, across chunks", async () => {
    const size = (4 << 20) * 2 + 192;
    const path = source(size);
    const whole = readFileSync(path);
    const chunks: number[] = [];
    const halved = async (chunk: Uint8Array) => {
      chunks.push(chunk.length);
      return everySecond(chunk);
    };
    const rope: Rope = [
      Uint8Array.of(1, 2, 3),
      { path, offset: 5, length: 100 },
      { source: { path, offset: 0, length: size }, length: size / 2, convert: halved },
      { source: Uint8Array.of(9, 0, 8, 0), length: 2, convert: halved },
    ];
    const written: number[] = [];
    await writeRope(target, rope, { written: (n) => written.push(n) });
    const expected = Buffer.concat([Buffer.from([1, 2, 3]), whole.subarray(5, 105), everySecond(whole), Buffer.from([9, 8])]);
    expect(readFileSync(target).equals(expected)).toBe(true);
    expect(written.at(-1)).toBe(ropeLength(rope));
    expect(chunks.slice(0, -2).every((n) => n % 64 === 0)).toBe(true);
  });

  const failing: [string, () => Rope, object][] = [
    [
      "a conversion fails",
      () => [new Uint8Array(10), { source: new Uint8Array(4), length: 2, convert: () => Promise.reject(new Error("no")) }],
      { message: "no" },
    ],
    [
      "a source has gone",
      () => [new Uint8Array(10), { path: join(folder, "absent"), offset: 0, length: 5 }],
      { code: "ERR_MODEL_EXTERNAL_DATA" },
    ],
    ["a source is too short", () => [{ path: source(10), offset: 8, length: 5 }], { code: "ERR_MODEL_EXTERNAL_DATA" }],
    [
      "a conversion gives too little",
      () => [{ source: new Uint8Array(4), length: 2, convert: async () => new Uint8Array(1) }],
      { code: "ERR_INTERNAL" },
    ],
  ];
  it.each(failing)("leaves the existing file and nothing else when %s", async (_, rope, error) => {
    writeFileSync(target, "before");
    const pieces = rope();
    const files = readdirSync(folder).sort();
    await expect(writeRope(target, pieces)).rejects.toMatchObject(error);
    expect(readFileSync(target, "utf8")).toBe("before");
    expect(readdirSync(folder).sort()).toEqual(files);
  });

  it("leaves the existing file and nothing else when it is stopped half way", async () => {
    writeFileSync(target, "before");
    const path = source(9 << 20);
    const stop = new AbortController();
    const work = writeRope(target, [{ path, offset: 0, length: 9 << 20 }], { signal: stop.signal, written: () => stop.abort() });
    await expect(work).rejects.toBeInstanceOf(CancelledError);
    expect(readFileSync(target, "utf8")).toBe("before");
    expect(readdirSync(folder).sort()).toEqual(["out.bin", "source.bin"]);
  });

  it.each(["a missing folder", "a target that is a folder"])("names the path and what to do for %s", async (kind) => {
    const path = kind === "a missing folder" ? join(folder, "absent", "out.bin") : join(folder, "sub");
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "sub", "inside"), "kept");
    await expect(writeRope(path, [Uint8Array.of(1)])).rejects.toMatchObject({
      code: "ERR_OUTPUT_NOT_WRITABLE",
      message: expect.stringContaining(path),
      hint: expect.stringContaining("folder"),
    });
    expect(readdirSync(folder)).toEqual(["sub"]);
  });
});

it("varints beyond 32 bits are written whole", () => {
  expect(varint(0)).toEqual([0]);
  expect(varint(300)).toEqual([0xac, 2]);
  expect(varint(3 * 2 ** 30)).toEqual([0x80, 0x80, 0x80, 0x80, 0x0c]);
  expect(varint(2 ** 40)).toEqual([0x80, 0x80, 0x80, 0x80, 0x80, 0x20]);
});
