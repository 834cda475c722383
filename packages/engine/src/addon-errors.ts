import { CancelledError, EngineError, type ErrorCode, InputError, InternalError } from "@halfscope/core";

const engineCodes = new Set<string>(["ERR_BACKEND_UNAVAILABLE", "ERR_ENGINE_BUILD", "ERR_ENGINE_RUN", "ERR_DISPOSED"]);

const refusedModel =
  "ONNX Runtime cannot load this model, also without halfscope: it may use operators, an opset or types that ONNX Runtime lacks, or contradict itself. `halfscope inspect` still lists its layers.";

/** ONNX Runtime opens some messages with its source file and the signature of a function, before the sentence that says what is wrong. */
const withoutPlace = (message: string): string => message.replace(/^\S+\.(?:cc|h):\d+ (?:[\w:]+ )?[\w:]+\(.*?\)(?: const)? (?=[A-Z])/s, "");

/** The addon's error as one of ours; `doing` ("Building the session") opens the message. The stack is the caller's, the addon's has none. */
export function fromNative(error: unknown, doing: string): Error {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ERR_CANCELLED") return new CancelledError(undefined, { cause: error });
  if (code === "ERR_FEED")
    return new InputError("ERR_FEED", `${doing} failed: ${message}.`, { hint: "Look at the session's inputs and outputs.", cause: error });
  if (engineCodes.has(code)) {
    const hint = code === "ERR_ENGINE_BUILD" ? refusedModel : undefined;
    return new EngineError(code as ErrorCode, `${doing} failed: ${withoutPlace(message)}`, { ...(hint && { hint }), cause: error });
  }
  return new InternalError(`${doing} failed: ${message}`, { cause: error });
}
