import { expect, test } from "vitest";
import { keepTurning } from "./keep-turning.js";

test("gives what the work gives, value or error", async () => {
  expect(await keepTurning(Promise.resolve(7))).toBe(7);
  await expect(keepTurning(Promise.reject(new Error("no")))).rejects.toThrow("no");
});

/** What has been set for the next turn of the event loop, as a timer sees it. */
const turning = () =>
  new Promise<number>((resolve) => setTimeout(() => resolve(process.getActiveResourcesInfo().filter((r) => r === "Immediate").length), 1));

test("the loop turns until the work is settled, serving others, and rests then", async () => {
  expect(await turning()).toBe(0);
  let finish = (_: string) => {};
  const work = new Promise<string>((resolve) => {
    finish = resolve;
  });
  const kept = keepTurning(work);
  expect([await turning(), await turning()]).toEqual([1, 1]);
  finish("done");
  expect(await kept).toBe("done");
  expect(await turning()).toBe(0);
});
