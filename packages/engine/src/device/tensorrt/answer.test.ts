import { expect, test } from "vitest";
import { answerOf } from "./answer.js";
import type { NativeOutput, NativeRequest } from "./native.js";

/** Answers when it has been asked so often; keeps how long it was looked at each time. */
function request(polls: number, answer: () => NativeOutput[] = () => []): NativeRequest & { asked: number[] } {
  const asked: number[] = [];
  return { asked, poll: (microseconds) => (asked.push(microseconds) < polls ? undefined : answer()) };
}
const output: NativeOutput = { name: "y", type: 1, dims: [1] };

test("asks until there is an answer, and gives it", async () => {
  const one = request(5, () => [output]);
  expect(await answerOf(one)).toEqual([output]);
  expect(one.asked).toEqual([20, 20, 20, 20, 20]);
});

test("what a request throws rejects, and it is asked no more", async () => {
  const failing = request(2, () => {
    throw new Error("an illegal memory access");
  });
  await expect(answerOf(failing)).rejects.toThrow("an illegal memory access");
  await new Promise((resolve) => setImmediate(resolve));
  expect(failing.asked).toHaveLength(2);
});

test("of several, the oldest is looked at for a while and the others in passing, in whatever order they end", async () => {
  const failing = request(2, () => {
    throw new Error("no");
  });
  const [first, second, third] = [request(3), failing, request(6)];
  const answers = await Promise.allSettled([first, second, third].map(answerOf));
  expect(answers.map((a) => a.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(first?.asked).toEqual([20, 20, 20]);
  expect(second?.asked).toEqual([0, 0]);
  expect(third?.asked.slice(0, 2)).toEqual([0, 0]);
  expect(third?.asked.slice(-3)).toEqual([20, 20, 20]);
});
