import { number, plural } from "./format.js";
import type { View } from "./view.js";

/**
 * Whether fixes are to be preferred to pins, in one sentence with the numbers that say so; undefined where none was tried. Names no layers, so it can stand anywhere.
 */
export function fixAdvice(v: View): string | undefined {
  const { fixes } = v.result;
  if (fixes === undefined || fixes.fixes.length === 0 || fixes.allHalfAfter === undefined) return undefined;
  const pins = v.pins.size;
  const error = (x: number | undefined) =>
    x !== undefined && Number.isFinite(x) ? `the error is ${number(x)}` : "the outputs are not finite";
  const meets = (x: number | undefined) => x !== undefined && x <= v.tolerance;
  const before = error(fixes.allHalfBefore);
  const after = error(fixes.allHalfAfter);
  const they = fixes.fixes.length === 1 ? "it" : "them";
  const within = `within the tolerance of ${number(v.tolerance)}`;
  if (meets(fixes.allHalfAfter))
    return pins > 0
      ? `Prefer ${they} to the ${pins === 1 ? "pin" : plural(pins, "pin")}: with ${they} and no pin at all ${after}, ${within}.`
      : `With every layer in ${v.word}, ${before} without ${they} and ${after} with ${they}: no pin is needed either way.`;
  const rest = fixes.withPins;
  const replaced = rest?.replaced?.length ?? 0;
  if (rest !== undefined && replaced > 0 && meets(rest.error))
    return `Prefer ${they} to ${replaced} of the ${plural(pins, "pin")}: with ${they} and the other ${rest.pins.length}, ${error(rest.error)}, ${within}.`;
  const remain =
    rest !== undefined && rest.pins.length > 0
      ? `; with the ${plural(rest.pins.length, "pin")} that no fix answers ${error(rest.error)}`
      : "";
  return `With every layer in ${v.word}, ${before} without ${they} and ${after} with ${they}${remain}: above the tolerance of ${number(v.tolerance)}, so the pins stay.`;
}
