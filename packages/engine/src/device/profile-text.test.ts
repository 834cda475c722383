import { UsageError } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../../test/support/model-file.js";
import type { ShapeRange } from "./backend.js";
import { parseProfile, profileText } from "./profile-text.js";

describe("a profile's text", () => {
  it("gives min, opt and max of every input", () => {
    expect(parseProfile("input_ids=1x1:1x128:8x512,attention_mask=1x1:1x128:8x512")).toEqual({
      inputs: {
        input_ids: { min: [1, 1], opt: [1, 128], max: [8, 512] },
        attention_mask: { min: [1, 1], opt: [1, 128], max: [8, 512] },
      },
    });
  });

  it("fixes all three where one shape is given", () => {
    expect(parseProfile("x=2x3").inputs.x).toEqual({ min: [2, 3], opt: [2, 3], max: [2, 3] });
  });

  it("takes colons, equals signs and blanks in names, which end at the last equals sign", () => {
    expect(parseProfile("Input:0=1:2:4, a=b=1x1:2x2:3x3 ,has blank=5").inputs).toEqual({
      "Input:0": { min: [1], opt: [2], max: [4] },
      "a=b": { min: [1, 1], opt: [2, 2], max: [3, 3] },
      "has blank": { min: [5], opt: [5], max: [5] },
    });
  });

  it("takes names with commas, quotes and sizes in single quotes, as trtexec does", () => {
    expect(parseProfile("'a,b=1x2'=1:2:3,'it''s'=4").inputs).toEqual({
      "a,b=1x2": { min: [1], opt: [2], max: [3] },
      "it's": { min: [4], opt: [4], max: [4] },
    });
  });

  it("knows scalars by word and by nothing, and values of shape tensors below zero", () => {
    expect(parseProfile("s=scalar,t=,v=-1x4:0x8:2x16").inputs).toEqual({
      s: { min: [], opt: [], max: [] },
      t: { min: [], opt: [], max: [] },
      v: { min: [-1, 4], opt: [0, 8], max: [2, 16] },
    });
  });

  it("does not take an input called like a property of every object for one that was named", () => {
    expect(Object.keys(parseProfile("constructor=1x2,toString=3").inputs)).toEqual(["constructor", "toString"]);
  });

  const malformed: readonly [string, RegExp][] = [
    ["", /it is empty/],
    ["  ", /it is empty/],
    ["x", /expected NAME=SIZES, found "x"/],
    ["=1x2", /expected NAME=SIZES/],
    ["x=1x2,", /expected NAME=SIZES, found ""/],
    ["x=1x2:3x4", /input "x": expected MIN:OPT:MAX or one shape/],
    ["x=1:2:3:4", /input "x": expected MIN:OPT:MAX or one shape/],
    ["x=1xx2", /input "x": expected whole numbers joined by x, found "1xx2"/],
    ["x=1x2.5", /expected whole numbers/],
    ["x=1,128", /expected NAME=SIZES, found "128"/],
    ["x=99999999999999999999", /expected whole numbers/],
    ["x=1X2", /expected whole numbers/],
    ["x=1,x=2", /names the input "x" twice/],
    ["'x=1", /quoted name does not end/],
    ["'x' 1", /expected '=' and sizes behind the quoted name/],
    ["''=1", /expected '=' and sizes/],
  ];
  it.each(malformed)("refuses %j", (text, message) => {
    expect(() => parseProfile(text)).toThrow(message);
    try {
      parseProfile(text);
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      expect(error).toMatchObject({ code: "ERR_PROFILE", exitCode: 2, hint: expect.stringContaining("NAME=MIN:OPT:MAX") });
    }
  });

  it.each([
    ["a=1x1:1x2:4x2 b=1x1:1x2:4x2", '"a=1x1:1x2:4x2,b=1x1:1x2:4x2"'],
    ["a=1x2 ; b=3x4", '"a=1x2,b=3x4"'],
    ["a=scalar b=3,c=4", '"a=scalar,b=3"'],
  ])("%j wants a comma", (text, meant) => {
    const thrown = (() => {
      try {
        parseProfile(text);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toMatchObject({ code: "ERR_PROFILE", exitCode: 2, message: expect.stringContaining("no comma between two inputs") });
    expect((thrown as UsageError).hint).toContain(`Join inputs with a comma: ${meant}.`);
  });

  it("has such a name in quotes where an input is really called so", () => {
    expect(parseProfile("'a=1x2 b'=3").inputs).toEqual({ "a=1x2 b": { min: [3], opt: [3], max: [3] } });
    expect(profileText(parseProfile("'a=1x2 b'=3"))).toBe("'a=1x2 b'=3");
  });

  it("is read back from what is written, whatever the names and sizes", () => {
    const random = seeded(3);
    const below = (n: number) => Math.floor(random() * n);
    const letters = ["a", "b", ":", "=", ",", "'", " ", "x", "1", "/", ".", "ü", "\\", '"'];
    const name = () => Array.from({ length: 1 + below(6) }, () => letters[below(letters.length)]).join("");
    for (let i = 0; i < 2000; i++) {
      const inputs: Record<string, ShapeRange> = {};
      for (let n = 1 + below(3); n > 0; n--) {
        const rank = below(4);
        const sizes = () => Array.from({ length: rank }, () => below(2000) - 20);
        const min = sizes();
        inputs[name()] = random() < 0.3 ? { min, opt: [...min], max: [...min] } : { min, opt: sizes(), max: sizes() };
      }
      expect(parseProfile(profileText({ inputs }))).toEqual({ inputs });
    }
  });
});
