import { wordOf } from "../view.js";
import { commandLines, scriptHead, shellQuote } from "./shell.js";
import { addressPins, type ExportedFormat, type ExportFile, type ExportNode, type ExportSubject, whyGarbled } from "./subject.js";

/** 8.6 and 10 take precision as flags; 11 has no such flags and takes it from the file, as 10 does with `--stronglyTyped`. */
export type TrtexecVersion = "8.6" | "10" | "11";

/** A graph input as the engine takes it. */
export interface TrtexecInput {
  readonly name: string;
  readonly dims: readonly number[];
  /** Values in the engine's element type: trtexec checks nothing but their number. Without them it feeds random ones. */
  readonly bytes: Uint8Array | undefined;
  /** The model leaves a size open: then the shape must be given; otherwise it must not. */
  readonly dynamic: boolean;
}

/** Sizes that one context of the engine serves, by input: what `--profile` of `debug --engine` said. */
export type TrtexecProfile = Readonly<
  Record<string, { readonly min: readonly number[]; readonly opt: readonly number[]; readonly max: readonly number[] }>
>;

/** Linux's limit for one word of a command line, its NUL included (MAX_ARG_STRLEN). */
const longestWord = 131_072;

/**
 * Flags for weakly typed networks (8.6, 10): `trtexec.sh`, `flags.json` (a list of words), `inputs/`. Each pinned node gets `--layerPrecisions` and, where all its outputs are
 * floats, `--layerOutputTypes`; one type serves all outputs. For 8.6 the constants that they read are named too. For 11 the same with no word about precision: `subject.modelPath` is then the mixed model. Open sizes are
 * served as `profiles` say, or exactly as they are fed where there are none.
 */
export function exportTrtexec(
  subject: ExportSubject,
  version: TrtexecVersion,
  inputs: readonly TrtexecInput[],
  profiles: readonly TrtexecProfile[] = [],
): ExportedFormat {
  const typed = version === "11";
  const { nodes, lost } = typed ? { nodes: [], lost: [] } : addressPins(subject, whyUnsayable);
  const notes = typed
    ? []
    : [
        "trtexec ignores names that the network does not have, without a word: look for the pinned layers in layers.json, which the script writes.",
        ...(version === "8.6" ? [] : [betweenConstants]),
      ];
  const constants = version === "8.6" ? sayableTogether(nodes, constantsOf(nodes, subject)) : { names: [], lost: 0 };
  if (constants.lost > 0)
    notes.push(
      `${constants.lost} constants of pinned nodes cannot be named (commas, quotes, stars, names of nodes, or a flag that would be too long): they may be rounded to FP16.`,
    );
  const open = inputs.filter((i) => i.dynamic);
  const serving = profiles.length === 0 ? 0 : profiles.findIndex((p) => open.every((i) => serves(p[i.name], i.dims)));
  if (serving < 0)
    notes.push("No profile serves the inputs that were measured: trtexec runs the first profile's opt sizes with random values.");
  const files: ExportFile[] = [];
  const loads: string[] = [];
  const sayable: TrtexecInput[] = [];
  inputs.forEach((input, i) => {
    const reason = whyUnsayable(input.name);
    if (reason !== undefined) {
      notes.push(`Input "${input.name}" is left to trtexec's random values and sizes: ${reason}.`);
      return;
    }
    sayable.push(input);
    if (input.bytes === undefined || serving < 0) return;
    // Two names can look alike when made safe for a file: the number tells them apart.
    const path = `inputs/${i}_${input.name.replace(/[^A-Za-z0-9._-]/g, "_").slice(0, 100)}.bin`;
    files.push({ path, content: [input.bytes] });
    loads.push(`${said(input.name)}:${path}`);
  });
  const bf16 = wordOf(subject.result) === "BF16";
  const words = [
    ...(typed ? ["--stronglyTyped"] : [version === "10" && bf16 ? "--bf16" : "--fp16"]),
    "--noTF32",
    ...constraints(nodes, constants.names),
    ...shapeWords(version, sayable, profiles, serving, notes),
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
  const command = commandLines(["exec trtexec", '--onnx="$model"', ...words.map(shellQuote)]);
  return {
    files: [
      { path: "trtexec.sh", content: `${scriptHead(aboutScript(version), subject.modelPath)}${command}\n`, executable: true },
      { path: "flags.json", content: `${JSON.stringify(words, null, 2)}\n` },
      ...files,
    ],
    ...(!typed && { addressed: nodes.length }),
    lost,
    notes,
  };
}

const aboutScript = (version: TrtexecVersion): string[] =>
  version === "11"
    ? [
        "Builds and runs the mixed model with the trtexec of TensorRT 11, or of 10 strongly typed: every type as the file's Casts state it.",
        "trtexec.sh [MIXED_MODEL]; writes output.json and layers.json beside itself.",
      ]
    : [
        `Builds and runs the model with the trtexec of TensorRT ${version}${version === "10" ? ".x" : ""}, weakly typed, the plan's layers in FP32.`,
        "trtexec.sh [MODEL]; writes output.json and layers.json beside itself.",
        "TensorRT 11 has no such flags: give it the mixed model that `halfscope apply` writes.",
      ];

const betweenConstants =
  "A pin holds its nodes, not the layers that TensorRT's parser puts between them and their constants (ONNXTRT_Broadcast_...): a bias may be rounded to FP16 there. trtexec-11's file, which states its types, has no such gap.";

/** Constants of pinned nodes, as far as trtexec can be told of them; `lost` is how many others there are. */
interface NamedConstants {
  readonly names: readonly string[];
  readonly lost: number;
}

/**
 * Names of TensorRT's layers for the constants that pinned nodes read: 8.6's parser calls each as the graph calls its tensor (an engine that it
 * made begins with one: "{ForeignNode[embeddings.position_embeddings.weight...", test/hardware/inspector-h200). Measured on 8.6.1: a pinned Add reads its bias
 * rounded to FP16 unless the constant itself has a precision (error 0.0137; 0.00146 with precision and output type), and nothing else is needed. On 10.6 the layer between
 * them needs it, whose name only the parser knows.
 */
function constantsOf(pinned: readonly ExportNode[], { nodes }: ExportSubject): NamedConstants {
  const all = [...new Set(pinned.flatMap((n) => n.constants ?? []))];
  // Where a node has the name too the parser numbers one of both. Constants make no layer of their own.
  const taken = new Set(nodes.filter((n) => n.opType !== "Constant").map((n) => n.name));
  const names = all.filter((name) => whyUnsayable(name) === undefined && whyGarbled(name) === undefined && !taken.has(name));
  return { names, lost: all.length - names.length };
}

/** No constants where they would make a flag too long that fits without them. */
function sayableTogether(nodes: readonly ExportNode[], constants: NamedConstants): NamedConstants {
  const fits = constraints(nodes, constants.names).every((w) => new TextEncoder().encode(w).length < longestWord);
  return fits ? constants : { names: [], lost: constants.names.length + constants.lost };
}

function constraints(nodes: readonly ExportNode[], constants: readonly string[]): string[] {
  // Constants are folded into the layers that read them.
  const layers = nodes.filter((n) => n.opType !== "Constant" && n.opType !== "ConstantOfShape");
  const typed = layers.filter((n) => n.outputTypes.every((t) => t === "float32"));
  const list = (of: readonly ExportNode[]) => [...of.map((n) => n.name), ...constants].map((name) => `${said(name)}:fp32`).join(",");
  return [
    ...(layers.length === 0 ? [] : ["--precisionConstraints=obey", `--layerPrecisions=${list(layers)}`]),
    ...(typed.length + constants.length === 0 ? [] : [`--layerOutputTypes=${list(typed)}`]),
  ];
}

/** `--minShapes` and its kin; `serving` is the profile that serves the inputs, -1 for none. trtexec refuses them for inputs whose sizes the model fixes. */
function shapeWords(
  version: TrtexecVersion,
  inputs: readonly TrtexecInput[],
  profiles: readonly TrtexecProfile[],
  serving: number,
  notes: string[],
): string[] {
  const fed = inputs
    .filter((i) => i.dynamic)
    .map((i) => `${said(i.name)}:${sizes(i.dims)}`)
    .join(",");
  if (profiles.length === 0) return fed === "" ? [] : ["--minShapes", "--optShapes", "--maxShapes", "--shapes"].map((f) => `${f}=${fed}`);
  const used = Math.max(0, serving);
  // trtexec 8.6 builds one profile.
  const built = version === "8.6" ? profiles.slice(used, used + 1) : profiles;
  if (built.length < profiles.length) notes.push(`trtexec 8.6 builds one profile: ${profiles.length - 1} of ${profiles.length} left out.`);
  const several = built.length > 1;
  const words = built.flatMap((profile, index) => {
    const entries = Object.entries(profile).filter(([name]) => whyUnsayable(name) === undefined);
    const list = (which: "min" | "opt" | "max") => entries.map(([name, range]) => `${said(name)}:${sizes(range[which])}`).join(",");
    if (entries.length === 0) return [];
    return [
      ...(several ? [`--profile=${index}`] : []),
      `--minShapes=${list("min")}`,
      `--optShapes=${list("opt")}`,
      `--maxShapes=${list("max")}`,
    ];
  });
  const runs = serving < 0 || fed === "" ? [] : [`--shapes=${fed}`];
  return [...words, ...(several && serving > 0 ? [`--useProfile=${serving}`] : []), ...runs];
}

const sizes = (dims: readonly number[]): string => (dims.length === 0 ? "1" : dims.join("x"));

const serves = (range: TrtexecProfile[string] | undefined, dims: readonly number[]): boolean =>
  range !== undefined && range.min.length === dims.length && dims.every((d, i) => d >= (range.min[i] ?? d) && d <= (range.max[i] ?? d));

/** Names that trtexec's lists cannot carry: it splits at commas before it looks at quotes, and takes one `*` for any text. */
function whyUnsayable(name: string): string | undefined {
  if (name.includes(",")) return "its name holds a comma, at which trtexec splits";
  if (name.includes("'")) return "its name holds a quote, which trtexec drops";
  return name.includes("*") ? "its name holds a *, which trtexec takes for any text" : undefined;
}

/** A name in a list of trtexec: quoted where it holds what ends a name. */
const said = (name: string): string => (name.includes(":") ? `'${name}'` : name);
