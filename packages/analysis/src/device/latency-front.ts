import type { DeviceResult, EngineRecord } from "@halfscope/core";

type Front = NonNullable<DeviceResult["front"]>;

/**
 * Engines that no other beats on error and latency (median of a request) at once, fastest first. Engines with tensors marked are none that anybody would serve, and
 * what is not finite is never on the front.
 */
export function latencyFront(engines: readonly EngineRecord[]): Front {
  const points = engines.flatMap((e): Front[number][] => {
    // The reference is what errors are measured against.
    const error = e.role === "reference" ? 0 : e.error;
    if (e.marked > 0 || e.latency === undefined || error === undefined || !Number.isFinite(error) || e.outcome === "not-finite") return [];
    return [{ role: e.role, pins: e.pins, error, milliseconds: e.latency.p50 }];
  });
  const beats = (a: Front[number], b: Front[number], earlier: boolean) =>
    a.error <= b.error && a.milliseconds <= b.milliseconds && (earlier || a.error < b.error || a.milliseconds < b.milliseconds);
  return points.filter((p, i) => !points.some((q, j) => j !== i && beats(q, p, j < i))).sort((a, b) => a.milliseconds - b.milliseconds);
}
