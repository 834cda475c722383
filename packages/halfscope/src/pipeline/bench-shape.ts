import { damageIn, flag, list, matching, number, object, oneOf, optional, record, text } from "@halfscope/core";

const setting = matching("setting", (value) => ["string", "number", "boolean"].includes(typeof value));
const pair = matching("pair of numbers", (value) => Array.isArray(value) && value.length === 2 && list(number)(value) === undefined);

const file = { path: text, digest: text, sizeBytes: number };
const refusal = object({ kind: oneOf("refused", "failed", "stopped"), code: text, reason: text });
const difference = object({
  ...{ requests: number, bitIdentical: flag, maxAbs: number, meanAbs: number, relativeL2: number, notFinite: number },
  worst: optional(object({ request: number, output: text })),
  decisions: optional(record(object({ count: number, differing: number }))),
  notCompared: optional(list(object({ output: text, reason: text }))),
});
const clocks = object({
  ...{ smMHz: number, memoryMHz: number, powerWatts: optional(number), temperatureC: optional(number) },
  throttle: list(text),
});
const point = { shape: text, batch: number, refusal: optional(refusal) };
const role = oneOf("reference", "candidate");

const document = object({
  halfscope: text,
  model: object(file),
  environment: object({
    ...{ library: text, version: text, gpu: optional(text), driver: optional(text), computeCapability: optional(text) },
    capabilities: object({ realHalf: flag }),
  }),
  machine: object({
    ...{ platform: text, node: text, processor: text, cores: number, memoryBytes: number, instructionSet: optional(text) },
    load: optional(pair),
  }),
  clocks: optional(object({ before: optional(clocks), after: optional(clocks), reason: optional(text) })),
  stopped: optional(object({ comparisons: pair, points: pair, rounds: pair })),
  options: object({
    ...{ batches: list(number), contexts: list(number), rounds: number, requests: number, warmup: number, maxSeconds: number },
    ...{ tolerance: number, threads: optional(number), profiles: optional(list(text)), build: optional(record(setting)) },
  }),
  batching: object({ kind: oneOf("dynamic", "static", "none"), how: text }),
  feeds: list(object({ name: text, dtype: text, dims: list(number), origin: text })),
  shapes: list(object({ name: text, inputs: record(list(number)), requests: number })),
  engines: list(
    object({
      ...{ role, title: text, typing: oneOf("full", "typed", "weak"), path: optional(text), digest: text, sizeBytes: number },
      ...{ pins: optional(list(text)), buildSeconds: number, planBytes: optional(number) },
      messages: list(object({ severity: text, text, count: number })),
      placement: optional(list(object({ provider: text, nodes: number }))),
    }),
  ),
  comparisons: list(
    object({
      ...{ ...point, referenceRefusal: optional(refusal), paddedRefusal: optional(refusal) },
      ...{ single: optional(difference), reference: optional(difference), atOnce: optional(difference), neighbours: optional(difference) },
      padded: optional(object({ mask: text, lengths: list(number), batched: difference, alone: difference })),
    }),
  ),
  points: list(
    object({
      ...{ ...point, role, contexts: number, throughput: optional(number), drift: optional(number) },
      latency: optional(
        object({
          ...{ requests: number, warmup: number, mean: number, p50: number, p95: number, p99: number, min: number, max: number },
          ...{ variation: number, deviceP50: optional(number) },
        }),
      ),
      rounds: list(object({ requests: number, p50: number, wallMilliseconds: number })),
    }),
  ),
  paddingNotTried: optional(text),
  verdict: object({
    outcome: oneOf("within", "not-within", "not-finite", "not-judged"),
    ...{ against: optional(oneOf("reference", "single")), notRealHalf: optional(text), tolerance: number, error: number, mixes: flag },
    worst: optional(object({ shape: text, batch: number, request: number, output: text })),
    batched: optional(object({ maxAbs: number, relativeL2: number, bitIdentical: flag })),
  }),
  warnings: list(text),
  notes: list(text),
});

/** The first part of a saved benchmark that is not what it must be, in words; undefined when all that is rendered is there. Files come from anywhere. */
export const findBenchDamage = (value: unknown): string | undefined => damageIn(value, document);
