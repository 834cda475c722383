import { UsageError } from "@halfscope/core";

/** Faults that can be planted. What each does is written in faults.ts. */
export const faultKinds = ["mask-constant", "square-overflow", "ffn-overflow", "noisy-layer"] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface FaultOptions {
  kind: FaultKind;
  /** In the unit of the kind (see `faultDefaults`). */
  strength?: number;
  /** Encoder layer, from 0. Ignored by `mask-constant`, which acts in every layer. */
  layer?: number;
}

/** Sizes default to BERT-large. */
export interface BertOptions {
  /** File to write. */
  path: string;
  /** Encoder layers, default 24. */
  layers?: number;
  /** Width of the residual stream, default 1024; a multiple of `heads`. */
  hidden?: number;
  /** Attention heads, default 16. */
  heads?: number;
  /** Inner width of the feed-forward part, default 4 * hidden. */
  ffn?: number;
  /** Rows of the word embedding, default 30522. */
  vocab?: number;
  /** Rows of the position embedding, default 512. */
  maxPosition?: number;
  /** Default 1. The same options give the same bytes. */
  seed?: number;
  /** `decomposed`: opset 13, LayerNormalization as nine nodes (default). `layernorm`: opset 17, one node each. */
  style?: Style;
  /** Weights in `<path>.data` instead of in the model file. Default false. */
  external?: boolean;
  /** `qa` replaces the output last_hidden_state by start_logits and end_logits. Default `none`. */
  head?: Head;
  faults?: readonly FaultOptions[];
}

export const styles = ["decomposed", "layernorm"] as const;
export type Style = (typeof styles)[number];
export const heads = ["none", "qa"] as const;
export type Head = (typeof heads)[number];

export interface BertConfig {
  path: string;
  layers: number;
  hidden: number;
  heads: number;
  ffn: number;
  vocab: number;
  maxPosition: number;
  seed: number;
  style: Style;
  external: boolean;
  head: Head;
  faults: readonly Fault[];
}

export interface Fault {
  kind: FaultKind;
  strength: number;
  /** undefined where the fault has no place. */
  layer: number | undefined;
}

/** Default strength, and where a fault goes by default: a fraction of the depth, so that faults of several kinds do not share a layer. */
export const faultDefaults: Readonly<Record<FaultKind, { strength: number; depth: number | undefined; unit: string }>> = {
  "mask-constant": { strength: 3.4028234663852886e38, depth: undefined, unit: "magnitude of the mask constant" },
  "square-overflow": { strength: 500, depth: 0.25, unit: "magnitude of two channels that reach LayerNormalization" },
  "noisy-layer": { strength: 256, depth: 0.5, unit: "offset that the product carries and the bias takes away" },
  "ffn-overflow": { strength: 1.5, depth: 0.75, unit: "peak of two hidden units as a multiple of 65504" },
};

/** Fills in defaults and checks sizes. Throws ERR_OPTION. */
export function resolveConfig(options: BertOptions): BertConfig {
  const hidden = options.hidden ?? 1024;
  const config: BertConfig = {
    path: options.path,
    layers: options.layers ?? 24,
    hidden,
    heads: options.heads ?? 16,
    ffn: options.ffn ?? 4 * hidden,
    vocab: options.vocab ?? 30522,
    maxPosition: options.maxPosition ?? 512,
    seed: options.seed ?? 1,
    style: options.style ?? "decomposed",
    external: options.external ?? false,
    head: options.head ?? "none",
    faults: [],
  };
  for (const name of ["layers", "hidden", "heads", "ffn", "vocab", "maxPosition"] as const)
    if (!Number.isSafeInteger(config[name]) || config[name] < 1)
      throw new UsageError("ERR_OPTION", `${name} must be a positive whole number, found ${config[name]}.`);
  if (!Number.isSafeInteger(config.seed) || config.seed < 0)
    throw new UsageError("ERR_OPTION", `seed must be a whole number from 0 on, found ${config.seed}.`);
  if (hidden % config.heads !== 0)
    throw new UsageError("ERR_OPTION", `hidden must be a multiple of heads, found ${hidden} and ${config.heads}.`);
  if (hidden < 8) throw new UsageError("ERR_OPTION", `hidden must be at least 8, found ${hidden}.`);
  return { ...config, faults: (options.faults ?? []).map((fault) => resolveFault(fault, config.layers)) };
}

function resolveFault(fault: FaultOptions, layers: number): Fault {
  const { strength, depth } = faultDefaults[fault.kind];
  const layer = depth === undefined ? undefined : (fault.layer ?? Math.floor(depth * layers));
  const resolved = { kind: fault.kind, strength: fault.strength ?? strength, layer };
  if (!(resolved.strength > 0 && Number.isFinite(resolved.strength)))
    throw new UsageError("ERR_OPTION", `The strength of ${fault.kind} must be a positive number, found ${resolved.strength}.`);
  if (layer !== undefined && !(Number.isSafeInteger(layer) && layer >= 0 && layer < layers))
    throw new UsageError("ERR_OPTION", `The layer of ${fault.kind} must be from 0 to ${layers - 1}, found ${layer}.`);
  return resolved;
}

/** Reads `KIND[:STRENGTH[:LAYER]]`; an empty strength means the default. Throws ERR_OPTION. */
export function parseFault(text: string): FaultOptions {
  const [kind = "", strength = "", layer = "", ...more] = text.split(":");
  const known = faultKinds.find((k) => k === kind);
  const usable = (part: string) => part === "" || Number.isFinite(Number(part));
  if (known === undefined || more.length > 0 || !usable(strength) || !usable(layer))
    throw new UsageError("ERR_OPTION", `--fault expects KIND[:STRENGTH[:LAYER]], found "${text}".`, {
      hint: `Kinds: ${faultKinds.join(", ")}. Example: --fault square-overflow:800:3`,
    });
  return {
    kind: known,
    ...(strength === "" ? {} : { strength: Number(strength) }),
    ...(layer === "" ? {} : { layer: Number(layer) }),
  };
}
