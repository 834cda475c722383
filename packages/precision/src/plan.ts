import {
  decodeJson,
  encodeJson,
  type HalfType,
  type Layer,
  type Overrides,
  type Pin,
  type PrecisionPlan,
  UsageError,
} from "@halfscope/core";

/** A plan with every layer in FP16, or bfloat16. */
export const allHalf = (modelDigest: string, constants: PrecisionPlan["constants"], type: HalfType = "float16"): PrecisionPlan => ({
  modelDigest,
  defaultPrecision: type,
  constants,
  pins: [],
});
export const withPins = (plan: PrecisionPlan, layers: readonly string[], reason = "trial"): PrecisionPlan => ({
  ...plan,
  pins: [...plan.pins, ...layers.filter((l) => !plan.pins.some((p) => p.layer === l)).map((layer): Pin => ({ layer, reason }))],
});

export const overridesFromPlan = (plan: PrecisionPlan, about: { model?: string; note?: string } = {}): Overrides => ({
  schema: "halfscope/overrides/1",
  ...about,
  ...plan,
});
/** The editable file's text: two spaces, a line per field. */
export const formatOverrides = (overrides: Overrides): string => `${encodeJson(overrides, 2)}\n`;

/** Type that an overrides file speaks of, FP16 where it does not say: needed before a model's sites are known. Malformed files are `planFromOverrides`'s to refuse. */
export function typeOfOverrides(text: string): HalfType {
  try {
    return (decodeJson(text) as Partial<Overrides> | null)?.defaultPrecision === "bfloat16" ? "bfloat16" : "float16";
  } catch {
    return "float16";
  }
}

/**
 * Reads an overrides file that a person may have edited. A pin may be a bare layer id. Throws ERR_OVERRIDES for anything malformed,
 * ERR_OVERRIDES_MISMATCH for another model's digest or layers that the model does not have.
 */
export function planFromOverrides(
  text: string,
  model: { digest: string; layers: readonly Layer[] },
  file = "the overrides file",
): PrecisionPlan {
  const bad = (found: string) =>
    new UsageError("ERR_OVERRIDES", `${file} ${found}.`, {
      hint: 'It needs {"schema": "halfscope/overrides/1", "modelDigest": ..., "pins": [{"layer": ..., "reason": ...}]}.',
    });
  let document: unknown;
  try {
    document = decodeJson(text);
  } catch (cause) {
    throw bad(`is not JSON: ${(cause as Error).message}`);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) throw bad("holds no JSON object");
  const { schema, modelDigest, defaultPrecision = "float16", constants = "finite", pins = [] } = document as Record<string, unknown>;
  if (schema !== "halfscope/overrides/1") throw bad(`has the schema ${JSON.stringify(schema)}, expected "halfscope/overrides/1"`);
  if (defaultPrecision !== "float16" && defaultPrecision !== "bfloat16" && defaultPrecision !== "float32")
    throw bad(`has the default precision ${JSON.stringify(defaultPrecision)}, expected "float16", "bfloat16" or "float32"`);
  if (constants !== "finite" && constants !== "overflow")
    throw bad(`has "constants": ${JSON.stringify(constants)}, expected "finite" or "overflow"`);
  if (!Array.isArray(pins)) throw bad('has "pins" that are no list');
  if (typeof modelDigest !== "string") throw bad('has no "modelDigest"');
  if (modelDigest !== model.digest)
    throw new UsageError(
      "ERR_OVERRIDES_MISMATCH",
      `${file} belongs to a model with digest ${modelDigest.slice(0, 12)}, but this model's is ${model.digest.slice(0, 12)}.`,
      {
        hint: "Use the overrides made for this file, or make new ones with `halfscope debug`. If the layers are the same, change modelDigest in the file.",
      },
    );
  const known = new Set(model.layers.map((l) => l.id));
  return { modelDigest, defaultPrecision, constants, pins: pins.map((p: unknown, i) => pinFrom(p, i)) };

  function pinFrom(value: unknown, index: number): Pin {
    const pin = typeof value === "string" ? { layer: value } : (value as Partial<Pin> | null);
    if (typeof pin !== "object" || pin === null || typeof pin.layer !== "string") throw bad(`has no layer in pin ${index}`);
    if (!known.has(pin.layer))
      throw new UsageError(
        "ERR_OVERRIDES_MISMATCH",
        `${file} pins the layer ${JSON.stringify(pin.layer)}, which this model does not have.`,
        {
          hint: "List the layers with `halfscope inspect MODEL`.",
        },
      );
    return {
      layer: pin.layer,
      reason: typeof pin.reason === "string" ? pin.reason : "set by hand",
      ...(pin.evidence !== undefined && { evidence: pin.evidence }),
    };
  }
}
