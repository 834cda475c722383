/** One word of a POSIX shell's command line, exactly `text` whatever it holds: names come from the model's file. */
export const shellQuote = (text: string): string => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** Lines of a script that run one command with these words, one a line. `model` words stand for the shell variable `$model` inside a word. */
export const commandLines = (words: readonly string[]): string => words.join(" \\\n  ");

/**
 * Start of a script that works in its own folder, on the model of its first argument or else on the one that was measured. Leaves the model's path in `$model`.
 */
export const scriptHead = (about: readonly string[], modelPath: string): string =>
  [
    "#!/bin/sh",
    ...about.map((line) => `# ${line}`),
    "set -eu",
    `model=${shellQuote(modelPath)}`,
    'if [ $# -ge 1 ]; then model=$(realpath -- "$1"); fi',
    'cd -- "$(dirname -- "$0")"',
    "",
  ].join("\n");

/** What Python's `re.escape` escapes; newlines and the like behind a backslash stand for themselves there. */
const special = /[()[\]{}?*+\-|^$\\.&~# \t\n\r\v\f]/g;
/** A pattern for Python's `re.match` that matches exactly this text. */
export const pythonPattern = (text: string): string => `^${text.replace(special, "\\$&")}$`;
