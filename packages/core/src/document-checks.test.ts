import { describe, expect, it, test } from "vitest";
import { type Check, damageIn, flag, isObject, list, matching, number, object, oneOf, optional, record, text } from "./document-checks.js";
import { decodeJson } from "./json.js";

const engine = object({ title: text, pins: optional(list(text)), kind: oneOf("full", "weak"), times: record(object({ p50: number })) });
const document = object({ engines: list(engine), mixes: flag });
const good = { engines: [{ title: "t", kind: "weak", times: { "a b": { p50: Number.NaN }, c: { p50: 1 } } }], mixes: false, more: null };
const changed = (change: object) => ({ ...good, engines: [{ ...good.engines[0], ...change }] });

describe("checks of documents", () => {
  it("say nothing of what is as it must be, whatever stands beside it", () => {
    expect(damageIn(good, document)).toBeUndefined();
    expect(damageIn({ engines: [], mixes: true }, document)).toBeUndefined();
    expect(damageIn(changed({ pins: undefined }), document)).toBeUndefined();
  });

  test.each<[unknown, string]>([
    [null, "it is no object"],
    [[], "it is no object"],
    [undefined, "it is missing, expected object"],
    [{ engines: good.engines }, "mixes is missing, expected boolean"],
    [{ ...good, mixes: 0 }, "mixes is no boolean"],
    [{ ...good, engines: { length: 0 } }, "engines is no list"],
    [{ ...good, engines: [...good.engines, null] }, "engines[1] is no object"],
    [changed({ title: 7 }), "engines[0].title is no text"],
    [changed({ pins: null }), "engines[0].pins is no list"],
    [changed({ pins: ["a", 7] }), "engines[0].pins[1] is no text"],
    [changed({ kind: "typed" }), "engines[0].kind is none of full, weak"],
    [changed({ kind: ["full"] }), "engines[0].kind is none of full, weak"],
    [changed({ kind: undefined }), "engines[0].kind is missing, expected one of full, weak"],
    [changed({ times: [] }), "engines[0].times is no object"],
    [changed({ times: { a: { p50: 1 }, b: { p50: "1" } } }), "engines[0].times.b.p50 is no number"],
    [changed({ times: { "a.b": 1 } }), 'engines[0].times["a.b"] is no object'],
    [changed({ times: { "\n\u001b[2J": 1 } }), 'engines[0].times["\\n\\u001b[2J"] is no object'],
    [changed({ times: { "": 1 } }), 'engines[0].times[""] is no object'],
  ])("name the first place that is not: %j", (value, words) => {
    expect(damageIn(value, document)).toBe(words);
  });

  it("stop at the first damage, in the order of the fields", () => {
    const never: Check = () => {
      throw new Error("looked further");
    };
    expect(damageIn({ z: 1, a: 1 }, object({ z: text, a: never }))).toBe("z is no text");
    expect(list((v) => (v === 2 ? never(v) : text(v)))([1, 2])).toEqual({ at: "[0]", what: "is no text" });
  });

  it("begin a list's place without a dot", () => {
    expect(damageIn([{ a: 1 }, {}], list(object({ a: number })))).toBe("[1].a is missing, expected number");
  });

  it("take any entries and any fields where none are asked for", () => {
    expect(damageIn([1, null, "a"], list())).toBeUndefined();
    expect(damageIn("a", list())).toBe("it is no list");
    expect(damageIn({ a: null }, object())).toBeUndefined();
    expect(damageIn([], object())).toBe("it is no object");
  });

  it("can be of whatever fits", () => {
    const size = matching("whole number", Number.isSafeInteger);
    expect(damageIn(7, size)).toBeUndefined();
    expect(damageIn(7.5, size)).toBe("it is no whole number");
  });

  it("cut a name that would fill the screen", () => {
    expect(damageIn({ [`${"x".repeat(1e6)}`]: 1 }, record(text))?.length).toBeLessThan(120);
  });

  it("are not fooled by what objects inherit, nor by names that mean something to JavaScript", () => {
    expect(damageIn({}, object({ constructor: object(), toString: matching("function", (v) => typeof v === "function") }))).toBe(
      "constructor is missing, expected object",
    );
    const heir = Object.create({ title: "t" }) as object;
    expect(damageIn(heir, object({ title: text }))).toBe("title is missing, expected text");
    for (const hostile of [JSON.parse('{"__proto__": {"title": "t"}}'), decodeJson('{"__proto__": {"title": "t"}}')])
      expect(damageIn(hostile, object({ title: text }))).toBe("title is missing, expected text");
    expect(damageIn(JSON.parse('{"__proto__": 1}'), record(text))).toBe("__proto__ is no text");
    expect(damageIn(JSON.parse('{"hasOwnProperty": 1, "title": "t"}'), object({ title: text }))).toBeUndefined();
  });

  it("go through a long list without filling memory, and never deeper than they were written", () => {
    const many = list(number);
    const long = new Array<number>(2e6).fill(1);
    expect(many(long)).toBeUndefined();
    expect(many([...long, "x"])).toEqual({ at: "[2000000]", what: "is no number" });
    let deep: unknown[] = [];
    for (let i = 0; i < 1e5; i++) deep = [deep];
    expect(damageIn(deep, list(list()))).toBeUndefined();
  });
});

test("an object is no list and not null", () => {
  expect([{}, [], null, undefined, "a", 1].map(isObject)).toEqual([true, false, false, false, false, false]);
});
