import { CancelledError, EngineError, UsageError } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { failureOf } from "./failure.js";

const build = (message: string) => failureOf(new EngineError("ERR_ENGINE_BUILD", message));

describe("why there is no engine", () => {
  it("is the last line of the library's log", () => {
    const log = "Building x with TensorRT failed: TensorRT could not build the engine: first error | Error Code 10: no implementation.";
    expect(build(log)).toEqual({ text: "could not be built: Error Code 10: no implementation.", lasting: true });
    expect(build("one\ntwo\n\n")?.text).toBe("could not be built: two.");
    expect(build("")?.text).toBe("could not be built: the library does not say why.");
    expect(build("x".repeat(5000))?.text.length).toBeLessThan(450);
    expect(failureOf(new EngineError("ERR_ENGINE_RUN", "illegal access"))).toEqual({
      text: "could not be run: illegal access.",
      lasting: false,
    });
  });

  it("does not last where memory decided, or a run", () => {
    expect(build("Error Code 2: OutOfMemory (no further information)")?.lasting).toBe(false);
    expect(build("cudaMalloc: allocation failed")?.lasting).toBe(false);
  });

  it("is nothing that ends the work: a missing library, a slip, a stop", () => {
    for (const error of [
      new EngineError("ERR_BACKEND_UNAVAILABLE", "no driver"),
      new UsageError("ERR_OUTPUT_NOT_WRITABLE", "the disk is full"),
      new CancelledError(),
      new Error("a bug"),
      "text",
    ])
      expect(failureOf(error)).toBeUndefined();
  });

  it("is what came first where disposing failed after it", async () => {
    const work = async () => {
      await using _engine = {
        [Symbol.asyncDispose]: async () => {
          throw new EngineError("ERR_ENGINE_RUN", "the context is gone");
        },
      };
      throw new EngineError("ERR_ENGINE_BUILD", "no kernel");
    };
    const error = await work().catch((e: unknown) => e);
    expect(error).not.toBeInstanceOf(EngineError);
    expect(failureOf(error)?.text).toBe("could not be built: no kernel.");
  });
});
