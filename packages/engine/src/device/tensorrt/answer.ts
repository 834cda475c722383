import type { NativeOutput, NativeRequest } from "./native.js";

/** Long enough that the event loop's turns cost little, short enough that nothing else on it waits noticeably. */
const microsecondsPerTurn = 20;

/** In the order in which they were asked. */
const waiting = new Set<NativeRequest>();

/**
 * Asks a request for its outputs until it has them, between the event loop's other work. To wake a loop that sleeps takes 50 to 300 microseconds, by machine; this one keeps
 * a core busy instead. Of several requests the oldest is looked at for a while, the others in passing.
 */
export function answerOf(request: NativeRequest): Promise<NativeOutput[]> {
  waiting.add(request);
  return new Promise((resolve, reject) => {
    const turn = () => {
      try {
        const [oldest] = waiting;
        const outputs = request.poll(request === oldest ? microsecondsPerTurn : 0);
        if (outputs === undefined) {
          setImmediate(turn);
          return;
        }
        waiting.delete(request);
        resolve(outputs);
      } catch (error) {
        waiting.delete(request);
        reject(error);
      }
    };
    setImmediate(turn);
  });
}
