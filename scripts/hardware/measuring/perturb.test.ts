import type { TensorValue } from "@halfscope/core";
import type { Feed } from "@halfscope/engine";
import { expect, test } from "vitest";
import { perturbed } from "./perturb.js";

const bytes = (a: Float32Array | Int32Array) => new Uint8Array(a.buffer.slice(0));
const floats = Float32Array.from({ length: 1000 }, (_, i) => (i % 2 === 0 ? 3 : -3));
const ids = Int32Array.from({ length: 1000 }, (_, i) => 5 + (i % 7));
const feed: Feed = {
  tensors: new Map<string, TensorValue>([
    ["x", { dtype: "float32", dims: [10, 100], data: bytes(floats) }],
    ["ids", { dtype: "int32", dims: [1000], data: bytes(ids) }],
    ["rate", { dtype: "int32", dims: [1], data: bytes(Int32Array.of(16000)) }],
  ]),
  origins: new Map(),
};
const tensorOf = (f: Feed, name: string) => f.tensors.get(name) as TensorValue;

test("floats get noise of the size that is asked for; the sample itself stays", () => {
  const changed = new Float32Array(tensorOf(perturbed(feed, 1e-3, 1), "x").data.slice().buffer);
  const rms = Math.sqrt(changed.reduce((s, v, i) => s + (v - (floats[i] ?? 0)) ** 2, 0) / 1000);
  expect(rms).toBeGreaterThan(0.0027);
  expect(rms).toBeLessThan(0.0033);
  expect(tensorOf(feed, "x").data).toEqual(bytes(floats));
});

test("some ids take another's value, sizes stay", () => {
  const after = perturbed(feed, 5e-3, 2);
  const changed = new Int32Array(tensorOf(after, "ids").data.slice().buffer);
  const moved = changed.filter((v, i) => v !== ids[i]).length;
  expect(moved).toBeGreaterThan(0);
  expect(moved).toBeLessThanOrEqual(5);
  for (const v of changed) expect(ids).toContain(v);
  expect(tensorOf(after, "rate")).toBe(tensorOf(feed, "rate"));
});

test("a draw is the same each time, and another than the next", () => {
  expect(tensorOf(perturbed(feed, 1e-3, 3), "x").data).toEqual(tensorOf(perturbed(feed, 1e-3, 3), "x").data);
  expect(tensorOf(perturbed(feed, 1e-3, 3), "x").data).not.toEqual(tensorOf(perturbed(feed, 1e-3, 4), "x").data);
});
