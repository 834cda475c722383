import { encodeJson, type Layer } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { allHalf, formatOverrides, overridesFromPlan, planFromOverrides, withPins } from "./plan.js";

const layer = (id: string): Layer => ({
  id,
  kind: "operator",
  blockPath: "",
  title: id,
  nodes: [0],
  operators: ["Add"],
  inputs: [],
  outputs: [],
  weights: [],
});
const model = { digest: "d".repeat(64), layers: [layer("first"), layer("second"), layer("__proto__")] };
const read = (value: unknown) => planFromOverrides(typeof value === "string" ? value : encodeJson(value), model, "pins.json");
const head = { schema: "halfscope/overrides/1", modelDigest: model.digest };

describe("overrides", () => {
  it("come back as the plan they were written from, with evidence that is no number", () => {
    const plan = {
      ...allHalf(model.digest, "overflow"),
      pins: [{ layer: "first", reason: "noisy", evidence: { error: Number.POSITIVE_INFINITY, note: "x" } }],
    };
    const text = formatOverrides(overridesFromPlan(plan, { model: "m.onnx", note: "for people" }));
    expect(read(text)).toEqual(plan);
    expect(text.endsWith("}\n")).toBe(true);
  });

  it("may be short: pins as bare ids, everything else by default", () => {
    expect(read({ ...head, pins: ["second", { layer: "first" }] })).toEqual({
      modelDigest: model.digest,
      defaultPrecision: "float16",
      constants: "finite",
      pins: [
        { layer: "second", reason: "set by hand" },
        { layer: "first", reason: "set by hand" },
      ],
    });
    expect(read(head).pins).toEqual([]);
  });

  it.each<[string, unknown, RegExp]>([
    ["text", "pins: first", /is not JSON/],
    ["a list", [], /holds no JSON object/],
    ["nothing", "null", /holds no JSON object/],
    ["another schema", { ...head, schema: "halfscope/overrides/2" }, /"halfscope\/overrides\/2", expected/],
    ["no schema", { modelDigest: model.digest }, /schema undefined/],
    ["an unknown precision", { ...head, defaultPrecision: "float8" }, /"bfloat16"/],
    ["an unknown policy", { ...head, constants: "clip" }, /"clip"/],
    ["pins that are no list", { ...head, pins: { layer: "first" } }, /no list/],
    ["a pin without a layer", { ...head, pins: ["first", { reason: "x" }] }, /pin 1/],
    ["a pin that is null", { ...head, pins: [null] }, /pin 0/],
    ["a pin that is a number", { ...head, pins: [3] }, /pin 0/],
    ["no digest", { schema: head.schema }, /no "modelDigest"/],
  ])("with %s are refused with what was found", (_, value, message) => {
    expect(() => read(value)).toThrow(
      expect.objectContaining({
        code: "ERR_OVERRIDES",
        exitCode: 2,
        message: expect.stringMatching(message),
        hint: expect.stringContaining("schema"),
      }),
    );
    expect(() => read(value)).toThrow(/^pins\.json /);
  });

  it("of another model, or with a layer that there is not, are told apart from damaged ones", () => {
    const mismatch = (message: RegExp) =>
      expect.objectContaining({ code: "ERR_OVERRIDES_MISMATCH", message: expect.stringMatching(message) });
    expect(() => read({ ...head, modelDigest: "e".repeat(64) })).toThrow(mismatch(/eeee.*dddd/));
    expect(() => read({ ...head, pins: ["third"] })).toThrow(mismatch(/"third"/));
  });
});

it("pins are added once, and the plan they are added to stays as it is", () => {
  const plan = withPins(allHalf("d", "finite"), ["a"], "first reason");
  const more = withPins(plan, ["a", "b"]);
  expect(more.pins).toEqual([
    { layer: "a", reason: "first reason" },
    { layer: "b", reason: "trial" },
  ]);
  expect(plan.pins).toHaveLength(1);
});
