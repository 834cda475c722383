const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `stop` when the signal aborts, until the result is disposed of. However many wait, the signal has one listener: dozens of engines at work under one signal are no leak,
 * and Node would warn of one from the eleventh on. A signal that has aborted already calls nobody.
 */
export function onAbort(signal: AbortSignal | undefined, stop: () => void): Disposable {
  if (signal === undefined || signal.aborted) return { [Symbol.dispose]: () => undefined };
  const stops = waiting.get(signal) ?? listen(signal);
  // The same function may be given twice.
  const mine = () => stop();
  stops.add(mine);
  return { [Symbol.dispose]: () => void stops.delete(mine) };
}

function listen(signal: AbortSignal): Set<() => void> {
  const stops = new Set<() => void>();
  waiting.set(signal, stops);
  signal.addEventListener(
    "abort",
    () => {
      for (const stop of [...stops]) stop();
    },
    { once: true },
  );
  return stops;
}
