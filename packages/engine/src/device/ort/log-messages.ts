import type { EngineMessage } from "@halfscope/core";
import { type RawMessage, readMessages } from "../messages.js";
import type { NativeLog } from "./native-session.js";

/** As ONNX Runtime counts them: verbose, info, warning, error, fatal. */
const severities: readonly RawMessage["severity"][] = ["verbose", "info", "warning", "error", "internal-error"];

/** ONNX Runtime's and its providers' log as data. What was cut off is said. */
export function messagesOf({ lines, dropped }: NativeLog): EngineMessage[] {
  const messages = readMessages(lines.map(({ severity, text }) => ({ severity: severities[severity] ?? "internal-error", text })));
  if (dropped > 0) messages.push({ severity: "info", text: "Later lines of the log were not kept.", count: dropped, kind: "other" });
  return messages;
}
