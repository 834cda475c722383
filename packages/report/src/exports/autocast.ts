import { wordOf } from "../view.js";
import { commandLines, pythonPattern, scriptHead, shellQuote } from "./shell.js";
import { addressPins, type ExportedFormat, type ExportSubject } from "./subject.js";

/**
 * Arguments that make Model Optimizer's AutoCast keep exactly the plan's nodes in FP32: `arguments.json` (a list of words) and `autocast.sh`.
 * AutoCast matches names with `re.match`, which is content with a prefix: patterns are escaped and anchored. Its own rules are switched off: infinite limits
 * on values and weights (with `--data_max inf` it runs no reference either).
 */
export function exportAutocast(subject: ExportSubject): ExportedFormat {
  // `$` also matches in front of a line feed at the end, and AutoCast's log is read by lines.
  const { nodes, lost } = addressPins(subject, (name) => (/[\r\n]/.test(name) ? "its name holds a line feed" : undefined));
  const words = [
    "--low_precision_type",
    wordOf(subject.result) === "FP16" ? "fp16" : "bf16",
    "--keep_io_types",
    "--data_max",
    "inf",
    "--init_max",
    "inf",
    ...(nodes.length === 0 ? [] : ["--nodes_to_exclude", ...nodes.map((n) => pythonPattern(n.name))]),
  ];
  const fused = subject.result.layers.filter(
    (l) => l.kind === "layer-norm" && l.nodes.length > 1 && l.nodes.some((n) => subject.nodes[n]?.pinned === true),
  );
  const notes = [
    ...(fused.length === 0
      ? []
      : [
          `AutoCast first fuses decomposed LayerNormalizations into a node of another name: ${fused.length} pinned layers (${fused[0]?.id}, ...) may lose their pins. Add --op_types_to_exclude LayerNormalization if verify says so.`,
        ]),
    ...((subject.result.model.opsets["ai.onnx"] ?? 99) < 13
      ? ["AutoCast converts models below opset 13 to 13 first; names may change."]
      : []),
  ];
  const head = scriptHead(
    [
      "Converts the model with Model Optimizer's AutoCast (Python package nvidia-modelopt[onnx]), the plan's nodes left in FP32.",
      "autocast.sh [MODEL]",
    ],
    subject.modelPath,
  );
  const command = commandLines([
    "exec python3 -m modelopt.onnx.autocast",
    '--onnx_path="$model"',
    "--output_path=mixed.onnx",
    ...words.map(shellQuote),
  ]);
  return {
    files: [
      { path: "arguments.json", content: `${JSON.stringify(words, null, 2)}\n` },
      { path: "autocast.sh", content: `${head}${command}\n`, executable: true },
    ],
    addressed: nodes.length,
    lost,
    notes,
  };
}
