/**
 * Markup that cannot forget to escape: `html` escapes every value that is not itself Markup. Names in a result come from a model's file and are
 * untrusted, so no other code of this package puts strings together into HTML or SVG.
 */
export class Markup {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

export type Renderable = Markup | string | number | undefined | false | readonly Renderable[];

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** Text as HTML: safe between tags and inside quoted attributes. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => escapes[c] ?? c);

/** Tagged template for HTML and SVG. Strings and numbers are escaped, Markup is kept, lists are joined, `undefined` and `false` leave nothing. Attributes must be quoted. */
export function html(parts: TemplateStringsArray, ...values: readonly Renderable[]): Markup {
  let text = parts[0] ?? "";
  values.forEach((value, i) => {
    text += toText(value) + (parts[i + 1] ?? "");
  });
  return new Markup(text);
}

function toText(value: Renderable): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "object") return value.map(toText).join("");
  return escapeHtml(String(value));
}

/** Markup from text that this package wrote itself: style sheet and script. Never for anything out of a result. */
export const trusted = (text: string): Markup => new Markup(text);

export const nothing: Markup = new Markup("");
