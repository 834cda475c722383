/** Where two parsed documents differ, `path: one / other`, the first few: whole documents side by side tell nobody anything. Numbers are the same to the last bit. */
export function differences(a: unknown, b: unknown, at = "", most = 10): string[] {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    const text = (v: unknown) =>
      (typeof v === "number" ? String(Object.is(v, -0) ? "-0" : v) : (JSON.stringify(v) ?? "nothing")).slice(0, 80);
    return Object.is(a, b) ? [] : [`${at}: ${text(a)} / ${text(b)}`];
  }
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const found: string[] = [];
  if (Array.isArray(a) !== Array.isArray(b)) found.push(`${at}: a list / no list`);
  for (const k of new Set([...Object.keys(one), ...Object.keys(other)])) {
    if (found.length >= most) break;
    found.push(...differences(one[k], other[k], at === "" ? k : `${at}.${k}`, most - found.length));
  }
  return found;
}
