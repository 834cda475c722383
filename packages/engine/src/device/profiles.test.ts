import { InputError, type TensorValue, UsageError } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded } from "../../../../test/support/model-file.js";
import { tensorOf } from "../feeds/elements.js";
import type { OptimizationProfile } from "./backend.js";
import { profileFromFeeds, settleProfiles } from "./fill-profiles.js";
import { parseProfile } from "./profile-text.js";
import { checkProfiles, type ProfileInput, profileInputs } from "./profiles.js";
import { selectProfile } from "./select-profile.js";

const bert: readonly ProfileInput[] = [
  { name: "input_ids", dims: ["batch", "sequence"] },
  { name: "attention_mask", dims: ["batch", "sequence"] },
  { name: "scale", dims: [1] },
];
const image: readonly ProfileInput[] = [{ name: "images", dims: ["batch", 3, "height", "width"] }];
const resized: readonly ProfileInput[] = [
  { name: "x", dims: [1, 3, undefined, undefined] },
  { name: "sizes", dims: [2], isShapeTensor: true },
];

const decoder: readonly ProfileInput[] = [
  { name: "past", dims: ["batch_size", 8, "past_length", 64] },
  { name: "mask", dims: ["batch_size", "past_length + 1"] },
];

const zeros = (dims: readonly number[]): TensorValue => tensorOf("float32", dims, []);
const feedOf = (tensors: Readonly<Record<string, TensorValue>>) => ({ tensors: new Map(Object.entries(tensors)) });
const bertFeed = (batch: number, sequence: number) =>
  feedOf({ input_ids: zeros([batch, sequence]), attention_mask: zeros([batch, sequence]), scale: zeros([1]) });

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("checkProfiles", () => {
  const both = "input_ids=1x1:1x128:8x512,attention_mask=1x1:1x128:8x512";

  it("has nothing to say of profiles that hold", () => {
    expect(checkProfiles([parseProfile(both)], bert)).toEqual([]);
    expect(checkProfiles([parseProfile("images=1x3x64x64:1x3x416x416:4x3x1024x1024")], image)).toEqual([]);
    expect(checkProfiles([], [{ name: "x", dims: [1, 3] }])).toEqual([]);
  });

  const wrong: readonly [string, readonly ProfileInput[], readonly string[], RegExp][] = [
    ["an unknown input", bert, [`${both},input_idz=1`], /^The profile names "input_idz", which is no input of the model\.$/],
    [
      "min above opt",
      image,
      ["images=1x3x64x64:1x3x32x416:4x3x1024x1024"],
      /min 64, opt 32, max 1024 for "images", dimension 2 \(height\)/,
    ],
    ["opt above max", image, ["images=1x3x64x64:8x3x416x416:4x3x1024x1024"], /min 1, opt 8, max 4 for "images", dimension 0 \(batch\)/],
    ["a fixed size changed", image, ["images=1x4x64x64"], /has min 4 for "images", dimension 1, which is 3 in the model/],
    ["another rank", image, ["images=1x3x64"], /gives "images" 3 sizes as min \(1x3x64\); expected 4/],
    ["another rank in max only", image, ["images=1x3x64x64:1x3x64x64:1x3x64"], /gives "images" 3 sizes as max/],
    [
      "a batch of zero",
      bert,
      ["input_ids=0x1:1x128:8x512,attention_mask=1x1:1x128:8x512"],
      /has min 0 for "input_ids", dimension 0 \(batch\); expected a whole number from 1 to/,
    ],
    [
      "a size of zero as max, which serves nothing else",
      decoder,
      ["past=1x8x0x64,mask=1x1"],
      /has max 0 for "past", dimension 2 \(past_length\); expected a whole number from 1 to/,
    ],
    ["a size below zero as min", decoder, ["past=1x8x-1x64:1x8x0x64:1x8x9x64,mask=1x1"], /has min -1 .* expected a whole number from 0 to/],
    ["a size below zero", image, ["images=-1x3x64x64"], /has min -1 for "images"/],
    [
      "a size beyond what TensorRT holds",
      bert,
      ["input_ids=1x1:1x128:8x2147483648,attention_mask=1x1"],
      /has max 2147483648 for "input_ids", dimension 1/,
    ],
    ["an input that is not covered", bert, ["input_ids=1x1:1x128:8x512"], /does not cover the input "attention_mask"/],
    ["no profile at all", bert, [], /The sizes of "input_ids", "attention_mask" are open, and there is no optimisation profile/],
    ["values of a shape tensor of another number", resized, ["x=1x3x8x8,sizes=8:16:32"], /gives "sizes" 1 values as min \(8\); expected 2/],
    ["values of a shape tensor out of order", resized, ["x=1x3x8x8,sizes=8x8:16x4:32x32"], /min 8, opt 4, max 32 for "sizes", value 1/],
  ];
  it.each(wrong)("refuses %s", (_, inputs, texts, message) => {
    const error = errorOf(() => checkProfiles(texts.map(parseProfile), inputs));
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ code: "ERR_PROFILE", message: expect.stringMatching(message), hint: expect.stringMatching(/.+/) });
  });

  it("allows sizes of zero as min and opt: a decoder's past is empty at its first token", () => {
    expect(checkProfiles([parseProfile("past=1x8x0x64:1x8x0x64:4x8x128x64,mask=1x1:1x1:4x129")], decoder)).toEqual([]);
    expect(checkProfiles([parseProfile("x=0x4:8x4:16x4")], [{ name: "x", dims: [undefined, 4] }])).toEqual([]);
    // A product of both counts tokens, not samples.
    expect(checkProfiles([parseProfile("x=0x4:8x4:16x4")], [{ name: "x", dims: ["batch_sequence_length", 4] }])).toEqual([]);
  });

  it("says which sizes may be zero where one may not", () => {
    const hintOf = (text: string) => (errorOf(() => checkProfiles([parseProfile(text)], decoder)) as UsageError).hint;
    expect(hintOf("past=1x8x0x64,mask=1x1")).toMatch(/Only min and opt may be 0: .* 0:0:1/);
    expect(hintOf("past=1x8x0x64:1x8x1x64:0x8x1x64,mask=1x1")).toBe("Give a size that a request can have.");
    expect(hintOf("past=1x8x0x64:0x8x0x64:4x8x128x64,mask=1x1")).toBe("Give a size that a request can have.");
  });

  it("names the profile where there are several, and the input that may be meant", () => {
    const profiles = [both, `${both},atention_mask=1x1`].map(parseProfile);
    expect(errorOf(() => checkProfiles(profiles, bert))).toMatchObject({
      message: expect.stringMatching(/^Profile 2 of 2 names/),
      hint: 'Did you mean "attention_mask"?',
    });
  });

  it("does not take a property of every object for a range", () => {
    expect(errorOf(() => checkProfiles([{ inputs: {} }], [{ name: "constructor", dims: ["n"] }]))).toMatchObject({ code: "ERR_PROFILE" });
  });

  it("takes any rank where the model declares none, but one", () => {
    const open = [{ name: "x", dims: undefined }];
    expect(checkProfiles([parseProfile("x=1x2:1x4:1x8")], open)).toEqual([]);
    expect(errorOf(() => checkProfiles([parseProfile("x=1x2:1x4:8")], open))).toMatchObject({
      message: expect.stringMatching(/different lengths/),
    });
  });

  it("warns where sizes of one name have different ranges", () => {
    const [warning, ...rest] = checkProfiles([parseProfile("input_ids=1x1:1x128:8x512,attention_mask=1x1:1x128:8x256")], bert);
    expect(rest).toEqual([]);
    expect(warning).toMatch(/the size "sequence" is 1:128:512 at "input_ids", dimension 1 and 1:128:256 at "attention_mask", dimension 1/);
  });

  it("allows values of shape tensors at and below zero", () => {
    expect(checkProfiles([parseProfile("x=1x3x8x8,sizes=-1x0:0x0:4x4")], resized)).toEqual([]);
  });
});

describe("settleProfiles", () => {
  it("needs none where every size is fixed", () => {
    expect(settleProfiles([], [{ name: "x", dims: [1, 3] }], [])).toEqual({ profiles: [], notes: [], warnings: [] });
  });

  it("fills an input from sizes of the same name and says so", () => {
    const { profiles, notes } = settleProfiles([parseProfile("input_ids=1x16:2x128:8x512")], bert);
    expect(profiles[0]?.inputs.attention_mask).toEqual({ min: [1, 16], opt: [2, 128], max: [8, 512] });
    expect(notes).toEqual([
      'The profile does not mention "attention_mask"; it takes 1x16:2x128:8x512, from other inputs\' "batch", "sequence".',
    ]);
  });

  it("fills lengths that are sums, as exporters write those of masks", () => {
    const inputs = [
      { name: "past", dims: ["batch", 8, "past_length", 64] },
      { name: "mask", dims: ["batch", "past_length + 1"] },
    ];
    const { profiles } = settleProfiles([parseProfile("past=1x8x1x64:1x8x100x64:4x8x1023x64")], inputs);
    expect(profiles[0]?.inputs.mask).toEqual({ min: [1, 2], opt: [1, 101], max: [4, 1024] });
  });

  it("fills what no name tells from the feeds, size by size", () => {
    const inputs: readonly ProfileInput[] = [
      { name: "ids", dims: ["batch", "sequence"] },
      { name: "pixels", dims: ["batch", 3, "height", "width"] },
    ];
    const feeds = [feedOf({ pixels: zeros([1, 3, 20, 30]) }), feedOf({ pixels: zeros([1, 3, 40, 30]) })];
    const { profiles, notes } = settleProfiles([parseProfile("ids=1x1:2x8:4x16")], inputs, feeds);
    expect(profiles[0]?.inputs.pixels).toEqual({ min: [1, 3, 20, 30], opt: [2, 3, 40, 30], max: [4, 3, 40, 30] });
    expect(notes[0]).toMatch(/from other inputs' "batch" and the input data/);
  });

  it("refuses what nothing tells a range of", () => {
    expect(errorOf(() => settleProfiles([parseProfile("ids=1x1")], [...bert, { name: "ids", dims: [undefined, 1] }]))).toMatchObject({
      code: "ERR_PROFILE",
      message: expect.stringMatching(/does not cover the input "input_ids", "attention_mask"/),
    });
    expect(errorOf(() => settleProfiles([], bert))).toMatchObject({ code: "ERR_PROFILE" });
  });

  it("serves exactly one feed, or the box around several with the commonest sizes as opt", () => {
    const one = settleProfiles([], bert, [bertFeed(1, 128)]);
    expect(one.profiles).toEqual([
      {
        inputs: {
          input_ids: { min: [1, 128], opt: [1, 128], max: [1, 128] },
          attention_mask: { min: [1, 128], opt: [1, 128], max: [1, 128] },
        },
      },
    ]);
    expect(one.notes[0]).toMatch(/input_ids=1x128,attention_mask=1x128/);
    const several = settleProfiles([], bert, [bertFeed(1, 64), bertFeed(1, 128), bertFeed(4, 128)]);
    expect(several.profiles[0]?.inputs.input_ids).toEqual({ min: [1, 64], opt: [1, 128], max: [4, 128] });
  });

  it("serves a decoder whose first sample has an empty past", () => {
    const feed = (past: number) => feedOf({ past: zeros([1, 8, past, 64]), mask: zeros([1, past + 1]) });
    const feeds = [feed(0), feed(16)];
    const { profiles } = settleProfiles([], decoder, feeds);
    expect(profiles[0]?.inputs.past).toEqual({ min: [1, 8, 0, 64], opt: [1, 8, 16, 64], max: [1, 8, 16, 64] });
    for (const each of feeds) expect(selectProfile(profiles, decoder, each)).toBe(0);
    const filled = settleProfiles([parseProfile("past=1x8x0x64:1x8x0x64:1x8x16x64")], decoder).profiles;
    expect(filled[0]?.inputs.mask).toEqual({ min: [1, 1], opt: [1, 1], max: [1, 17] });
    expect(selectProfile(filled, decoder, feed(0))).toBe(0);
  });

  it("takes values of shape tensors, not their shape", () => {
    const feed = feedOf({ x: zeros([1, 3, 8, 8]), sizes: tensorOf("int64", [2], [16, 32]) });
    expect(profileFromFeeds(resized, [feed]).inputs.sizes).toEqual({ min: [16, 32], opt: [16, 32], max: [16, 32] });
    expect(
      profileFromFeeds([{ name: "n", dims: [], isShapeTensor: true }], [feedOf({ n: tensorOf("int32", [], [-7]) })]).inputs.n?.opt,
    ).toEqual([-7]);
  });

  it("says which sample lacks an input, and which has another rank", () => {
    expect(errorOf(() => profileFromFeeds(bert, [bertFeed(1, 2), feedOf({})]))).toMatchObject({
      code: "ERR_PROFILE",
      message: expect.stringMatching(/Sample 2 of the input data has no tensor for "input_ids"/),
    });
    const ranks = [feedOf({ x: zeros([1, 2]) }), feedOf({ x: zeros([1, 2, 3]) })];
    expect(errorOf(() => profileFromFeeds([{ name: "x", dims: undefined }], ranks))).toMatchObject({
      message: expect.stringMatching(/one rank/),
    });
  });

  it("gives every feed that it was made of a profile that serves it", () => {
    const random = seeded(11);
    const size = () => 1 + Math.floor(random() * 40);
    for (let i = 0; i < 200; i++) {
      const feeds = Array.from({ length: 1 + Math.floor(random() * 4) }, () => bertFeed(size(), size()));
      const { profiles, warnings } = settleProfiles([], bert, feeds);
      expect(warnings).toEqual([]);
      for (const feed of feeds) expect(selectProfile(profiles, bert, feed)).toBe(0);
    }
  });
});

describe("selectProfile", () => {
  const profiles = [
    "input_ids=1x1:1x32:1x64,attention_mask=1x1:1x32:1x64",
    "input_ids=1x1:4x128:16x512,attention_mask=1x1:4x128:16x512",
  ].map(parseProfile);

  it("takes the profile whose opt is nearest among those that serve the request", () => {
    expect(selectProfile(profiles, bert, bertFeed(1, 16))).toBe(0);
    expect(selectProfile(profiles, bert, bertFeed(1, 64))).toBe(0);
    expect(selectProfile(profiles, bert, bertFeed(1, 65))).toBe(1);
    expect(selectProfile(profiles, bert, bertFeed(16, 512))).toBe(1);
  });

  it("takes the narrower of two with the same opt, and the first of two alike", () => {
    const wide = parseProfile("x=1:8:64");
    const narrow = parseProfile("x=4:8:16");
    const inputs = [{ name: "x", dims: ["n"] }];
    const feed = feedOf({ x: zeros([8]) });
    expect(selectProfile([wide, narrow], inputs, feed)).toBe(1);
    expect(selectProfile([narrow, narrow], inputs, feed)).toBe(0);
  });

  it("is 0 where there is no profile", () => {
    expect(selectProfile([], bert, bertFeed(3, 3))).toBe(0);
  });

  it("refuses a request outside of all, names the nearest and each size that is out of bounds", () => {
    const error = errorOf(() => selectProfile(profiles, bert, bertFeed(4, 600)));
    expect(error).toBeInstanceOf(InputError);
    expect(error).toMatchObject({
      code: "ERR_PROFILE",
      message:
        'No optimisation profile serves this request. The nearest is profile 2 of 2: "input_ids", dimension 1 (sequence), is 600, served are 1 to 512; "attention_mask", dimension 1 (sequence), is 600, served are 1 to 512.',
      hint: expect.stringContaining("input_ids=1x1:4x128:16x512"),
      context: { profile: 1 },
    });
  });

  it("refuses a missing input and another rank", () => {
    const only = profiles.slice(0, 1);
    expect(errorOf(() => selectProfile(only, bert, feedOf({ input_ids: zeros([1, 2]) })))).toMatchObject({
      message: 'The optimisation profile does not serve this request: "attention_mask" is missing.',
    });
    expect(errorOf(() => selectProfile(only, bert, feedOf({ input_ids: zeros([1, 2, 3]), attention_mask: zeros([1, 2]) })))).toMatchObject({
      message: expect.stringContaining('"input_ids" is 1x2x3, served is 1x1:1x32:1x64'),
    });
  });

  it("looks at values of shape tensors", () => {
    const profile = parseProfile("x=1x3x8x8,sizes=8x8:16x16:32x32");
    const feed = (h: number) => feedOf({ x: zeros([1, 3, 8, 8]), sizes: tensorOf("int64", [2], [h, 16]) });
    expect(selectProfile([profile], resized, feed(32))).toBe(0);
    expect(errorOf(() => selectProfile([profile], resized, feed(33)))).toMatchObject({
      message: expect.stringContaining('"sizes", value 0, is 33, served are 8 to 32'),
    });
  });

  it("agrees with a search through every profile, for any profiles and requests", () => {
    const random = seeded(5);
    const below = (n: number) => Math.floor(random() * n);
    const inputs: readonly ProfileInput[] = [
      { name: "a", dims: ["n", "m"] },
      { name: "b", dims: ["n"] },
    ];
    const range = () => [1 + below(6), 1 + below(6), 1 + below(6)].sort((x, y) => x - y) as [number, number, number];
    let served = 0;
    for (let i = 0; i < 3000; i++) {
      const made = Array.from({ length: 1 + below(4) }, (): OptimizationProfile => {
        const [n, m, k] = [range(), range(), range()];
        return {
          inputs: {
            a: { min: [n[0], m[0]], opt: [n[1], m[1]], max: [n[2], m[2]] },
            b: { min: [k[0]], opt: [k[1]], max: [k[2]] },
          },
        };
      });
      const sizes = { a: [1 + below(6), 1 + below(6)], b: [1 + below(6)] };
      const feed = feedOf({ a: zeros(sizes.a), b: zeros(sizes.b) });
      const distances = made.map((p) =>
        (["a", "b"] as const).reduce((sum, name) => {
          const { min, opt, max } = p.inputs[name] ?? { min: [], opt: [], max: [] };
          return sizes[name].reduce((s, size, d) => {
            const inside = size >= (min[d] ?? 0) && size <= (max[d] ?? 0);
            return s + (inside ? Math.abs(Math.log2(size / (opt[d] ?? 1))) : Number.POSITIVE_INFINITY);
          }, sum);
        }, 0),
      );
      const least = Math.min(...distances);
      if (least === Number.POSITIVE_INFINITY)
        expect(errorOf(() => selectProfile(made, inputs, feed))).toMatchObject({ code: "ERR_PROFILE" });
      else {
        served++;
        expect(distances[selectProfile(made, inputs, feed)]).toBe(least);
      }
    }
    expect(served).toBeGreaterThan(100);
  });
});

describe("profileInputs", () => {
  it("keeps names of open sizes, and marks shape tensors", () => {
    const dims = [
      { size: undefined, symbol: "batch" },
      { size: 3, symbol: undefined },
      { size: undefined, symbol: undefined },
    ];
    expect(
      profileInputs(
        [
          { name: "x", dtype: "float32", dims },
          { name: "s", dtype: "int64", dims: [{ size: 2, symbol: undefined }] },
        ],
        new Set(["s"]),
      ),
    ).toEqual([
      { name: "x", dims: ["batch", 3, undefined] },
      { name: "s", dims: [2], isShapeTensor: true },
    ]);
  });
});
