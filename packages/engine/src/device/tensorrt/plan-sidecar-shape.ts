import { type Check, damageIn, isObject, list, matching, object, oneOf, optional, record, text } from "@halfscope/core";

const schema = "halfscope/plan/1";

const filled = matching("text with something in it", (value) => typeof value === "string" && value !== "");
const weak = object({
  half: oneOf("float16", "bfloat16"),
  constraints: oneOf("none", "prefer", "obey"),
  pins: list(object({ node: text, precision: oneOf("float32", "float16") })),
});
const anyPrecision = object({ kind: oneOf("full", "typed", "weak") });
const precision: Check = (value) => anyPrecision(value) ?? (isObject(value) && value.kind === "weak" ? weak(value) : undefined);

/** Dimensions of an ONNX tensor are few; a list without end is none. */
const sizes = matching(
  "list of sizes",
  (value) => Array.isArray(value) && value.length <= 4096 && value.every((size) => Number.isSafeInteger(size)),
);

const sidecar = object({
  ...{ version: filled, gpu: filled, computeCapability: filled, title: filled, modelDigest: filled },
  sha256: matching("SHA-256", (value) => typeof value === "string" && /^[0-9a-f]{64}$/.test(value)),
  planBytes: matching("number of bytes", (value) => Number.isSafeInteger(value) && (value as number) >= 1),
  pins: optional(list(text)),
  precision,
  profiles: list(object({ inputs: record(object({ min: sizes, opt: sizes, max: sizes })) })),
});

/** What is wrong with a document that should be a plan's sidecar; undefined where nothing is. Files are untrusted: every field that is used is looked at. */
export const damageOf = (document: unknown): string | undefined =>
  isObject(document) && document.schema !== schema
    ? `its schema is ${JSON.stringify(document.schema)?.slice(0, 80)}, expected "${schema}"`
    : damageIn(document, sidecar);
