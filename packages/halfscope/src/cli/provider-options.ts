import { type BackendName, UsageError } from "@halfscope/core";

/** Options that would make the figures those of something else, each with what to do instead. */
const refused: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/^use_tf32$/, "TF32 stays off: a reference in TF32 is none."],
  [/^trt_(fp16|bf16|int8|fp8)_enable$/, "Types are those that the file states: halfscope writes them into mixed.onnx."],
  [/^trt_profile_(min|opt|max)_shapes$/, "Give --profile."],
  [/^trt_max_workspace_size$/, "Give --workspace 4GiB."],
  [/^trt_timing_cache_(enable|path)$/, "Give --timing-cache FILE."],
  [/^trt_builder_optimization_level$/, "Give --builder-level 0 to 5."],
];

/**
 * `KEY=VALUE` of --provider-option as an object. Keys with a dot are entries of the session's configuration, `trt_...` the TensorRT provider's, all others the CUDA
 * provider's; whether ONNX Runtime knows them shows when it builds. Throws ERR_OPTION for another form, a key given twice, and what the engine has no use for.
 */
export function providerOptionsFrom(texts: readonly string[], engine: BackendName): Readonly<Record<string, string>> {
  if (engine === "tensorrt")
    throw bad(
      "--provider-option is ONNX Runtime's; the engine is tensorrt.",
      "TensorRT itself has --workspace, --timing-cache and --builder-level.",
    );
  const found = new Map<string, string>();
  for (const text of texts) {
    const [, key = "", value = ""] = /^([A-Za-z_][\w.]*)=(.+)$/s.exec(text.trim()) ?? [];
    if (key === "")
      throw bad(
        `--provider-option needs KEY=VALUE, found ${JSON.stringify(text)}.`,
        "For instance --provider-option cudnn_conv_algo_search=HEURISTIC.",
      );
    if (found.has(key)) throw bad(`--provider-option gives ${key} twice.`, "Give it once.");
    const other = refused.find(([pattern]) => pattern.test(key));
    if (other !== undefined) throw bad(`--provider-option cannot set ${key}.`, other[1]);
    if (engine === "ort-cuda" && key.startsWith("trt_"))
      throw bad(`${key} is an option of the TensorRT provider; the engine is ort-cuda.`, "Give --engine ort-tensorrt.");
    if (engine === "ort-cpu" && !key.includes("."))
      throw bad(
        `The CPU's provider has no options, found ${key}.`,
        "Entries of the session have a dot: session.intra_op.allow_spinning=0.",
      );
    found.set(key, value);
  }
  return Object.fromEntries(found);
}

const bad = (message: string, hint: string): UsageError => new UsageError("ERR_OPTION", message, { hint });
