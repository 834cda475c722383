/** What is wrong with a document that should be a plan's sidecar; undefined where nothing is. Files are untrusted: every field that is used is looked at. */
export function damageOf(document: unknown): string | undefined {
  if (!isRecord(document)) return "it is no object";
  if (document.schema !== "halfscope/plan/1")
    return `its schema is ${JSON.stringify(document.schema)?.slice(0, 80)}, expected "halfscope/plan/1"`;
  for (const key of ["version", "gpu", "computeCapability", "title", "modelDigest"])
    if (typeof document[key] !== "string" || document[key] === "") return `"${key}" is no text`;
  if (typeof document.sha256 !== "string" || !/^[0-9a-f]{64}$/.test(document.sha256)) return '"sha256" is no SHA-256';
  const { planBytes } = document;
  if (typeof planBytes !== "number" || !Number.isSafeInteger(planBytes) || planBytes < 1) return '"planBytes" is no number of bytes';
  const { pins } = document;
  if (pins !== undefined && !(Array.isArray(pins) && pins.every((pin) => typeof pin === "string"))) return '"pins" is no list of layers';
  return damageOfPrecision(document.precision) ?? damageOfProfiles(document.profiles);
}

function damageOfPrecision(precision: unknown): string | undefined {
  if (!isRecord(precision)) return '"precision" is no object';
  if (precision.kind === "full" || precision.kind === "typed") return undefined;
  if (precision.kind !== "weak") return '"precision.kind" is none of full, typed, weak';
  if (precision.half !== "float16" && precision.half !== "bfloat16") return '"precision.half" is neither float16 nor bfloat16';
  if (!["none", "prefer", "obey"].includes(precision.constraints as string)) return '"precision.constraints" is none of none, prefer, obey';
  const { pins } = precision;
  const fits = (pin: unknown) =>
    isRecord(pin) && typeof pin.node === "string" && (pin.precision === "float32" || pin.precision === "float16");
  return Array.isArray(pins) && pins.every(fits) ? undefined : '"precision.pins" is no list of pins';
}

function damageOfProfiles(profiles: unknown): string | undefined {
  if (!Array.isArray(profiles)) return '"profiles" is no list';
  for (const [index, profile] of profiles.entries()) {
    if (!isRecord(profile) || !isRecord(profile.inputs)) return `profile ${index + 1} has no inputs`;
    for (const [name, range] of Object.entries(profile.inputs))
      if (!isRecord(range) || ![range.min, range.opt, range.max].every(isSizes))
        return `profile ${index + 1} has no min, opt and max for ${JSON.stringify(name)}`;
  }
  return undefined;
}

/** Dimensions of an ONNX tensor are few; a list without end is none. */
const isSizes = (value: unknown): boolean =>
  Array.isArray(value) && value.length <= 4096 && value.every((size) => Number.isSafeInteger(size));

const isRecord = (value: unknown): value is { readonly [key: string]: unknown } & SidecarFields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Every key that is looked at by name. */
interface SidecarFields {
  readonly schema?: unknown;
  readonly sha256?: unknown;
  readonly planBytes?: unknown;
  readonly precision?: unknown;
  readonly profiles?: unknown;
  readonly kind?: unknown;
  readonly half?: unknown;
  readonly constraints?: unknown;
  readonly pins?: unknown;
  readonly node?: unknown;
  readonly inputs?: unknown;
  readonly min?: unknown;
  readonly opt?: unknown;
  readonly max?: unknown;
}
