import { type BenchRefusal, CancelledError, HalfscopeError } from "@halfscope/core";

/** Errors of a point that leave the others alone; every other error is thrown on. */
export function refusalOf(error: unknown): BenchRefusal {
  if (!(error instanceof HalfscopeError) || error instanceof CancelledError) throw error;
  const { code, message } = error;
  if (code === "ERR_PROFILE") return { kind: "refused", code, reason: reasonOf(message) };
  if (code === "ERR_ENGINE_RUN" || code === "ERR_FEED") return { kind: "failed", code, reason: reasonOf(message) };
  throw error;
}

/** Of everything that was not reached when a person stopped the work. */
export const stoppedRefusal: BenchRefusal = { kind: "stopped", code: "ERR_CANCELLED", reason: "The measurement was stopped before." };

/** Source file, line and signature of the function that complains, then the condition that it asserts where a sentence of its own follows. */
const place =
  /(?:^|(?<=\s))\S+\.(?:cc|h|hpp|cpp|cu|cuh):\d+ (?:[^()]*\((?:[^()]|\([^()]*\))*\)(?: const)?(?: \[with [^\]]*\])? (?:.{1,300}? was false\. (?=\S))?)?/g;

/**
 * An engine's message as one sentence for people: where it was compiled and what its code asserts is left out, the node that failed is not. Line ends, control characters and
 * what could not be decoded become blanks.
 */
export function reasonOf(message: string): string {
  const text = message
    .replace(/[\u0000-\u001f\u007f-\u009f\ufffd\s]+/g, " ")
    .replace(/\[ONNXRuntimeError\] : \d+ : \w+ : /g, "")
    .replace(/Non-zero status code returned while running (\S+) node\. Name:'([^']*)' Status Message: /g, (_, type, name) =>
      name === "" ? `${type} node: ` : `${type} node "${name}": `,
    )
    .replace(place, "")
    .trim();
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
