import { EngineError, InputError } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { fakeBackend } from "../../../../test/support/fake-backend.js";
import { planRound, type TimedPoint, timeInRounds } from "./rounds.js";

const options = { rounds: 4, requests: 100, warmup: 10, maxMilliseconds: 10_000 };
const feed = { tensors: new Map() };
const point = async (milliseconds: (at: { call: number; contexts: number }) => number, o: Partial<TimedPoint> = {}) => {
  const backend = fakeBackend({ inputs: [], outputs: [], model: () => new Map(), milliseconds: (_, at) => milliseconds(at) });
  const engine = await backend.build({ label: "engine", path: "", precision: { kind: "full" } });
  return { backend, point: { engine, feed, batch: 1, contexts: 1, ...o } };
};

describe("a round", () => {
  it("times a share of the requests where there is time", () => {
    expect(planRound(1, 1, options)).toEqual({ warmup: 10, requests: 25 });
    expect(planRound(1, 1, { ...options, requests: 10 })).toEqual({ warmup: 10, requests: 3 });
  });
  it("times fewer of slow ones, with a shorter warm-up, and three at least", () => {
    expect(planRound(100, 1, options)).toEqual({ warmup: 5, requests: 20 });
    expect(planRound(5000, 1, options)).toEqual({ warmup: 1, requests: 3 });
    expect(planRound(5000, 4, options)).toEqual({ warmup: 1, requests: 12 });
  });
  it("keeps to the time that a point has", () => {
    for (const each of [0.01, 1, 30, 100, 400]) {
      const { warmup, requests } = planRound(each, 1, options);
      expect(options.rounds * (warmup + requests) * each).toBeLessThanOrEqual(options.maxMilliseconds);
    }
  });
});

describe("timing in rounds", () => {
  it("leaves the warm-up out and counts it", async () => {
    // Only the first eleven calls, the probe's and the first warm-up's, are slow.
    const { point: p } = await point(({ call }) => (call < 13 ? 50 : 2));
    const [result] = await timeInRounds([p], options);
    expect(result?.latency).toMatchObject({ requests: 100, p50: 2, p99: 2, min: 2, max: 2, mean: 2, variation: 0, warmup: 3 + 4 * 10 });
    expect(result?.rounds.map((r) => r.requests)).toEqual([25, 25, 25, 25]);
    expect(result?.drift).toBe(0);
  });

  it("gives throughput in single requests: batch and contexts count", async () => {
    const { point: p } = await point(() => 4, { batch: 8, contexts: 2 });
    const [result] = await timeInRounds([p], options);
    expect(result?.throughput).toBe((1000 / 4) * 8 * 2);
  });

  it("goes forth and back, so that a clock that falls meets all points alike", async () => {
    const seen: string[] = [];
    const backend = fakeBackend({
      inputs: [],
      outputs: [],
      model: () => new Map(),
      milliseconds: (_, { label, call }) => {
        seen.push(label);
        return 1 + call / 1000;
      },
    });
    const engines = await Promise.all(["a", "b", "c"].map((label) => backend.build({ label, path: "", precision: { kind: "full" } })));
    const results = await timeInRounds(
      engines.map((engine) => ({ engine, feed, batch: 1, contexts: 1 })),
      { ...options, rounds: 2, requests: 6, warmup: 0 },
    );
    expect(seen.filter((label, i) => label !== seen[i - 1]).join("")).toBe("abcabcba");
    const means = results.map((r) => r.latency?.mean ?? 0);
    expect(Math.max(...means) - Math.min(...means)).toBeLessThan(1e-9);
    expect(results.every((r) => (r.drift ?? 0) > 0)).toBe(true);
  });

  it("tells the drift between the first and the last round", async () => {
    const { point: p } = await point(({ call }) => (call < 60 ? 1 : 1.5));
    const [result] = await timeInRounds([p], { ...options, warmup: 0 });
    expect(result?.drift).toBeCloseTo(0.5, 12);
  });

  it("refuses a point that no profile serves, or that fails, and goes on", async () => {
    const failing = (error: Error): TimedPoint => ({ engine: { time: () => Promise.reject(error) }, feed, batch: 2, contexts: 1 });
    const { point: good } = await point(() => 1);
    const results = await timeInRounds(
      [failing(new InputError("ERR_PROFILE", "outside every profile")), failing(new EngineError("ERR_ENGINE_RUN", "out of memory")), good],
      options,
    );
    expect(results.map((r) => r.refusal?.kind)).toEqual(["refused", "failed", undefined]);
    expect(results[0]).toEqual({ refusal: { kind: "refused", code: "ERR_PROFILE", reason: "outside every profile." }, rounds: [] });
    expect(results[2]?.latency?.requests).toBe(100);
  });

  it("tells how much is done", async () => {
    const { point: p } = await point(() => 1);
    const shares: number[] = [];
    await timeInRounds([p, p], { ...options, progress: (s) => shares.push(s) });
    expect(shares).toHaveLength(8);
    expect(shares.at(-1)).toBeCloseTo(1, 12);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  });

  it("keeps the rounds that were finished when it is stopped, and says which points have none", async () => {
    const controller = new AbortController();
    // The 40th call of the second engine is in its second round.
    const { point: early } = await point(() => 1);
    const { point: late } = await point(({ call }) => {
      if (call === 40) controller.abort();
      return 1;
    });
    const results = await timeInRounds([early, late], { ...options, warmup: 0, signal: controller.signal });
    expect(results.map((r) => r.rounds.length)).toEqual([1, 2]);
    expect(results[0]?.latency?.requests).toBe(25);
    expect(results.some((r) => r.refusal !== undefined)).toBe(false);

    const stopped = new AbortController();
    const { point: first } = await point(({ call }) => {
      if (call === 20) stopped.abort();
      return 1;
    });
    const [one, none] = await timeInRounds([first, early], { ...options, warmup: 0, signal: stopped.signal });
    expect(one?.rounds).toHaveLength(1);
    expect(none).toEqual({ refusal: { kind: "stopped", code: "ERR_CANCELLED", reason: expect.any(String) }, rounds: [] });
  });
});
