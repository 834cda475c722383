/** What a page is made of, read by a strict reader: anything that this package does not write itself is an error. */
export interface PageParts {
  tags: ReadonlySet<string>;
  attributes: ReadonlySet<string>;
  /** Text with the tags taken out. */
  text: string;
  scripts: readonly string[];
  styles: readonly string[];
}

const tag = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-zA-Z][a-zA-Z0-9-]*(?:="[^"<>]*")?)*)\s*\/?>/g;

/** Reads a page that quotes all attributes and escapes < and > in them. Throws an Error where a < or > is left over. */
export function readStrictly(page: string): PageParts {
  const tags = new Set<string>();
  const attributes = new Set<string>();
  const scripts: string[] = [];
  const styles: string[] = [];
  const without = page
    .replace(/^<!doctype html>/, "")
    .replace(/<script>([\s\S]*?)<\/script>/g, (_, body: string) => kept(scripts, body))
    .replace(/<style>([\s\S]*?)<\/style>/g, (_, body: string) => kept(styles, body));
  const text = without.replace(tag, (_, _close: string, name: string, rest: string) => {
    tags.add(name);
    for (const [, attribute = ""] of rest.matchAll(/\s([a-zA-Z][a-zA-Z0-9-]*)(?:="[^"]*")?/g)) attributes.add(attribute);
    return "";
  });
  const stray = /[<>]/.exec(text);
  if (stray !== null) throw new Error(`stray ${stray[0]} in: ${text.slice(Math.max(0, stray.index - 60), stray.index + 60)}`);
  return { tags, attributes, text, scripts, styles };
}

function kept(list: string[], body: string): string {
  list.push(body);
  return "";
}
