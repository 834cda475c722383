import { InternalError, type LatencySummary } from "@halfscope/core";
import type { RequestTimes } from "./backend.js";

/**
 * What a person is told of raw times. Percentiles interpolate linearly between order statistics; `variation` is the standard deviation (n - 1 in its
 * divisor) over the mean, 0 for a single request. Throws InternalError where there is no time, or one that is no time: backends refuse such requests first.
 */
export function summariseLatency(times: RequestTimes, warmup: number): LatencySummary {
  const sorted = checked(times.milliseconds, "request").toSorted();
  const requests = sorted.length;
  const mean = sorted.reduce((sum, t) => sum + t, 0) / requests;
  const squares = sorted.reduce((sum, t) => sum + (t - mean) ** 2, 0);
  const device = times.deviceMilliseconds;
  return {
    requests,
    warmup,
    mean,
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    min: quantile(sorted, 0),
    max: quantile(sorted, 1),
    variation: requests === 1 || mean === 0 ? 0 : Math.sqrt(squares / (requests - 1)) / mean,
    ...(device !== undefined && device.length > 0 && { deviceP50: quantile(checked(device, "device").toSorted(), 0.5) }),
  };
}

/** Requests per second of wall time; of samples where each request is a batch of `batch`. 0 where no time passed. */
export function throughput(times: RequestTimes, batch = 1): number {
  if (!Number.isFinite(times.wallMilliseconds) || times.wallMilliseconds < 0)
    throw new InternalError(`The wall time of ${times.milliseconds.length} requests is ${times.wallMilliseconds} ms.`);
  return times.wallMilliseconds === 0 ? 0 : (1000 * batch * times.milliseconds.length) / times.wallMilliseconds;
}

/**
 * Quantile `p` (0 to 1) of ascending numbers: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50 (1996),
 * which numpy and R use by default. With h = (n - 1) p it is x[floor h] + (h - floor h) (x[floor h + 1] - x[floor h]). NaN of no numbers.
 */
export function quantile(ascending: ArrayLike<number>, p: number): number {
  const h = (ascending.length - 1) * Math.min(Math.max(p, 0), 1);
  const below = ascending[Math.floor(h)] ?? Number.NaN;
  const above = ascending[Math.ceil(h)] ?? Number.NaN;
  return below === above ? below : below + (h - Math.floor(h)) * (above - below);
}

function checked(milliseconds: Float64Array, which: string): Float64Array {
  if (milliseconds.length === 0) throw new InternalError("There is no time to summarise: no request was timed.");
  const broken = milliseconds.findIndex((t) => !Number.isFinite(t) || t < 0);
  if (broken >= 0) throw new InternalError(`The ${which} time ${broken} of ${milliseconds.length} is ${milliseconds[broken]} ms.`);
  return milliseconds;
}
