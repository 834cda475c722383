import { describe, expect, test } from "vitest";
import { describeBackend } from "../testing/describe-backend.js";
import { openOrt } from "./open-ort.js";

// Needs a GPU, a build of ONNX Runtime with its providers (HALFSCOPE_ORT_LIBRARY) and what they ask for; elsewhere it says what is missing.
for (const name of ["ort-cuda", "ort-tensorrt"] as const) {
  const missing = await openOrt(name).then(
    async (backend) => {
      await backend[Symbol.asyncDispose]();
      return undefined;
    },
    (error: Error) => error.message,
  );
  if (missing === undefined) describeBackend(name, () => openOrt(name));
  describe(name, () => {
    test("runs on a GPU, and names it", async (context) => {
      if (missing !== undefined) context.skip(missing);
      await using backend = await openOrt(name);
      expect(backend.environment).toMatchObject({ backend: name, gpu: expect.stringMatching(/./), capabilities: { realHalf: true } });
    });
  });
}
