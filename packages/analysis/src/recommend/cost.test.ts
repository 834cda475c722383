import { describe, expect, it } from "vitest";
import { chainOf, prepare } from "../../../../test/support/chain.js";
import { floats, node, seeded, temporaryFolder } from "../../../../test/support/model-file.js";
import { operationsPerByte, PinCosts, shareOf, workByLayer, workOf } from "./cost.js";

const folder = temporaryFolder();
const chain = async (length: number) => {
  const model = await prepare(folder, chainOf(length));
  return { ...model, costs: new PinCosts(model.roundings.floats, model.types) };
};

describe("the price of pins", () => {
  it("counts operations of products and bytes of everything", async () => {
    const model = await prepare(folder, {
      nodes: [node("MatMul", ["x", "w"], ["y"]), node("Tanh", ["y"], ["z"])],
      inputs: [{ name: "x", dims: [4, 8] }],
      outputs: [{ name: "z", dims: [4, 2] }],
      initializers: [floats("w", [8, 2], new Float32Array(16))],
    });
    const dims = new Map([
      ["x", [4, 8]],
      ["w", [8, 2]],
      ["y", [4, 2]],
      ["z", [4, 2]],
    ]);
    const types = new Map([...dims].map(([name, d]) => [name, { dtype: "float32" as const, dims: d }]));
    const costs = new PinCosts(model.roundings.floats, types);
    const of = (op: string) => costs.layers.get(model.layers.find((l) => l.operators.includes(op))?.id ?? "");
    // Both may be one layer: then it is their sum.
    const product = of("MatMul");
    expect(product?.operations).toBe(2 * 4 * 8 * 2);
    const bytes = 4 * (32 + 16 + 8) + (of("Tanh") === product ? 4 * 16 : 0);
    expect(product).toMatchObject({ bytes, unknown: 0 });
    expect(workOf({ operations: 500, bytes: 7, unknown: 0 })).toBe(7 + 500 / operationsPerByte);
    expect([...costs.work]).toEqual([...workByLayer(model.roundings.floats, types)]);
  });

  it("of none is nothing, and of everything is all the work", async () => {
    const { costs, layers } = await chain(6);
    expect(costs.of([])).toEqual({ operations: 0, bytes: 0, casts: 0, castBytes: 0, fp32Share: 0, castShare: 0 });
    const all = costs.of(layers.map((l) => l.id));
    expect(all.fp32Share).toBeCloseTo(1, 12);
    // The input needs no Cast any more, and the output never did.
    expect(all.casts).toBeLessThanOrEqual(0);
  });

  it("has a Cast on either side of a pinned run, wherever it ends, and none inside", async () => {
    const { costs, layers } = await chain(8);
    const ids = layers.map((l) => l.id);
    expect(costs.of(ids.slice(3, 4)).casts).toBe(2);
    expect(costs.of(ids.slice(2, 6)).casts).toBe(2);
    expect(costs.of([ids[2] ?? "", ids[4] ?? ""]).casts).toBe(4);
    // One 2x2 tensor in FP16 and in FP32.
    expect(costs.of(ids.slice(3, 4)).castBytes).toBe(2 * 4 * 6);
    // At the input the Cast only moves; at the output one goes and one comes.
    expect(costs.of(ids.slice(0, 1)).casts).toBe(0);
  });

  it("added step by step is the price of the whole", async () => {
    const { costs, layers } = await chain(12);
    const random = seeded(7);
    for (let round = 0; round < 30; round++) {
      const order = layers.map((l) => l.id).toSorted(() => random() - 0.5);
      const pinned = new Set<string>();
      let sum = 0;
      for (const at of [0, 3, 4, 9]) {
        const added = order.slice(at, at + 3).filter((l) => !pinned.has(l));
        sum += costs.added(added, (l) => pinned.has(l));
        for (const l of added) pinned.add(l);
        const whole = costs.of(pinned);
        expect(sum).toBeCloseTo(whole.fp32Share * costs.total + whole.castBytes, 8);
      }
    }
  });

  it("says where sizes are not known, and counts what is", async () => {
    const model = await prepare(folder, chainOf(3));
    const types = new Map([...model.types].map(([t, type]) => [t, t === "t1" ? { ...type, dims: [undefined, 2] } : type]));
    const costs = new PinCosts(model.roundings.floats, types);
    expect(costs.unknownLayers.length).toBe(2);
    expect([...costs.layers.values()].reduce((n, c) => n + c.unknown, 0)).toBe(2);
    expect(costs.of(model.layers.map((l) => l.id)).fp32Share).toBeCloseTo(1, 12);
    const none = new PinCosts(model.roundings.floats, new Map([...model.types].map(([t, type]) => [t, { ...type, dims: undefined }])));
    expect(none.of(model.layers.map((l) => l.id))).toMatchObject({ bytes: 0, fp32Share: 0, castShare: 0 });
  });

  it("shares a layer once, however often it is named", () => {
    const work = new Map([
      ["a", 3],
      ["b", 1],
    ]);
    expect([shareOf(["a", "a"], work), shareOf(["b", "c"], work), shareOf(["a"], new Map())]).toEqual([0.75, 0.25, 0]);
  });
});
