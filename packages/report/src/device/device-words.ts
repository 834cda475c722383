import type { BackendName, EngineLayer, EngineMessage, EngineRecord, EngineRole, MessageKind, PinProof } from "@halfscope/core";
import { number, plural } from "../format.js";
import { shortName } from "../names.js";
import type { EngineOutcome } from "./device-view.js";

/** The word for a key, or the key made fit to be shown: results come from anywhere. */
export const wordOfKey = (words: Readonly<Record<string, string>>, key: string): string =>
  Object.hasOwn(words, key) ? (words[key] as string) : shortName(key, 40);

export const roleWords = (role: EngineRole, word: "FP16" | "BF16"): string =>
  wordOfKey(
    {
      reference: "FP32 reference",
      "all-half": `every layer in ${word}`,
      recommended: "recommended pins",
      guides: "as guides advise",
      trial: "trial",
    },
    role,
  );

/** TensorRT has a name for networks whose types are the file's; other libraries know no others. */
export const typingWords = (typing: EngineRecord["typing"], backend: BackendName): string =>
  wordOfKey({ typed: backend === "tensorrt" ? "strongly typed" : "typed by the file", weak: "weakly typed", full: "FP32" }, typing);

export const outcomeWords = (outcome: EngineOutcome): string =>
  wordOfKey({ within: "within", "not-within": "not within", "not-finite": "not finite" }, outcome);

export const proofWords = (outcome: PinProof["outcome"]): string =>
  wordOfKey(
    { "took-effect": "took effect", moved: "moved by fusion", ignored: "ignored", unknown: "not known", "not-found": "not found" },
    outcome,
  );

export const computeWords = (computes: EngineLayer["computes"]): string =>
  wordOfKey(
    { float32: "FP32", float16: "FP16", bfloat16: "BF16", mixed: "mixed types", integer: "integers", unknown: "not known" },
    computes,
  );

const kinds: Readonly<Record<MessageKind, string>> = {
  "layer-norm-overflow": "normalization in FP16 may overflow",
  "weight-subnormal": "weights that are subnormal in FP16",
  "weight-underflow": "weights too small for FP16",
  "weight-overflow": "weights beyond the FP16 range",
  "constant-clamped": "constants that were clamped",
  "precision-fallback": "no implementation in the type asked for",
  "cpu-fallback": "nodes left to the CPU",
  "type-cast": "types that were narrowed",
  "no-implementation": "no implementation found",
  memory: "memory",
  other: "other messages",
};
export const messageKinds: readonly MessageKind[] = Object.keys(kinds) as MessageKind[];
export const messageWords = (kind: MessageKind): string => wordOfKey(kinds, kind);

/** Those that may change numbers or time. */
export const isLoud = (m: EngineMessage): boolean =>
  m.severity === "internal-error" ||
  m.severity === "error" ||
  (["layer-norm-overflow", "weight-overflow", "precision-fallback", "cpu-fallback", "no-implementation"] as const).some(
    (k) => k === m.kind,
  );

/** 1.22 ms. */
export const milliseconds = (t: number | undefined): string => (t === undefined ? number(t) : `${number(t)} ms`);

export const pinsWords = (pins: readonly string[], word: "FP16" | "BF16"): string =>
  pins.length === 0 ? `every layer in ${word}` : plural(pins.length, "pin");
