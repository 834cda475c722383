import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { terminalProgress } from "./terminal-progress.js";

let said: string[] = [];
const { isTTY } = process.stderr;
beforeEach(() => {
  said = [];
  vi.useFakeTimers();
  vi.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
  process.stderr.isTTY = false;
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  process.stderr.isTTY = isTTY;
});

function after(seconds: number, work: () => void): string {
  vi.advanceTimersByTime(1000 * seconds);
  said = [];
  work();
  return said.join("");
}

it("tells the time left, a line every 15 s where there is no terminal, and what a long step took", () => {
  const step = terminalProgress().step("Sweeping", 100);
  expect(after(1, () => step.update(5))).toBe("");
  expect(after(15, () => step.update(25))).toBe("Sweeping: 25 %, 48 s left\n");
  expect(after(5, () => step.update(30))).toBe("");
  expect(after(20, () => step.end())).toBe("Sweeping · 41 s\n");
});

it("tells no time left from units that take very different times, or where nobody knows how many there are", () => {
  const progress = terminalProgress();
  const uneven = progress.step("Building", 1000, { steady: false });
  const open = progress.step("Waiting");
  expect(after(20, () => uneven.update(670))).toBe("Building: 67 %, 20 s so far\n");
  expect(after(0, () => open.update(0))).toBe("Waiting: 20 s so far\n");
});
