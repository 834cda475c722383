/**
 * Keeps the event loop turning until `work` is settled, and gives what it gives. A loop that has nothing to do sleeps, and is woken by the thread that has
 * done the work: that takes 50 to 300 microseconds, by machine. A loop that turns sees the end of the work in a few, and keeps one core busy meanwhile.
 */
export async function keepTurning<T>(work: Promise<T>): Promise<T> {
  let settled = false;
  const turn = () => {
    if (!settled) setImmediate(turn);
  };
  setImmediate(turn);
  try {
    return await work;
  } finally {
    settled = true;
  }
}
