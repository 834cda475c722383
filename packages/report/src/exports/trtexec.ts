import { wordOf } from "../view.js";
import { commandLines, scriptHead, shellQuote } from "./shell.js";
import { addressPins, type ExportedFormat, type ExportFile, type ExportNode, type ExportSubject } from "./subject.js";

export type TrtexecVersion = "8.6" | "10";

/** A graph input as the engine takes it. */
export interface TrtexecInput {
  readonly name: string;
  readonly dims: readonly number[];
  /** Values in the engine's element type: trtexec checks nothing but their number. */
  readonly bytes: Uint8Array;
  /** The model leaves a size open: then the shape must be given; otherwise it must not. */
  readonly dynamic: boolean;
}

/** Linux's limit for one word of a command line, its NUL included (MAX_ARG_STRLEN). */
const longestWord = 131_072;

/**
 * Flags for weakly typed networks: `trtexec.sh`, `flags.json` (a list of words), `inputs/`. Each pinned node gets `--layerPrecisions` and, where all its outputs are floats,
 * `--layerOutputTypes`; one type serves all outputs. TensorRT 11 has none of these flags: it takes the mixed model.
 */
export function exportTrtexec(subject: ExportSubject, version: TrtexecVersion, inputs: readonly TrtexecInput[]): ExportedFormat {
  const { nodes, lost } = addressPins(subject, whyUnsayable);
  // Constants are folded into the layers that read them.
  const layers = nodes.filter((n) => n.opType !== "Constant" && n.opType !== "ConstantOfShape");
  const typed = layers.filter((n) => n.outputTypes.every((t) => t === "float32"));
  const list = (of: readonly ExportNode[]) => of.map((n) => `${said(n.name)}:fp32`).join(",");
  const notes = [
    "trtexec ignores names that the network does not have, without a word: look for the pinned layers in layers.json, which the script writes.",
  ];
  const files: ExportFile[] = [];
  const loads: string[] = [];
  const shapes: string[] = [];
  inputs.forEach((input, i) => {
    const reason = whyUnsayable(input.name);
    if (reason !== undefined) {
      notes.push(`Input "${input.name}" is left to trtexec's random values and sizes: ${reason}.`);
      return;
    }
    // Two names can look alike when made safe for a file: the number tells them apart.
    const path = `inputs/${i}_${input.name.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 100)}.bin`;
    files.push({ path, content: [input.bytes] });
    loads.push(`${said(input.name)}:${path}`);
    if (input.dynamic) shapes.push(`${said(input.name)}:${input.dims.length === 0 ? "1" : input.dims.join("x")}`);
  });
  const bf16 = wordOf(subject.result) === "BF16";
  const words = [
    version === "10" && bf16 ? "--bf16" : "--fp16",
    "--noTF32",
    ...(layers.length === 0 ? [] : ["--precisionConstraints=obey", `--layerPrecisions=${list(layers)}`]),
    ...(typed.length === 0 ? [] : [`--layerOutputTypes=${list(typed)}`]),
    ...(shapes.length === 0 ? [] : ["--minShapes", "--optShapes", "--maxShapes", "--shapes"].map((flag) => `${flag}=${shapes.join(",")}`)),
    ...(loads.length === 0 ? [] : [`--loadInputs=${loads.join(",")}`]),
    "--exportOutput=output.json",
    "--profilingVerbosity=detailed",
    "--exportLayerInfo=layers.json",
  ];
  if (bf16 && version === "8.6")
    notes.push("The plan is for BF16, which TensorRT 8.6 does not have: the flags say FP16, which was not measured.");
  const longest = Math.max(...words.map((w) => new TextEncoder().encode(w).length));
  if (longest >= longestWord)
    notes.push(
      `One flag is ${longest} bytes long and Linux passes at most ${longestWord - 1} in one word, while trtexec reads a flag only once: use the mixed model with ${version === "8.6" ? "a newer TensorRT" : "--stronglyTyped"} instead.`,
    );
  if (version === "10")
    notes.push("Weak typing is deprecated since TensorRT 10.12: `trtexec --stronglyTyped --onnx=mixed.onnx` needs no flags of these.");
  const head = scriptHead(
    [
      `Builds and runs the model with the trtexec of TensorRT ${version}${version === "10" ? ".x" : ""}, weakly typed, the plan's layers in FP32.`,
      "trtexec.sh [MODEL]; writes output.json and layers.json beside itself.",
      "TensorRT 11 has no such flags: give it the mixed model that `halfscope apply` writes.",
    ],
    subject.modelPath,
  );
  const command = commandLines(["exec trtexec", '--onnx="$model"', ...words.map(shellQuote)]);
  return {
    files: [
      { path: "trtexec.sh", content: `${head}${command}\n`, executable: true },
      { path: "flags.json", content: `${JSON.stringify(words, null, 2)}\n` },
      ...files,
    ],
    addressed: nodes.length,
    lost,
    notes,
  };
}

/** Names that trtexec's lists cannot carry: it splits at commas before it looks at quotes, and takes one `*` for any text. */
function whyUnsayable(name: string): string | undefined {
  if (name.includes(",")) return "its name holds a comma, at which trtexec splits";
  if (name.includes("'")) return "its name holds a quote, which trtexec drops";
  return name.includes("*") ? "its name holds a *, which trtexec takes for any text" : undefined;
}

/** A name in a list of trtexec: quoted where it holds what ends a name. */
const said = (name: string): string => (name.includes(":") ? `'${name}'` : name);
