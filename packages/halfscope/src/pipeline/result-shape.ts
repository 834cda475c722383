import { damageIn, list, number, object, optional, text } from "@halfscope/core";

const objects = list(object());
const texts = list(text);

const stats = object({ tensors: objects, outputs: object(), coverage: object(), notSupported: objects });
const verdict = object({ outcome: text, tolerance: number, error: number, outputs: object() });

const coverage = { compared: number, of: number, reason: text };
const engine = object({
  ...{ role: text, title: text, typing: text, pins: texts, marked: number, buildSeconds: number, messages: objects },
  ...{ error: optional(number), failed: optional(text), fusedAttentions: optional(number), halfTimeShare: optional(number) },
  ...{ latency: optional(object()), outputs: optional(object()) },
  notCompared: optional(list(object({ output: text, ...coverage }))),
});
const device = object({
  environment: object({ library: text, version: text, capabilities: object() }),
  options: object(),
  engines: list(engine),
  tensors: optional(
    list(
      object({
        ...{ tensor: text, layer: text, measured: object({ count: number, sumAbs: number, maxAbs: number }) },
        coverage: optional(object(coverage)),
      }),
    ),
  ),
  notObserved: optional(list(object({ tensor: text, reason: text }))),
  marking: optional(list(object({ output: text, difference: object(), markedError: number, unmarkedError: number }))),
  hazards: optional(list(object({ code: text, severity: text, layer: text, tensor: text, evidence: text, fix: text }))),
  trials: optional(list(object({ pins: texts, error: number, why: text, milliseconds: optional(number), failed: optional(text) }))),
  front: optional(list(object({ role: text, pins: texts, error: number, milliseconds: number }))),
});

const document = object({
  model: object({ path: text, digest: text, nodes: number, parameters: number, sizeBytes: number, producer: text, opsets: object() }),
  environment: object({ halfscope: text, onnxruntime: text, provider: text }),
  options: object({ tolerance: number, samples: number }),
  feeds: list(objects),
  layers: list(object({ id: text, kind: text, title: text, blockPath: text })),
  hazards: objects,
  timings: object(),
  warnings: texts,
  isolated: optional(stats),
  accumulated: optional(stats),
  ranking: optional(object({ origins: objects, layers: objects, byKind: objects, byBlock: objects })),
  sensitivity: optional(object({ basePins: texts, sites: objects, layers: objects, measuredError: number })),
  part: optional(object({ basePins: objects })),
  recommendation: optional(object({ outcome: text, tolerance: number, pins: objects, trials: objects, suggestions: objects })),
  overrides: optional(object({ modelDigest: text, pins: objects })),
  verdict: optional(verdict),
  verdictAllHalf: optional(verdict),
  device: optional(device),
});

/** The first part of a result document that is not what it must be, in words; undefined when all are. Files come from anywhere. */
export const findDamage = (value: object): string | undefined => damageIn(value, document);
