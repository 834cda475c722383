import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { EngineError } from "@halfscope/core";
import { delimitedField, encodeIrVersion, encodeNode, encodeOpset, encodeValueInfo } from "@halfscope/onnx";
import type { DeviceBackend } from "../backend.js";
import type { OrtBackendName } from "./provider-options.js";

/** What to do where ONNX Runtime has no provider for a GPU. */
export const gpuBuildHint =
  "Name a build for GPUs in HALFSCOPE_ORT_LIBRARY: the package onnxruntime-gpu has one in its folder capi, libonnxruntime.so.1.* with its providers beside it. The CPU's predictions need none of it: the same command without --engine.";

/**
 * Builds and runs a model of one node: providers find out what they lack when a session is made, not when they are asked for. Throws EngineError
 * ERR_BACKEND_UNAVAILABLE in one line; `failures` are libraries that did not load before.
 */
export async function probe(backend: DeviceBackend, name: OrtBackendName, title: string, failures: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "halfscope-probe-"));
  try {
    const path = join(folder, "add.onnx");
    await writeFile(path, addition());
    await using engine = await backend.build({ label: title, path, precision: { kind: "full" } });
    const data = new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer);
    const outputs = await engine.run({ tensors: new Map([["x", { dtype: "float32", dims: [4], data }]]) });
    const sums = new Float32Array(outputs.get("sum")?.data.slice().buffer ?? new ArrayBuffer(0));
    if (sums.join() !== "2,4,6,8") throw new EngineError("ERR_ENGINE_RUN", `1 + 1, 2 + 2, 3 + 3 and 4 + 4 gave ${sums.join(", ")}`);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const reason = oneLine(error.message);
    throw new EngineError("ERR_BACKEND_UNAVAILABLE", `${title}: ${reason}`, {
      hint: adviceFor(name, reason),
      cause: error,
      context: { failures },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** ONNX Runtime puts its source file, a signature and its own codes in front of the loader's sentence. */
function oneLine(text: string): string {
  const flat = text.replaceAll(/\s+/g, " ").trim();
  const [, library, reason] = /Failed to load library (\S+) with error: (.*)$/.exec(flat) ?? [];
  if (library !== undefined && reason !== undefined) return `${basename(library)} does not load: ${reason}`;
  return /CU\w+ failure \d+: [^;]+/.exec(flat)?.[0].trim() ?? flat.replace(/^[^:]+ failed: /, "");
}

const stillWorks = "The CPU's predictions need none of it: the same command without --engine.";

function adviceFor(name: OrtBackendName, reason: string): string {
  const missing = /(lib[\w.-]+\.so[\w.]*): cannot open shared object file/.exec(reason)?.[1];
  if (missing === undefined)
    return /^CU\w+ failure/.test(reason) ? `It needs an NVIDIA GPU, and a driver for the CUDA of this build. ${stillWorks}` : stillWorks;
  if (/^libnv(infer|onnxparser)/.test(missing))
    return `Install TensorRT with ${missing} and name its folder in HALFSCOPE_TENSORRT_LIBRARY or LD_LIBRARY_PATH. ${stillWorks}`;
  if (/^libcuda\.so/.test(missing)) return `Install the NVIDIA driver, which brings ${missing}. ${stillWorks}`;
  if (/^libonnxruntime_/.test(missing)) return gpuBuildHint;
  const versions = name === "ort-tensorrt" ? "CUDA's and cuDNN's libraries" : "CUDA's libraries";
  return `Install ${versions} in the version that this build asks for, and name their folders in HALFSCOPE_CUDA_LIBRARIES or LD_LIBRARY_PATH. ${stillWorks}`;
}

/** sum = x + x, four floats. */
function addition(): Uint8Array {
  const message = (number: number, bytes: Uint8Array) => delimitedField(number, [bytes]) as Uint8Array[];
  const graph = Buffer.concat([
    ...message(1, encodeNode({ name: "add", opType: "Add", inputs: ["x", "x"], outputs: ["sum"] })),
    ...message(2, new TextEncoder().encode("probe")),
    ...message(11, encodeValueInfo("x", 1, [4])),
    ...message(12, encodeValueInfo("sum", 1, [4])),
  ]);
  return Buffer.concat([encodeIrVersion(8), ...message(8, encodeOpset("", 13)), ...message(7, graph)]);
}
