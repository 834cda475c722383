/** Exit codes of the command line (DESIGN: 0 and 1 are results, the rest are errors). */
export const exitCodes = { ok: 0, accuracyNotMet: 1, usage: 2, input: 3, run: 4, bug: 5, cancelled: 130 } as const;

/** Stable error codes. Tools may match on them; never renumber or reuse one. */
export type ErrorCode =
  // usage: exit 2
  | "ERR_OPTION"
  | "ERR_FILE_NOT_FOUND"
  | "ERR_OUTPUT_NOT_WRITABLE"
  | "ERR_OVERRIDES"
  | "ERR_OVERRIDES_MISMATCH"
  | "ERR_RESULT"
  | "ERR_JOURNAL"
  | "ERR_METRIC"
  // model or input: exit 3
  | "ERR_MODEL_PARSE"
  | "ERR_MODEL_EXTERNAL_DATA"
  | "ERR_MODEL_UNSUPPORTED"
  | "ERR_MODEL_CYCLE"
  | "ERR_MODEL_NO_FLOAT"
  | "ERR_FEED"
  | "ERR_FEED_FILE"
  | "ERR_FEED_NOT_FINITE"
  | "ERR_REFERENCE_NOT_FINITE"
  | "ERR_REFERENCE_RANDOM"
  // build or run: exit 4
  | "ERR_BACKEND_UNAVAILABLE"
  | "ERR_ENGINE_BUILD"
  | "ERR_ENGINE_RUN"
  | "ERR_PROFILE"
  | "ERR_PLAN_FILE"
  | "ERR_DISPOSED"
  // a bug in halfscope: exit 5
  | "ERR_INTERNAL"
  | "ERR_CANCELLED";

export interface ErrorDetails {
  /** What the person can do next; one sentence. */
  hint?: string;
  /** Facts for machines; must survive JSON. */
  context?: Record<string, unknown>;
  cause?: unknown;
}

/** Every error that halfscope raises on purpose. `message` says what was expected and what was found. */
export abstract class HalfscopeError extends Error {
  abstract readonly exitCode: number;
  readonly hint: string | undefined;
  readonly context: Record<string, unknown> | undefined;
  constructor(
    readonly code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.hint = details.hint;
    this.context = details.context;
  }
}

/** The command or API was used wrongly. */
export class UsageError extends HalfscopeError {
  readonly exitCode = exitCodes.usage;
}
/** The model, or something fed to it, cannot be used. */
export class InputError extends HalfscopeError {
  readonly exitCode = exitCodes.input;
}
/** An engine could not be built or run. */
export class EngineError extends HalfscopeError {
  readonly exitCode = exitCodes.run;
}
/** The person stopped the work. */
export class CancelledError extends HalfscopeError {
  readonly exitCode = exitCodes.cancelled;
  constructor(message = "Stopped before the work was done.", details: ErrorDetails = {}) {
    super("ERR_CANCELLED", message, details);
  }
}
/** A bug in halfscope: an invariant of ours does not hold. */
export class InternalError extends HalfscopeError {
  readonly exitCode = exitCodes.bug;
  constructor(message: string, details: ErrorDetails = {}) {
    super("ERR_INTERNAL", message, {
      hint: "This is a bug in halfscope; please report it with the command and the model's origin.",
      ...details,
    });
  }
}
