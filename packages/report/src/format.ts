import { html, type Markup } from "./markup.js";
import { longName, shortName } from "./names.js";

/** Shown where there is no value. NaN and the infinities are values. */
export const absent = "–";

/** Three significant digits, fewer where they say it exactly (0.01); NaN and the infinities by name. */
export function number(x: number | undefined): string {
  if (x === undefined) return absent;
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "Inf" : "-Inf";
  if (x === 0) return "0";
  const rounded = Number(x.toPrecision(3));
  const exact = rounded === x;
  const size = Math.abs(rounded);
  if (size >= 1e5 || size < 1e-3) return exact ? rounded.toExponential() : rounded.toExponential(2);
  return exact || size >= 100 ? String(rounded) : x.toPrecision(3);
}

/** Whole numbers with thousands separated: 1,217. */
export const count = (n: number): string => (Number.isFinite(n) ? n.toLocaleString("en-US") : number(n));

/** "1 layer", "2 layers". */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** A share of one as percent, two significant digits below 10 %: 0.21 %. */
export function percent(share: number | undefined): string {
  if (share === undefined) return absent;
  if (!Number.isFinite(share)) return number(share);
  const p = 100 * share;
  return `${p !== 0 && Math.abs(p) < 10 ? p.toPrecision(2) : Math.round(p)} %`;
}

export function bytes(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)} GB`;
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)} MB`;
  return n >= 1e3 ? `${(n / 1e3).toFixed(1)} kB` : plural(n, "byte");
}

export function millions(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toFixed(2)} billion`;
  return n >= 1e6 ? `${(n / 1e6).toFixed(1)} million` : count(n);
}

/** 0.21 s, 12.3 s, 4 min 10 s. */
export function seconds(s: number): string {
  if (!Number.isFinite(s) || s < 100) return `${number(s)} s`;
  const whole = Math.round(s);
  return whole < 3600
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(whole / 3600)} h ${Math.round((whole % 3600) / 60)} min`;
}

/** "8 times smaller", for what pins bought. */
export function timesSmaller(before: number, after: number): string {
  if (after === 0) return "gone";
  const factor = before / after;
  return factor >= 1 ? `${Number(factor.toPrecision(2))} times smaller` : `${Number((1 / factor).toPrecision(2))} times larger`;
}

/** A number in running text, the exact one in its tooltip. */
export const exactly = (x: number | undefined): Markup => {
  const text = number(x);
  return x === undefined || String(x) === text
    ? html`<span class="v">${text}</span>`
    : html`<span class="v" title="${String(x)}">${text}</span>`;
};

/** A cell of a table with a number; `shown` replaces the three digits (a percentage, say). The script of the page sorts by the exact value. */
export function numberCell(x: number | undefined, shown?: string): Markup {
  const text = shown ?? number(x);
  const alarm = x !== undefined && !Number.isFinite(x) ? " alarm" : "";
  return x === undefined || String(x) === text
    ? html`<td class="n${alarm}">${text}</td>`
    : html`<td class="n${alarm}" title="${String(x)}">${text}</td>`;
}
export const countCell = (n: number): Markup => numberCell(n, n === 0 ? "0" : count(n));

/** A name out of the model. It may break behind the marks that paths are made of. */
export function nameOf(name: string, max?: number): Markup {
  const short = shortName(name, max);
  const long = longName(name);
  const parts = short.split(short.includes("/") ? /(?<=\/)(?=.)/ : /(?<=[.:])(?=.)/).map((part, i) => html`${i > 0 && wordBreak}${part}`);
  return short === long ? html`<bdi class="name">${parts}</bdi>` : html`<bdi class="name" title="${long}">${parts}</bdi>`;
}
const wordBreak = html`<wbr>`;

/** A sentence that may break inside of words beyond 16 characters: outside of tables and lists only names have that by style. */
export const breakable = (text: string): Markup =>
  html`${text
    .split(/(\S{16})(?=\S)/)
    .filter((part) => part !== "")
    .map((part) => (/^\S{16}$/.test(part) ? html`${part}${wordBreak}` : part))}`;
