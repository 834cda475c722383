/** Latencies of several engines, measured in turn, so that a machine's clocks and moods meet them all. */
import type { DeviceEngine, Feed } from "@halfscope/engine";
import { short } from "./report-file.js";

export interface Latency {
  rounds: number;
  requests: number;
  /** Milliseconds, median over all rounds' requests. */
  p50: number;
  p95: number;
  p99: number;
  /** Medians of the single rounds: how far they lie apart is what the machine adds. */
  medians: readonly number[];
  /** Median of the engine alone, where the backend has events. */
  deviceP50?: number;
}

export const quantileOf = (sorted: Float64Array | readonly number[], q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
export const medianOf = (values: Iterable<number>): number => quantileOf(Float64Array.from(values).sort(), 0.5);

export async function timeInTurn(
  engines: ReadonlyMap<string, DeviceEngine>,
  feed: Feed,
  { rounds = 5, requests = 100, maxMilliseconds = 2000 }: { rounds?: number; requests?: number; maxMilliseconds?: number } = {},
): Promise<Map<string, Latency>> {
  const wall = new Map<string, number[]>();
  const device = new Map<string, number[]>();
  const medians = new Map<string, number[]>();
  const push = (map: Map<string, number[]>, name: string, values: Iterable<number>) => {
    const list = map.get(name) ?? [];
    for (const v of values) list.push(v);
    map.set(name, list);
  };
  for (let round = 0; round < rounds; round++)
    for (const [name, engine] of engines) {
      const times = await engine.time(feed, { requests, maxMilliseconds, warmup: 10 });
      push(wall, name, times.milliseconds);
      push(medians, name, [short(medianOf(times.milliseconds))]);
      if (times.deviceMilliseconds !== undefined) push(device, name, times.deviceMilliseconds);
    }
  return new Map(
    [...wall].map(([name, values]) => {
      const sorted = Float64Array.from(values).sort();
      const alone = device.get(name);
      return [
        name,
        {
          rounds,
          requests: sorted.length,
          p50: short(quantileOf(sorted, 0.5)),
          p95: short(quantileOf(sorted, 0.95)),
          p99: short(quantileOf(sorted, 0.99)),
          medians: medians.get(name) ?? [],
          ...(alone !== undefined && { deviceP50: short(medianOf(alone)) }),
        },
      ];
    }),
  );
}
