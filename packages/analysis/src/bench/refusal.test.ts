import { CancelledError, EngineError, InputError } from "@halfscope/core";
import { describe, expect, it, test } from "vitest";
import { reasonOf, refusalOf } from "./refusal.js";

describe("a refusal", () => {
  it("tells what no profile serves from what failed", () => {
    expect(refusalOf(new InputError("ERR_PROFILE", "outside."))).toEqual({ kind: "refused", code: "ERR_PROFILE", reason: "outside." });
    expect(refusalOf(new EngineError("ERR_ENGINE_RUN", "out of memory")).kind).toBe("failed");
    expect(refusalOf(new InputError("ERR_FEED", "another type")).kind).toBe("failed");
  });
  it("is none of what is no matter of the point", () => {
    for (const error of [new EngineError("ERR_DISPOSED", "gone"), new TypeError("a bug"), new CancelledError()])
      expect(() => refusalOf(error)).toThrow(error);
  });
});

describe("a reason", () => {
  const running = "Running the engine failed: Non-zero status code returned while running";
  test.each([
    [
      `${running} Add node. Name:'/embeddings/Add_1' Status Message: /onnxruntime_src/onnxruntime/core/providers/cpu/math/element_wise_ops.h:583 void onnxruntime::BroadcastIterator::Append(ptrdiff_t, ptrdiff_t) axis == 1 || axis == largest was false. Attempting to broadcast an axis by a dimension other than 1. 64 by 9999\n\ufffd`,
      'Running the engine failed: Add node "/embeddings/Add_1": Attempting to broadcast an axis by a dimension other than 1. 64 by 9999.',
    ],
    [
      `${running} Reshape node. Name:'' Status Message: /a/reshape_helper.h:45 onnxruntime::ReshapeHelper::ReshapeHelper(const onnxruntime::TensorShape&, TensorShapeVector&, bool) input_shape_size == size was false. The input tensor cannot be reshaped to the requested shape. Input shape:{2,4}, requested shape:{1,2,2}`,
      "Running the engine failed: Reshape node: The input tensor cannot be reshaped to the requested shape. Input shape:{2,4}, requested shape:{1,2,2}.",
    ],
    [
      `${running} Gather node. Name:'g' Status Message: indices element out of data bounds, idx=100 must be within the inclusive range [-64,63]`,
      'Running the engine failed: Gather node "g": indices element out of data bounds, idx=100 must be within the inclusive range [-64,63].',
    ],
    [
      "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : /x/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, std::function<void (int)>) Failed to allocate memory for requested buffer of size 9",
      "Failed to allocate memory for requested buffer of size 9.",
    ],
    // Nothing else is left where the condition is all there is, and prose with the same words stays.
    ["/x/a.cc:7 void f() n == 1 was false.", "n == 1 was false."],
    ["What it said was false. Ask again.", "What it said was false. Ask again."],
    ["TensorRT ran out of memory: 12 GiB wanted.", "TensorRT ran out of memory: 12 GiB wanted."],
    ["a\u0000b\r\n\tc", "a b c."],
  ])("of %j is a sentence", (message, reason) => {
    expect(reasonOf(message)).toBe(reason);
  });
  it("of endless brackets takes no endless time", () => {
    const start = Date.now();
    reasonOf(`a.cc:1 f(${"(".repeat(50_000)}`);
    reasonOf(`${"a.b".repeat(50_000)} was false. x`);
    expect(Date.now() - start).toBeLessThan(2000);
  });
});
