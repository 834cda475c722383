/** What a part of `result.json` has to be. "list" is of objects. */
type Shape = "text" | "number" | "object" | "list" | "texts" | { readonly [field: string]: Shape };

const stats: Shape = { tensors: "list", outputs: "object", coverage: "object", notSupported: "list" };
const verdict: Shape = { outcome: "text", tolerance: "number", error: "number", outputs: "object" };

const required: Readonly<Record<string, Shape>> = {
  model: { path: "text", digest: "text", nodes: "number", parameters: "number", sizeBytes: "number", producer: "text", opsets: "object" },
  environment: { halfscope: "text", onnxruntime: "text", provider: "text" },
  options: { tolerance: "number", samples: "number" },
  layers: "list",
  hazards: "list",
  timings: "object",
  warnings: "texts",
};
const optional: Readonly<Record<string, Shape>> = {
  isolated: stats,
  accumulated: stats,
  ranking: { origins: "list", layers: "list", byKind: "list", byBlock: "list" },
  sensitivity: { basePins: "texts", sites: "list", layers: "list", measuredError: "number" },
  part: { basePins: "list" },
  recommendation: { outcome: "text", tolerance: "number", pins: "list", trials: "list", suggestions: "list" },
  overrides: { modelDigest: "text", pins: "list" },
  verdict,
  verdictAllHalf: verdict,
  device: { environment: { library: "text", version: "text", capabilities: "object" }, options: "object", engines: "list" },
};

/** Of `device`, where it is there: lists of things that hold these. */
const deviceLists: Readonly<Record<string, { readonly [field: string]: Shape }>> = {
  engines: { role: "text", title: "text", typing: "text", pins: "texts", marked: "number", buildSeconds: "number", messages: "list" },
  tensors: { tensor: "text", layer: "text", measured: { count: "number", sumAbs: "number", maxAbs: "number" } },
  notObserved: { tensor: "text", reason: "text" },
  marking: { output: "text", difference: "object", markedError: "number", unmarkedError: "number" },
  hazards: { code: "text", severity: "text", layer: "text", tensor: "text", evidence: "text", fix: "text" },
  trials: { pins: "texts", error: "number", why: "text" },
  front: { role: "text", pins: "texts", error: "number", milliseconds: "number" },
};

/** Of those, what need not be there. */
const deviceOptional: Readonly<Record<string, { readonly [field: string]: Shape }>> = {
  engines: { error: "number", failed: "text", fusedAttentions: "number", halfTimeShare: "number", latency: "object", outputs: "object" },
  trials: { milliseconds: "number", failed: "text" },
};

/** The first part of a result document that is not what it must be, in words; undefined when all are. Files come from anywhere. */
export function findDamage(document: object): string | undefined {
  const parts = document as Readonly<Record<string, unknown>>;
  const { feeds, layers } = parts;
  const found =
    Object.entries(required)
      .map(([name, shape]) => mismatch(parts[name], shape, name))
      .find((m) => m !== undefined) ??
    Object.entries(optional)
      .map(([name, shape]) => (parts[name] === undefined ? undefined : mismatch(parts[name], shape, name)))
      .find((m) => m !== undefined);
  if (found !== undefined) return found;
  const device = parts.device === undefined ? undefined : deviceDamage(parts.device as Record<string, unknown>);
  if (device !== undefined) return device;
  if (!Array.isArray(feeds) || !feeds.every((f) => Array.isArray(f) && f.every(isObject))) return "feeds is no list of lists";
  return (layers as Record<string, unknown>[]).every((l) => ["id", "kind", "title", "blockPath"].every((k) => typeof l[k] === "string"))
    ? undefined
    : "a layer lacks its id, kind, title or blockPath";
}

function deviceDamage(device: Record<string, unknown>): string | undefined {
  for (const [name, shape] of Object.entries(deviceLists)) {
    const list = device[name];
    if (list === undefined) continue;
    const found =
      mismatch(list, "list", `device.${name}`) ??
      (list as unknown[])
        .map((v, i) => mismatch(v, { ...shape, ...there(v, deviceOptional[name]) }, `device.${name}[${i}]`))
        .find((m) => m !== undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Optional fields that a thing has. */
const there = (v: unknown, shape: { readonly [field: string]: Shape } = {}): { readonly [field: string]: Shape } =>
  Object.fromEntries(Object.entries(shape).filter(([field]) => isObject(v) && v[field] !== undefined));

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);

function mismatch(value: unknown, shape: Shape, name: string): string | undefined {
  if (typeof shape === "object") {
    if (!isObject(value)) return `${name} is no object`;
    return Object.entries(shape)
      .map(([field, inner]) => mismatch(value[field], inner, `${name}.${field}`))
      .find((m) => m !== undefined);
  }
  const fits = {
    text: () => typeof value === "string",
    number: () => typeof value === "number",
    object: () => isObject(value),
    list: () => Array.isArray(value) && value.every(isObject),
    texts: () => Array.isArray(value) && value.every((v) => typeof v === "string"),
  }[shape]();
  return fits
    ? undefined
    : `${name} is missing or no ${{ text: "text", number: "number", object: "object", list: "list of objects", texts: "list of texts" }[shape]}`;
}
