import type { DType, TensorValue } from "@halfscope/core";
import { tensorOf } from "@halfscope/engine";
import { describe, expect, it } from "vitest";
import { padAlong, sliceAlong, stackAlong } from "./tensor-axis.js";

/** 0, 1, 2 ... from `from` on. */
const counted = (dims: readonly number[], from = 0, dtype: DType = "float32"): TensorValue =>
  tensorOf(
    dtype,
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => i + from),
  );
const values = (t: TensorValue) => [...new Float32Array(t.data.slice().buffer)];

describe("tensors along an axis", () => {
  for (const axis of [0, 1, 2])
    for (const dtype of ["float32", "int64", "float16", "bool"] as const)
      it(`are stacked and cut apart again, axis ${axis}, ${dtype}`, () => {
        const dims = [2, 3, 4];
        const a = counted(dims, 0, dtype);
        const b = counted(
          dims.map((d, i) => (i === axis ? d + 1 : d)),
          1,
          dtype,
        );
        const both = stackAlong([a, b], axis);
        expect(both.dims).toEqual(dims.map((d, i) => (i === axis ? 2 * d + 1 : d)));
        const size = dims[axis] as number;
        expect(sliceAlong(both, axis, 0, size)).toEqual(a);
        expect(sliceAlong(both, axis, size, 2 * size + 1)).toEqual(b);
      });

  it("are in the order that C has them", () => {
    expect(values(stackAlong([counted([2, 1]), counted([2, 2], 10)], 1))).toEqual([0, 10, 11, 1, 12, 13]);
    expect(values(sliceAlong(counted([2, 3]), 1, 1, 3))).toEqual([1, 2, 4, 5]);
    expect(values(padAlong(counted([2, 2], 1), 1, 3))).toEqual([1, 2, 0, 3, 4, 0]);
    expect(values(padAlong(counted([1, 2], 1), 0, 2))).toEqual([1, 2, 0, 0]);
  });

  it("must have one type and one shape besides that axis", () => {
    expect(() => stackAlong([counted([2, 3]), counted([2, 4])], 0)).toThrow(/cannot be stacked/);
    expect(() => stackAlong([counted([2]), counted([2], 0, "int64")], 0)).toThrow(/cannot be stacked/);
    expect(() => sliceAlong({ dtype: "string", dims: [1], data: new Uint8Array(4) }, 0, 0, 1)).toThrow(/no axis 0/);
  });
});
