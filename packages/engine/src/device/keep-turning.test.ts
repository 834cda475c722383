import { expect, test } from "vitest";
import { keepTurning } from "./keep-turning.js";

test("gives what the work gives, value or error", async () => {
  expect(await keepTurning(Promise.resolve(7))).toBe(7);
  await expect(keepTurning(Promise.reject(new Error("no")))).rejects.toThrow("no");
});

test("the loop turns, serving others, until the work is settled, and rests then", async () => {
  let turns = 0;
  const others = () => {
    turns++;
    if (turns < 50) setImmediate(others);
  };
  setImmediate(others);
  const work = new Promise<string>((resolve) => {
    const look = () => (turns >= 50 ? resolve("done") : setTimeout(look, 0));
    look();
  });
  expect(await keepTurning(work)).toBe("done");
  await new Promise((resolve) => setImmediate(resolve));
  expect(process.getActiveResourcesInfo().filter((r) => r === "Immediate")).toEqual([]);
});
