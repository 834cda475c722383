import { InputError } from "@halfscope/core";
import { deflateSync, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { elementsOf, tensorOf } from "./elements.js";
import { Budget, defaultLimits } from "./limits.js";
import { writeNpy } from "./npy.js";
import { crc32, readNpz, writeNpz } from "./npz.js";

/** Written by NumPy 2.4: input_ids int64 [[101, 7592, 102]] and "mask/x:0" float32 ones. NumPy always adds zip64 records. */
const savez = Buffer.from(
  "UEsDBC0AAAAAAAAAIQA8G1zy//////////8NABQAaW5wdXRfaWRzLm5weQEAEACYAAAAAAAAAJgAAAAAAAAAk05VTVBZAQB2AHsnZGVzY3InOiAnPGk4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAplAAAAAAAAAKgdAAAAAAAAZgAAAAAAAABQSwMELQAAAAAAAAAhADnQ2Vv//////////wwAFABtYXNrL3g6MC5ucHkBABAAjAAAAAAAAACMAAAAAAAAAJNOVU1QWQEAdgB7J2Rlc2NyJzogJzxmNCcsICdmb3J0cmFuX29yZGVyJzogRmFsc2UsICdzaGFwZSc6ICgxLCAzKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAKAACAPwAAgD8AAIA/UEsBAi0DLQAAAAAAAAAhADwbXPKYAAAAmAAAAA0AAAAAAAAAAAAAAIABAAAAAGlucHV0X2lkcy5ucHlQSwECLQMtAAAAAAAAACEAOdDZW4wAAACMAAAADAAAAAAAAAAAAAAAgAHXAAAAbWFzay94OjAubnB5UEsFBgAAAAACAAIAdQAAAKEBAAAAAA==",
  "base64",
);
const savezCompressed = Buffer.from(
  "UEsDBC0AAAAIAAAAIQA8G1zy//////////8NABQAaW5wdXRfaWRzLm5weQEAEACYAAAAAAAAAFAAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkahjoKxpo6CrUKZAOuVAYIWCELodOgfABQSwMELQAAAAgAAAAhADnQ2Vv//////////wwAFABtYXNrL3g6MC5ucHkBABAAjAAAAAAAAABMAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GoY6CsaaOgq1CmQDLgaGBnsYBgBQSwECLQMtAAAACAAAACEAPBtc8lAAAACYAAAADQAAAAAAAAAAAAAAgAEAAAAAaW5wdXRfaWRzLm5weVBLAQItAy0AAAAIAAAAIQA50NlbTAAAAIwAAAAMAAAAAAAAAAAAAACAAY8AAABtYXNrL3g6MC5ucHlQSwUGAAAAAAIAAgB1AAAAGQEAAAAA",
  "base64",
);

/** What `read` gives, or undefined if it throws an InputError. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return undefined;
  }
}

/** Position of the first central directory entry. */
const central = (bytes: Uint8Array): number => Buffer.from(bytes).indexOf("PK\x01\x02", 0, "latin1");
function changed(bytes: Uint8Array, change: (view: DataView, entry: number) => void): Uint8Array {
  const copy = Uint8Array.from(bytes);
  change(new DataView(copy.buffer), central(copy));
  return copy;
}

test.each([
  ["stored", savez],
  ["deflated", savezCompressed],
])("archives that NumPy wrote are read, %s", (_, bytes) => {
  const tensors = readNpz(bytes, "feed.npz");
  expect([...tensors.keys()]).toEqual(["input_ids", "mask/x:0"]);
  expect(tensors.get("input_ids")).toMatchObject({ dtype: "int64", dims: [1, 3] });
  expect([...elementsOf(tensors.get("input_ids")!)!]).toEqual([101n, 7592n, 102n]);
  expect([...elementsOf(tensors.get("mask/x:0")!)!]).toEqual([1, 1, 1]);
});

test("what is written is read back", () => {
  const tensors = new Map([
    ["a", tensorOf("float32", [2], [1, 2])],
    ["b/c", tensorOf("int32", [], [3])],
  ]);
  expect(readNpz(writeNpz(tensors), "again.npz")).toEqual(tensors);
});

test("the checksum is the one that zip uses", () => {
  expect(crc32(Buffer.from("123456789"))).toBe(0xcbf43926);
});

describe("archives that cannot be trusted", () => {
  test("every truncation is an InputError", () => {
    for (let length = 0; length < savezCompressed.length; length++)
      expect(() => readNpz(savezCompressed.subarray(0, length), "cut.npz")).toThrowError(InputError);
  });
  test("a damaged byte never goes unnoticed in the data, and never crashes", () => {
    const whole = readNpz(savezCompressed, "whole.npz");
    let noticed = 0;
    for (const [at] of savezCompressed.entries())
      for (const flip of [0x01, 0x80, 0xff]) {
        const damaged = Uint8Array.from(savezCompressed);
        damaged[at]! ^= flip;
        const tensors = attempt(() => readNpz(damaged, "damaged.npz"));
        // Damage to time stamps, versions and the like changes nothing; to a name, only the name.
        if (tensors === undefined) noticed++;
        else expect([...tensors.values()], `byte ${at} ^ ${flip}`).toEqual([...whole.values()]);
      }
    expect(noticed).toBeGreaterThan(savezCompressed.length);
  });
  test("a bomb is refused by its declared size, before it is unpacked", () => {
    const zeros = writeNpy(tensorOf("uint8", [1 << 22], []));
    const bomb = zipSync({ "x.npy": zeros });
    expect(bomb.length).toBeLessThan(1 << 14);
    const budget = new Budget({ ...defaultLimits, totalBytes: 1 << 20 });
    expect(() => readNpz(bomb, "bomb.npz", budget)).toThrowError(/bomb\.npz: declares 4194432 bytes of data where 1048576 are left/);
  });
  test("a size that deflate cannot reach is refused", () => {
    const lie = changed(zipSync({ "x.npy": new Uint8Array(100) }), (view, entry) => view.setUint32(entry + 24, 0x7fffffff, true));
    expect(() => readNpz(lie, "lie.npz")).toThrowError(/expected an honest size of entry "x\.npy"/);
  });
  test("a stream that is longer than declared is refused", () => {
    const lie = changed(zipSync({ "x.npy": new Uint8Array(5000) }), (view, entry) => view.setUint32(entry + 24, 4000, true));
    expect(() => readNpz(lie, "lie.npz")).toThrowError(/expected 4000 bytes, found more/);
  });
  test("entries inside each other are refused", () => {
    const two = zipSync({ "a.npy": new Uint8Array(9), "b.npy": new Uint8Array(9) }, { level: 0 });
    const second = Buffer.from(two).lastIndexOf("PK\x01\x02", undefined, "latin1");
    const overlapping = changed(two, (view) => view.setUint32(second + 42, 0, true));
    expect(() => readNpz(overlapping, "quine.npz")).toThrowError(/expected entries beside each other/);
  });
  test("encrypted entries, other methods and other files are refused with the reason", () => {
    expect(() =>
      readNpz(
        changed(savez, (view, entry) => view.setUint16(entry + 8, 1, true)),
        "x.npz",
      ),
    ).toThrowError(/not encrypted/);
    expect(() =>
      readNpz(
        changed(savez, (view, entry) => view.setUint16(entry + 10, 14, true)),
        "x.npz",
      ),
    ).toThrowError(/method 14/);
    expect(() => readNpz(zipSync({ "x.txt": deflateSync(new Uint8Array(3)) }), "x.npz")).toThrowError(
      /archive of \.npy files, found "x\.txt"/,
    );
    expect(() => readNpz(zipSync({}), "x.npz")).toThrowError(/at least one array/);
  });
  test("a directory that declares more entries than it has is refused", () => {
    const many = changed(savez, (view) => view.setUint16(view.byteLength - 12, 9999, true));
    expect(() => readNpz(many, "many.npz")).toThrowError(/expected 9999 entries in the directory, found 2/);
  });
});
