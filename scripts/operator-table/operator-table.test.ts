/** The committed table is what the schemas say, where a Python with the packages that it was made from is at hand. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { tableVersions } from "@halfscope/precision";
import { expect, it } from "vitest";
import { python } from "../../test/python.js";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

it("generated anew, the table of operators is the committed one", (context) => {
  const interpreter = python(context, "numpy", "onnx", "onnxruntime");
  const run = (...args: string[]) => execFileSync(interpreter, args, { encoding: "utf8", maxBuffer: 2 ** 26 });
  const found = run("-c", "import onnx, onnxruntime; print(onnx.__version__, onnxruntime.__version__)").trim();
  const wanted = `${tableVersions.onnx} ${tableVersions.onnxruntime}`;
  if (found !== wanted) context.skip(`the table was made from onnx and onnxruntime ${wanted}, and this Python has ${found}`);
  expect(run(path("generate.py"), "--print")).toBe(readFileSync(path("../../packages/precision/src/operators-table.ts"), "utf8"));
});

it("the table was made from the packages that the tests' requirements name", () => {
  const requirements = readFileSync(path("../../test/requirements.txt"), "utf8");
  expect(requirements).toContain(`\nonnx==${tableVersions.onnx}\n`);
  expect(requirements).toContain(`\nonnxruntime==${tableVersions.onnxruntime}\n`);
});
