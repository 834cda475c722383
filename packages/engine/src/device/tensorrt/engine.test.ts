import type { TensorValue } from "@halfscope/core";
import { expect, test } from "vitest";
import { TensorRtEngine } from "./engine.js";
import type { NativeRequestArguments, NativeTensorRt, NativeTensorRtEngine } from "./native.js";

/** An engine that doubles nothing and remembers how it was asked. */
function engine(): { engine: TensorRtEngine; asked: string[]; into: (Uint8Array | undefined)[] } {
  const asked: string[] = [];
  const into: (Uint8Array | undefined)[] = [];
  const answer = (...[, , , targets]: NativeRequestArguments) => {
    into.push(...targets);
    const [given] = targets;
    return [{ name: "y", type: 1, dims: [2], ...(given === undefined && { data: new Uint8Array(8) }) }];
  };
  const native = {
    io: () => [
      { name: "x", type: 1, dims: [2], input: true, onHost: false },
      { name: "y", type: 1, dims: [2], input: false, onHost: false },
    ],
    messages: () => [],
    run: async (...request: NativeRequestArguments) => {
      asked.push("run");
      return answer(...request);
    },
    begin: (...request: NativeRequestArguments) => {
      asked.push("begin");
      return { poll: () => answer(...request) };
    },
    dispose: async () => {},
  } as unknown as NativeTensorRtEngine;
  const made = new TensorRtEngine(
    {} as NativeTensorRt,
    {
      ...{ label: "made up", native, buildSeconds: 0, planBytes: 0, messages: [], notObserved: [], profiles: [] },
      ...{ inputs: [{ name: "x", dims: [2], dtype: "float32", shapeTensor: false }], modelOutputs: ["y"] },
    } as unknown as ConstructorParameters<typeof TensorRtEngine>[1],
  );
  return { engine: made, asked, into };
}
const feed = { tensors: new Map<string, TensorValue>([["x", { dtype: "float32", dims: [2], data: new Uint8Array(8) }]]) };

test("who spins is answered on the engine's own thread, who sleeps on the pool's, and both into the memory that they give", async () => {
  const { engine: e, asked, into } = engine();
  const first = await e.run(feed);
  const spun = await e.run(feed, { wait: "spin", into: first });
  const slept = await e.run(feed, { wait: "sleep", into: spun });
  expect(asked).toEqual(["run", "begin", "run"]);
  expect(into.map((t) => t !== undefined)).toEqual([false, true, true]);
  expect(slept.get("y")?.data).toBe(first.get("y")?.data);
  await e[Symbol.asyncDispose]();
  await expect(e.run(feed, { wait: "spin" })).rejects.toMatchObject({ code: "ERR_DISPOSED" });
});
