import { CancelledError, EngineError, HalfscopeError, InputError, InternalError } from "@halfscope/core";

const engineCodes = new Set(["ERR_BACKEND_UNAVAILABLE", "ERR_ENGINE_BUILD", "ERR_ENGINE_RUN", "ERR_DISPOSED"] as const);
type EngineCode = typeof engineCodes extends Set<infer Code> ? Code : never;

const hints: Partial<Record<EngineCode, string>> = {
  ERR_ENGINE_BUILD:
    "TensorRT's own words are above. `halfscope inspect` lists the model's layers; a smaller workspace, fewer observed tensors or another typing may build.",
  ERR_BACKEND_UNAVAILABLE: "`halfscope doctor` says what is missing.",
};

/** The addon's error about TensorRT as one of ours, and one of ours as it is; `doing` opens the message. */
export function fromTensorRt(error: unknown, doing: string): Error {
  if (error instanceof HalfscopeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const sentence = `${doing} failed: ${message}${/[.!?]$/.test(message) ? "" : "."}`;
  if (code === "ERR_CANCELLED") return new CancelledError(undefined, { cause: error });
  if (code === "ERR_FEED") return new InputError("ERR_FEED", sentence, { hint: "Look at the engine's inputs.", cause: error });
  if ((engineCodes as Set<string>).has(code)) {
    const hint = hints[code as EngineCode];
    return new EngineError(code as EngineCode, sentence, { ...(hint && { hint }), cause: error });
  }
  return new InternalError(sentence, { cause: error });
}
