/**
 * Names as a model's author wrote them, made fit to be shown: characters that cannot be seen, or that turn the text around them (bidirectional
 * overrides), are spelt out as \u202e, and long names lose their middle. Escaping for HTML or Markdown comes after.
 */
const invisible = /[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Every character of the text can be seen afterwards. */
export const visible = (text: string): string =>
  text.replace(invisible, (found) => {
    const hex = (found.codePointAt(0) ?? 0).toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
  });

/** At most about `max` characters: the middle makes way for an ellipsis, since both ends of a name tell something. */
export function shorten(text: string, max: number): string {
  if (text.length <= max) return text;
  const characters = [...text];
  if (characters.length <= max) return text;
  const head = Math.ceil((max - 1) / 2);
  return `${characters.slice(0, head).join("")}…${characters.slice(characters.length - (max - 1 - head)).join("")}`;
}

/** A name for one line. Defaults to at most 96 characters. */
export const shortName = (name: string, max = 96): string => shorten(visible(shorten(name, 4 * max)), max);

/** A name for a tooltip: cut only where a page would suffer from it. */
export const longName = (name: string): string => shorten(visible(shorten(name, 1200)), 1200);

/** A sentence of a result (evidence, a reason, a warning): it may quote names. */
export const sentence = (text: string): string => shorten(visible(shorten(text, 2400)), 700);

/** An argument of a command line, quoted for a POSIX shell where it needs it. */
export function shellWord(text: string): string {
  const shown = shortName(text, 160);
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
}
