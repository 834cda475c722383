/** Three significant digits, with NaN and the infinities by name. */
export function number(x: number | undefined): string {
  if (x === undefined) return "-";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "Inf" : "-Inf";
  if (x === 0) return "0";
  return Math.abs(x) >= 999.5 || Math.abs(x) < 1e-3 ? x.toExponential(2) : x.toPrecision(3);
}
/** A number that a person gave, as it was given. */
export const given = (x: number): string => (Math.abs(x) < 1e-3 && x !== 0 ? x.toExponential() : String(x));
export const percent = (x: number): string => `${(100 * x).toFixed(x > 0 && x < 0.1 ? 1 : 0)} %`;

/** Names come from the model's file: control characters in them must not reach the terminal. */
export const safe = (name: string): string =>
  name.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");

const longest = 2000;
/** Text that quotes a file, cut in the middle when it would flood the terminal. */
export const clip = (text: string): string => shorten(text, longest);

/** At most `width` characters: what is beyond is left out in the middle, for ends of names tell them apart. */
export function shorten(text: string, width: number): string {
  if (text.length <= width) return text;
  const characters = [...text];
  if (characters.length <= width) return text;
  const tail = Math.ceil((width - 1) * 0.6);
  return `${characters.slice(0, width - 1 - tail).join("")}\u2026${characters.slice(-tail).join("")}`;
}
