import type { ErrorSummary } from "@halfscope/core";
import { number } from "../format.js";
import { shortName } from "../names.js";
import { shellQuote } from "./shell.js";

/** A recorded tensor: `test_data_set_0/STEM.pb`, `npy/STEM.npy`, for inputs `raw/STEM.bin`. */
export interface ReproducerFile {
  readonly kind: "input" | "output";
  readonly name: string;
  readonly stem: string;
  readonly dtype: string;
  readonly dims: readonly number[];
}

export interface ReproducerAbout {
  /** File name of the model that it was taken out of, and what was taken. */
  readonly model: string;
  readonly what: string;
  readonly operators: readonly string[];
  readonly files: readonly ReproducerFile[];
  readonly outputs: readonly {
    tensor: string;
    isolated: ErrorSummary | undefined;
    accumulated: ErrorSummary | undefined;
    alone: ErrorSummary | undefined;
  }[];
  readonly sameReference: boolean;
  readonly fault: "same" | "smaller" | undefined;
  /** There is a `model.fp16.onnx`. */
  readonly half: boolean;
  readonly notes: readonly string[];
}

/** A name in a Markdown code span on one line of a table. */
const code = (name: string): string => `\`${shortName(name, 120).replaceAll("`", "'").replaceAll("|", "\\|")}\``;
const error = (e: ErrorSummary | undefined): string =>
  e === undefined
    ? "not measured"
    : e.nonFiniteMismatch > 0
      ? `not finite (${e.nonFiniteMismatch} of ${e.count} elements)`
      : number(e.relativeL2);

/** Why trtexec cannot be told of a name; undefined when it can. */
const sayable = (name: string): boolean => !/[,'*\0]/.test(name);
const said = (name: string): string => (name.includes(":") ? `'${name}'` : name);

/** `reproduce.md`: what the folder holds, the errors, and how to see them with other engines. Names come from the model's file and are quoted. */
export function reproduceNotes(about: ReproducerAbout): string {
  const { files, outputs, operators } = about;
  const counts = new Map<string, number>();
  for (const o of operators) counts.set(o, (counts.get(o) ?? 0) + 1);
  const inputs = files.filter((f) => f.kind === "input");
  const loads = inputs.filter((f) => sayable(f.name)).map((f) => `${said(f.name)}:raw/${f.stem}.bin`);
  const load = loads.length === 0 ? "" : ` ${shellQuote(`--loadInputs=${loads.join(",")}`)}`;
  const wide = inputs.filter((f) => f.dtype === "int64").map((f) => code(f.name));
  const verdict = {
    same: "The fault shows in the extract alone.",
    smaller: "The extract alone shows a smaller error than the layer has in the whole model: take more nodes along with `--with-cause`.",
    none: "The errors could not be compared; see the notes.",
  }[about.fault ?? "none"];
  const lines = [
    `# ${code(about.what)} of ${code(about.model)}`,
    "",
    `Taken out by halfscope: ${operators.length} nodes (${[...counts].map(([o, n]) => `${n} ${shortName(o, 40)}`).join(", ")}), with what came in and out in one FP32 run.`,
    about.sameReference
      ? "Run alone in FP32, it gives the recorded outputs bit for bit."
      : "**Run alone in FP32, it did not give the recorded outputs bit for bit**; see the notes.",
    "",
    "## Error of FP16 (relative L2)",
    "",
    "| output | in the whole model, its layer's own | in the whole model, arrived there | this extract alone |",
    "|---|---|---|---|",
    ...outputs.map((o) => `| ${code(o.tensor)} | ${error(o.isolated)} | ${error(o.accumulated)} | ${error(o.alone)} |`),
    "",
    `${verdict} Every FP16 value was rounded to nearest even, sums were in FP32; inputs are rounded too, as FP16 layers would find them.`,
    "",
    "## Files",
    "",
    "| file | tensor | type | sizes |",
    "|---|---|---|---|",
    ...files.map((f) => `| \`test_data_set_0/${f.stem}.pb\` | ${code(f.name)} | ${f.dtype} | ${f.dims.join(" x ") || "scalar"} |`),
    "",
    "The same tensors lie in `npy/`, the inputs without headers in `raw/`.",
    `\`model.onnx\` is FP32${about.half ? ", `model.fp16.onnx` the same with every node that can be in FP16 (inputs and outputs stay FP32)" : ""}.`,
    "",
    "## See it",
    "",
    "With halfscope, on any machine:",
    "",
    "    halfscope compare model.onnx --feed test_data_set_0",
    "",
    "With ONNX Runtime (Python packages `onnx`, `onnxruntime-gpu`). Its CPU provider computes FP16 in FP32 and hides the loss:",
    "",
    "    python3 reproduce.py model.onnx",
    ...(about.half ? ["    python3 reproduce.py model.fp16.onnx CUDAExecutionProvider"] : []),
    "",
    "With TensorRT: compare `output.json` with the recorded outputs.",
    "",
    ...(about.half
      ? [
          "TensorRT 10 (11 needs no `--stronglyTyped`):",
          "",
          `    trtexec --onnx=model.fp16.onnx --stronglyTyped --noTF32${load} --exportOutput=output.json`,
          "",
        ]
      : []),
    "TensorRT 8.6 and 10, weakly typed:",
    "",
    `    trtexec --onnx=model.onnx --fp16 --noTF32${load} --exportOutput=output.json`,
    ...(wide.length === 0 ? [] : ["", `TensorRT 8.6 takes int64 inputs as int32, with files of half the size: ${wide.join(", ")}.`]),
    ...(loads.length === inputs.length
      ? []
      : ["", "trtexec cannot be told of inputs whose names hold a comma, a quote or a star; it makes up values for them."]),
    ...(about.notes.length === 0 ? [] : ["", "## Notes", "", ...about.notes.map((n) => `- ${shortName(n, 500)}`)]),
    "",
  ];
  return lines.join("\n");
}

/** `reproduce.py`: runs a model of the folder on the recorded inputs. It reads names from the files, so none of them is ever Python. */
export const reproduceScript = `#!/usr/bin/env python3
"""Runs a model on the recorded inputs and compares with the recorded FP32 outputs.

python3 reproduce.py [MODEL [PROVIDER]], for instance: reproduce.py model.fp16.onnx CUDAExecutionProvider
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime

here = pathlib.Path(__file__).resolve().parent
model = sys.argv[1] if len(sys.argv) > 1 else "model.onnx"
provider = sys.argv[2] if len(sys.argv) > 2 else "CPUExecutionProvider"


def recorded(kind):
    paths = sorted((here / "test_data_set_0").glob(kind + "_*.pb"), key=lambda p: int(p.stem.split("_")[1]))
    tensors = [onnx.TensorProto.FromString(p.read_bytes()) for p in paths]
    return {t.name: onnx.numpy_helper.to_array(t) for t in tensors}


options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
session = onnxruntime.InferenceSession(str(here / model), options, providers=[provider])
expected = recorded("output")
found = session.run(list(expected), recorded("input"))
worst = 0.0
for (name, reference), candidate in zip(expected.items(), found):
    r, c = reference.astype(np.float64), candidate.astype(np.float64)
    norm = np.sqrt((r * r).sum())
    relative = np.sqrt(((r - c) ** 2).sum()) / norm if norm > 0 else np.abs(c).max(initial=0.0)
    finite = bool(np.isfinite(c).all())
    print(f"{name!r}: relative L2 {relative:.3g}, largest difference {np.abs(r - c).max(initial=0.0):.3g}" + ("" if finite else ", not finite"))
    worst = max(worst, float(relative)) if finite else float("inf")
sys.exit(0 if worst <= 1e-2 else 1)
`;
