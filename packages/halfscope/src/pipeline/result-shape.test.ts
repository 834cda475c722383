import { decodeJson, encodeJson } from "@halfscope/core";
import { exampleResult } from "@halfscope/report";
import { describe, expect, it, test } from "vitest";
import { findDamage } from "./result-shape.js";

const whole = decodeJson(encodeJson(exampleResult({ blocks: 1 }))) as Record<string, unknown>;
const engine = { role: "trial", title: "t", typing: "typed", pins: ["a"], marked: 0, buildSeconds: 1, messages: [] };
const device = { environment: { library: "l", version: "1", capabilities: {} }, options: {}, engines: [engine] };

describe("a saved result", () => {
  it("is whole, with a real engine too, and where only its head was measured", () => {
    expect(findDamage(whole)).toBeUndefined();
    expect(findDamage({ ...whole, device })).toBeUndefined();
    const { model, environment, options, feeds, layers, hazards, timings, warnings } = whole;
    expect(findDamage({ model, environment, options, feeds, layers, hazards, timings, warnings })).toBeUndefined();
  });

  test.each<[object, string]>([
    [{ model: undefined }, "model is missing, expected object"],
    [{ options: { tolerance: "1", samples: 1 } }, "options.tolerance is no number"],
    [{ feeds: [[], [7]] }, "feeds[1][0] is no object"],
    [{ feeds: [{}] }, "feeds[0] is no list"],
    [{ layers: [{ id: "a", kind: "MatMul", title: "a" }] }, "layers[0].blockPath is missing, expected text"],
    [{ warnings: ["a", 7] }, "warnings[1] is no text"],
    [{ isolated: null }, "isolated is no object"],
    [{ recommendation: {} }, "recommendation.outcome is missing, expected text"],
    [{ device: { ...device, engines: undefined } }, "device.engines is missing, expected list"],
    [{ device: { ...device, engines: [engine, { ...engine, pins: [7] }] } }, "device.engines[1].pins[0] is no text"],
    [{ device: { ...device, engines: [{ ...engine, latency: 7 }] } }, "device.engines[0].latency is no object"],
    [
      { device: { ...device, engines: [{ ...engine, notCompared: [{ output: "y" }] }] } },
      "device.engines[0].notCompared[0].compared is missing, expected number",
    ],
    [{ device: { ...device, trials: [{ pins: [], why: "w" }] } }, "device.trials[0].error is missing, expected number"],
  ])("says what is wrong: %j", (change, words) => {
    expect(findDamage({ ...whole, ...change })).toBe(words);
  });
});
