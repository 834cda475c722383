import { afterEach, expect, test, vi } from "vitest";
import { onAbort } from "./on-abort.js";

afterEach(() => {
  vi.restoreAllMocks();
});

test("each waits until it is disposed of, and is called once", () => {
  const controller = new AbortController();
  const called: string[] = [];
  const [first, second] = ["first", "second"].map((name) => onAbort(controller.signal, () => called.push(name)));
  first?.[Symbol.dispose]();
  controller.abort();
  second?.[Symbol.dispose]();
  expect(called).toEqual(["second"]);
});

test("a signal has one listener, however many wait", async () => {
  const warned: Error[] = [];
  const note = (warning: Error) => warned.push(warning);
  process.on("warning", note);
  const { signal } = new AbortController();
  const add = vi.spyOn(signal, "addEventListener");
  for (let i = 0; i < 50; i++) onAbort(signal, () => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", note);
  expect(add).toHaveBeenCalledTimes(1);
  expect(warned).toEqual([]);
});

test("without a signal, and with one that has aborted, nobody is called", () => {
  const stop = vi.fn();
  onAbort(undefined, stop)[Symbol.dispose]();
  onAbort(AbortSignal.abort(), stop)[Symbol.dispose]();
  expect(stop).not.toHaveBeenCalled();
});
