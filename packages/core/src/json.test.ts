import { describe, expect, it } from "vitest";
import { decodeJson, encodeJson } from "./json.js";

const roundTrip = (value: unknown) => decodeJson(encodeJson(value));

describe("JSON that keeps every number", () => {
  it("keeps NaN, both infinities and minus zero, at any depth", () => {
    const value = { a: [Number.NaN, { b: Number.POSITIVE_INFINITY }], c: Number.NEGATIVE_INFINITY, d: -0, e: 0 };
    const back = roundTrip(value) as typeof value;
    expect(back).toEqual(value);
    expect(Object.is(back.d, -0)).toBe(true);
    expect(Object.is(back.e, 0)).toBe(true);
  });

  it.each([Number.MIN_VALUE, Number.MAX_VALUE, 2 ** -24, 65504, 0.1, 2 ** 53 + 2, -1e-300])("keeps %d to the last bit", (x) => {
    expect(roundTrip([x])).toEqual([x]);
  });

  it("leaves a tensor that is called NaN a string, also as a key", () => {
    const value = { tensor: "NaN", other: "Infinity", minus: "-0", NaN: { NaN: 1 } };
    expect(roundTrip(value)).toEqual(value);
  });

  it("leaves objects alone that only look like numbers", () => {
    for (const text of ['{"$number":"7"}', '{"$number":"NaN","more":1}', '{"$number":null}', '{"$number":["NaN"]}'])
      expect(decodeJson(text)).toEqual(JSON.parse(text));
  });

  it("drops __proto__ from files and changes no prototype", () => {
    const back = decodeJson('{"__proto__": {"polluted": true}, "kept": {"__proto__": [1], "x": 2}}') as Record<string, unknown>;
    expect(back.polluted).toBeUndefined();
    expect(Object.keys(back)).toEqual(["kept"]);
    expect(back.kept).toEqual({ x: 2 });
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it("indents as it is asked, and throws on what is no JSON", () => {
    expect(encodeJson({ a: Number.NaN }, 2)).toBe('{\n  "a": {\n    "$number": "NaN"\n  }\n}');
    for (const text of ["", "NaN", "{", '{"a": Infinity}']) expect(() => decodeJson(text)).toThrow(SyntaxError);
  });
});
