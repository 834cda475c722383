import type { EngineMessage, MessageKind } from "@halfscope/core";

const severities = ["info", "info", "warning", "error", "internal-error"] as const;

/** ONNX Runtime's and its providers' messages as data, in the order in which they first came. */
export const messagesOf = (log: readonly { severity: number; text: string; count: number }[]): EngineMessage[] =>
  log.map(({ severity, text, count }) => ({ severity: severities[severity] ?? "internal-error", text, count, kind: kindOf(text) }));

/** By the sentences of ONNX Runtime 1.20 to 1.30, wherever they stand in a message. */
function kindOf(text: string): MessageKind {
  if (/not assigned to the preferred execution providers|Memcpy nodes are added|assigned shape related ops to CPU/i.test(text))
    return "cpu-fallback";
  if (/out of memory|bad_alloc|failed to allocate/i.test(text)) return "memory";
  return "other";
}
