/** Shared by the benches: medians, memory peaks, and the model that they run on. */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { memoryUsage } from "@halfscope/engine";
import { type BertOptions, makeBert } from "../make-bert/make-bert.js";

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
export const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(q * values.length))] ?? Number.NaN;

/** Folder of made models: kept between benches. */
const cache = resolve(import.meta.dirname, "../../../.cache/bench");

export async function madeBert(name: string, options: Omit<BertOptions, "path"> = {}): Promise<string> {
  const path = join(cache, name, "model.onnx");
  if (existsSync(path)) return path;
  await mkdir(join(cache, name), { recursive: true });
  console.error(`making ${path}`);
  return (await makeBert({ ...options, path })).path;
}

/** Watches anonymous memory while `work` runs; the peak of samples every 5 ms. */
export async function withPeak<T>(work: () => Promise<T>): Promise<{ value: T; rssAnonGb: number; vmHwmGb: number }> {
  let peak = 0;
  const sample = () => {
    peak = Math.max(peak, memoryUsage().rssAnonBytes);
  };
  const timer = setInterval(sample, 5);
  try {
    const value = await work();
    sample();
    return { value, rssAnonGb: peak / 1e9, vmHwmGb: memoryUsage().vmHwmBytes / 1e9 };
  } finally {
    clearInterval(timer);
  }
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}
