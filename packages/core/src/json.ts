/**
 * JSON that keeps every number. `JSON.stringify` turns NaN and the infinities into null and -0 into 0; a precision tool
 * must not. They are written as `{"$number": "NaN"}`, so that a tensor that happens to be called "NaN" stays a string.
 */
const names = ["NaN", "Infinity", "-Infinity", "-0"] as const;

export function encodeJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, v: unknown) => {
      if (typeof v !== "number") return v;
      if (Number.isNaN(v)) return { $number: "NaN" };
      if (v === Number.POSITIVE_INFINITY) return { $number: "Infinity" };
      if (v === Number.NEGATIVE_INFINITY) return { $number: "-Infinity" };
      return Object.is(v, -0) ? { $number: "-0" } : v;
    },
    indent,
  );
}

/** Inverse of `encodeJson`. Throws SyntaxError on text that is not JSON. `__proto__` keys are dropped: files are untrusted. */
export function decodeJson(text: string): unknown {
  return JSON.parse(text, (key, v: unknown) => {
    if (key === "__proto__") return undefined;
    if (typeof v !== "object" || v === null || !("$number" in v)) return v;
    const name = (v as { $number: unknown }).$number;
    return names.includes(name as never) && Object.keys(v).length === 1 ? Number(name) : v;
  });
}
