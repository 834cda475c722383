/**
 * Checks of documents that come from anywhere: what a value has to be is put together from the checks below, and the first place that is not so is named.
 * Only what a document has of its own counts, so that what every object inherits is no field. Places are put into words on the way out of a damaged document
 * only: a list of a million sound entries costs a loop.
 */

/** The first place of a document that is not what it must be. */
export interface Damage {
  /** From the value that was checked: "" for itself, ".engines[0].title" for a part of it. */
  readonly at: string;
  /** "is no number". */
  readonly what: string;
}

/** What a value has to be: undefined where it is. Never throws. */
export type Check = (value: unknown) => Damage | undefined;

/** What is wrong with a document, for people: "engines[0].title is no text", "it is no object"; undefined where nothing is. */
export function damageIn(document: unknown, check: Check): string | undefined {
  const found = check(document);
  return found && `${found.at === "" ? "it" : found.at.replace(/^\./, "")} ${found.what}`;
}

/** An object with names: no list, not null. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A value that `fits`. `expected` is the noun for it. */
export const matching =
  (expected: string, fits: (value: unknown) => boolean): Check =>
  (value) =>
    fits(value) ? undefined : wrong(value, expected);

export const text: Check = matching("text", (value) => typeof value === "string");
/** NaN and the infinities are numbers. */
export const number: Check = matching("number", (value) => typeof value === "number");
export const flag: Check = matching("boolean", (value) => typeof value === "boolean");

/** One of these words. */
export const oneOf =
  (...words: readonly string[]): Check =>
  (value) =>
    words.includes(value as string) ? undefined : wrong(value, `one of ${words.join(", ")}`, `is none of ${words.join(", ")}`);

/** As `check` says, or absent; null is not absent. */
export const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined ? undefined : check(value);

/** A list of any length, of anything without `check`. */
export const list =
  (check?: Check): Check =>
  (value) => {
    if (!Array.isArray(value)) return wrong(value, "list");
    if (check === undefined) return undefined;
    for (let i = 0; i < value.length; i++) {
      const found = check(value[i]);
      if (found !== undefined) return inside(`[${i}]`, found);
    }
    return undefined;
  };

/** An object of which any name leads to what `check` says. */
export const record =
  (check: Check): Check =>
  (value) => {
    if (!isObject(value)) return wrong(value, "object");
    for (const name of Object.keys(value)) {
      const found = check(value[name]);
      if (found !== undefined) return inside(placeOf(name), found);
    }
    return undefined;
  };

/** An object with these fields, looked at in this order; others may stand beside them. */
export const object = (fields: Readonly<Record<string, Check>> = {}): Check => {
  const checks = Object.entries(fields);
  return (value) => {
    if (!isObject(value)) return wrong(value, "object");
    for (const [name, check] of checks) {
      const found = check(Object.hasOwn(value, name) ? value[name] : undefined);
      if (found !== undefined) return inside(`.${name}`, found);
    }
    return undefined;
  };
};

const wrong = (value: unknown, expected: string, otherwise = `is no ${expected}`): Damage => ({
  at: "",
  what: value === undefined ? `is missing, expected ${expected}` : otherwise,
});

const inside = (place: string, found: Damage): Damage => ({ at: `${place}${found.at}`, what: found.what });

/** Names of a record are the document's: a long one, or one with line ends, must not take over the message. */
const placeOf = (name: string): string => (/^[\w$]{1,80}$/.test(name) ? `.${name}` : `[${JSON.stringify(name.slice(0, 80))}]`);
