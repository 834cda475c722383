import { UsageError } from "@halfscope/core";

/** What yargs said of a command line, and the help of the command that it got to. */
export interface UsageFailure {
  message: string;
  help: string;
  /** Arguments as they were typed. */
  typed: readonly string[];
}

const seeHelp = (command: string | undefined) => `See \`halfscope ${command === undefined ? "" : `${command} `}--help\`.`;

/** Says what is wrong with a command line in words for people, with the option or command that was likely meant. */
export function explainUsage({ message, help, typed }: UsageFailure): UsageError {
  const commands = [...help.matchAll(/^ {2}halfscope (\w+)/gm)].map((m) => m[1] as string);
  // Only the help of the whole program lists commands below the usage line; that of a command opens with its own.
  const command = /^halfscope (\w+)/.exec(help)?.[1];
  const bad = (text: string, hint: string) => new UsageError("ERR_OPTION", text, { hint });
  if (command === undefined) {
    const first = typed.find((a) => !a.startsWith("-"));
    if (first === undefined) {
      const option = typed.find((a) => a !== "--json");
      return bad(option === undefined ? "Which command?" : `${option} is no option of halfscope itself.`, seeHelp(undefined));
    }
    const meant = closest(first, commands);
    return bad(`There is no command "${first}".`, meant === undefined ? seeHelp(undefined) : `Did you mean \`halfscope ${meant}\`?`);
  }
  const unknown = /^Unknown arguments?: (.+)$/.exec(message)?.[1]?.split(", ");
  if (unknown !== undefined) {
    const found = unknown.find((name) => typed.some((a) => nameOf(a) === name)) ?? unknown[0] ?? "";
    // --no-x is "not x" to yargs.
    const option = typed.find((a) => a.startsWith("-") && (nameOf(a) === found || nameOf(a) === `no-${found}`));
    if (option === undefined)
      return bad(`${command} takes ${positionals(help) || "no file"}; "${found}" is one too many.`, seeHelp(command));
    const options = [...help.matchAll(/^ +(?:-\w, )?--([\w-]+)/gm)].map((m) => m[1] as string);
    const meant = closest(found, options);
    return bad(
      `${command} has no option ${option.split("=")[0]}.`,
      meant === undefined ? seeHelp(command) : `Did you mean --${meant}? ${seeHelp(command)}`,
    );
  }
  if (message.startsWith("Not enough non-option arguments")) {
    const lists = typed.some((a) => /^--(feed|dim|shape|observe|from|to|profile|batch-axis|provider-option)$/.test(a));
    return bad(
      `${command} needs ${positionals(help)}.`,
      lists
        ? "Put files before --feed, --dim, --shape, --observe, --from, --to, --profile, --batch-axis and --provider-option: these take every word that follows."
        : seeHelp(command),
    );
  }
  const missing = /^Missing required arguments?: (.+)$/.exec(message)?.[1];
  if (missing !== undefined)
    return bad(
      `${command} needs ${missing
        .split(", ")
        .map((m) => `--${m}`)
        .join(" and ")}.`,
      seeHelp(command),
    );
  const starved = /^Not enough arguments following: (.+)$/.exec(message)?.[1];
  if (starved !== undefined) return bad(`${starved.length === 1 ? "-" : "--"}${starved} needs a value.`, seeHelp(command));
  const choice = /Argument: ([\w-]+), Given: (.*), Choices: (.*)/.exec(message);
  if (choice !== null) return bad(`--${choice[1]} needs one of ${choice[3]}, found ${choice[2]}.`, seeHelp(command));
  return bad(message.replace(/\s+/g, " "), seeHelp(command));
}

const nameOf = (typed: string) => typed.replace(/^--?/, "").split("=")[0];

/** What a command takes besides options, from the first line of its help. */
const positionals = (help: string): string =>
  [...(help.split("\n")[0] ?? "").matchAll(/<(\w+)>/g)].map((m) => (m[1] as string).toUpperCase()).join(" and ");

/** The candidate within a third of the word's length in edits; undefined when none is near. */
function closest(word: string, candidates: readonly string[]): string | undefined {
  const near = candidates.map((c) => ({ c, d: c.startsWith(word) && word.length > 1 ? 0 : edits(word, c) })).sort((a, b) => a.d - b.d)[0];
  return near !== undefined && near.d <= Math.max(1, Math.floor(word.length / 3)) ? near.c : undefined;
}

function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 0;
}
