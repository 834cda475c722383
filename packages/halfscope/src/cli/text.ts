/** Three significant digits, with NaN and the infinities by name. */
export function number(x: number | undefined): string {
  if (x === undefined) return "-";
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "NaN" : x > 0 ? "Inf" : "-Inf";
  if (x === 0) return "0";
  return Math.abs(x) >= 999.5 || Math.abs(x) < 1e-3 ? x.toExponential(2) : x.toPrecision(3);
}
/** A number that a person gave, as it was given. */
export const given = (x: number): string => (Math.abs(x) < 1e-3 && x !== 0 ? x.toExponential() : String(x));
/** A count as people say it: 950, 12.3 k, 4.5 M, 1.34 G. */
export const amount = (n: number): string =>
  n < 1e3 ? String(n) : n < 1e6 ? `${(n / 1e3).toFixed(1)} k` : n < 1e9 ? `${(n / 1e6).toFixed(1)} M` : `${(n / 1e9).toFixed(2)} G`;
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

/** A path of names within `width`: first the long names inside it lose their ends, for numbers and the last name tell paths apart. */
export function shortenPath(path: string, width: number): string {
  const parts = path.split("/");
  const length = () => parts.reduce((n, p) => n + p.length + 1, -1);
  while (length() > width) {
    const inner = parts.slice(0, -1).map((p) => (/\d/.test(p) ? 0 : p.length));
    const longest = inner.indexOf(Math.max(...inner));
    if ((inner[longest] ?? 0) <= 4) break;
    parts[longest] = `${parts[longest]?.slice(0, 3)}\u2026`;
  }
  return shorten(parts.join("/"), width);
}

/** Text for people, quoted from a file or about one: harmless, not endless, in lines of at most 120 columns behind an indent. */
export const quote = (text: string, indent: number): string =>
  wrap(clip(safe(text)), 120 - indent)
    .split("\n")
    .map((line) => " ".repeat(indent) + line)
    .join("\n");

/** Text in lines of at most `width`; words that are longer are broken. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
    for (; line.length > width; line = line.slice(width)) lines.push(line.slice(0, width));
  }
  return [...lines, line].join("\n");
}
