import { expect, test } from "vitest";
import { keepTurning } from "./keep-turning.js";

/** Turns of the event loop until a promise is settled, and how it was settled. */
async function turnsUntil(work: Promise<unknown>): Promise<{ turns: number; outcome: unknown }> {
  let turns = 0;
  let done = false;
  const count = () => {
    turns++;
    if (!done) setImmediate(count);
  };
  setImmediate(count);
  const outcome = await work.catch((error: unknown) => error);
  done = true;
  return { turns, outcome };
}

test("gives what the work gives, value or error", async () => {
  expect(await keepTurning(Promise.resolve(7))).toBe(7);
  await expect(keepTurning(Promise.reject(new Error("no")))).rejects.toThrow("no");
});

test("the loop serves others meanwhile, and rests when the work is settled", async () => {
  let finish = (_: string) => {};
  const work = new Promise<string>((resolve) => {
    finish = resolve;
  });
  const turning = keepTurning(work);
  setTimeout(() => finish("done"), 20);
  const { turns, outcome } = await turnsUntil(turning);
  expect(outcome).toBe("done");
  expect(turns).toBeGreaterThan(3);
  await new Promise((resolve) => setImmediate(resolve));
  const immediates = process.getActiveResourcesInfo().filter((r) => r === "Immediate");
  expect(immediates).toEqual([]);
});
