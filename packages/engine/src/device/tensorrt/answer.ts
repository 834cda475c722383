import type { NativeOutput, NativeRequest } from "./native.js";

/** Long enough that the event loop's turns cost little, short enough that nothing else on it waits noticeably. */
const microsecondsPerTurn = 20;

/**
 * Asks a request for its outputs until it has them, between the event loop's other work. To wake a loop that sleeps takes 50 to 200 microseconds, by machine; this one keeps
 * a core busy instead.
 */
export function answerOf(request: NativeRequest): Promise<NativeOutput[]> {
  return new Promise((resolve, reject) => {
    const turn = () => {
      try {
        const outputs = request.poll(microsecondsPerTurn);
        if (outputs === undefined) setImmediate(turn);
        else resolve(outputs);
      } catch (error) {
        reject(error);
      }
    };
    setImmediate(turn);
  });
}
