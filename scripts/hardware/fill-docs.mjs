#!/usr/bin/env node
/**
 * Real output for the commands of docs/tensorrt.md. A page says where: under a command (lines that start with "    $ ", continued behind a backslash) stands
 *
 *     <!-- output: NAME -->
 *     ```text
 *     ...
 *     ```
 *     <!-- /output -->
 *
 * What is between is never written by hand. `--capture` runs the commands, in the order of the page, and keeps what they said under reports/hardware/docs, one file per
 * name; without it, the page is filled from those files. A name without a file, or whose command has changed since, says "not captured yet".
 *
 *     node scripts/hardware/fill-docs.mjs --list
 *     node scripts/hardware/fill-docs.mjs --capture --in WORK [--on gpu|cpu|image|tensorrt8] [--only NAME,NAME] [--again] [--limit SECONDS]
 *     node scripts/hardware/fill-docs.mjs
 *     node scripts/hardware/fill-docs.mjs --check          exit code 1 where the page differs from the files
 *
 * WORK is the folder that the commands run in; what they need is made by the commands of the page themselves, but for ocr/model.onnx. A placeholder says which machine it
 * wants (`on=cpu`: one without a GPU; `on=image`: a GPU, and ocr/model.onnx in WORK; `on=tensorrt8`: a GPU and TensorRT 8.6, in a WORK of its own with bert/model.onnx in it; a GPU otherwise), how many lines are shown (`lines=40`), the longest time (`seconds=300`,
 * 560 by default). `--limit` is for the whole capture: a command that is not expected to fit in what is left of it (by the time that it took when it was captured last, or
 * by the placeholder's `seconds`) is not begun, shorter ones behind it are, and what is left is named at the end. Run it again after a limit: what is there already is not
 * run again without `--again`.
 *
 * On a machine without Node, pack this file, load-plan.mjs and the page too, and copy reports/hardware/docs back:
 *
 *     node scripts/hardware/pack.mjs -o halfscope.tar.zst --with docs/tensorrt.md=docs/tensorrt.md \
 *       --with scripts/hardware/fill-docs.mjs=scripts/hardware/fill-docs.mjs --with scripts/hardware/load-plan.mjs=scripts/hardware/load-plan.mjs
 *     halfscope/run.sh fill-docs --capture --in work --from captured
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const missing = "not captured yet";
const longest = 200_000;

const { values: o } = parseArgs({
  options: {
    page: { type: "string", default: join(root, "docs", "tensorrt.md") },
    from: { type: "string", default: join(root, "reports", "hardware", "docs") },
    in: { type: "string" },
    on: { type: "string", default: "gpu" },
    only: { type: "string" },
    capture: { type: "boolean", default: false },
    again: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
    list: { type: "boolean", default: false },
    limit: { type: "string" },
  },
});

/** Throws where a placeholder has no command, no end, or the name of another one. */
function placeholdersOf(page) {
  const lines = page.split("\n");
  const found = [];
  lines.forEach((line, at) => {
    const [, name, rest = ""] = /^<!-- output: ([a-z0-9-]+)((?: [a-z]+=\w+)*) -->$/.exec(line) ?? [];
    if (name === undefined) {
      if (/<!--\s*output/.test(line)) throw new Error(`line ${at + 1}: a placeholder that cannot be read: ${line}`);
      return;
    }
    const end = lines.indexOf("<!-- /output -->", at);
    const next = lines.findIndex((l, i) => i > at && l.startsWith("<!-- output:"));
    if (end < 0 || (next >= 0 && next < end)) throw new Error(`the placeholder ${name} has no end`);
    if (found.some((p) => p.name === name)) throw new Error(`two placeholders are called ${name}`);
    const command = commandAbove(lines, at);
    if (command === undefined) throw new Error(`the placeholder ${name} has no command above it`);
    found.push({
      name,
      from: at,
      to: end,
      command,
      ...Object.fromEntries(
        rest
          .trim()
          .split(" ")
          .filter(Boolean)
          .map((w) => w.split("=")),
      ),
    });
  });
  return found;
}

/** The block of "    $ " and its continuations right above line `at`, as one text. */
function commandAbove(lines, at) {
  let last = at - 1;
  while (last >= 0 && lines[last].trim() === "") last--;
  let first = last;
  while (first >= 0 && lines[first].startsWith("    ") && !lines[first].startsWith("    $ ")) first--;
  if (first < 0 || !lines[first].startsWith("    $ ")) return undefined;
  return lines
    .slice(first, last + 1)
    .map((l, i) => (i === 0 ? l.slice(6) : l.trim()))
    .join("\n");
}

const pathOf = (name) => join(o.from, `${name}.json`);

/** What a name's command said, if it was this command. */
function captureOf({ name, command }) {
  if (!existsSync(pathOf(name))) return undefined;
  const kept = JSON.parse(readFileSync(pathOf(name), "utf8"));
  const sound = kept.schema === "halfscope/captured-output/1" && typeof kept.output === "string" && Number.isInteger(kept.exitCode);
  return sound && kept.command === command ? kept : undefined;
}

function blockOf(placeholder) {
  const kept = captureOf(placeholder);
  const most = Number(placeholder.lines ?? 60);
  let text = missing;
  if (kept !== undefined) {
    const all = kept.output.trimEnd().split("\n");
    const shown = all.length > most + 2 ? [...all.slice(0, most), `... (${all.length - most} lines more)`] : all;
    text = [...shown, ...(kept.exitCode === 0 ? [] : [`(exit code ${kept.exitCode})`])].join("\n");
  }
  const ticks = Math.max(2, ...(text.match(/`+/g) ?? []).map((t) => t.length));
  const fence = "`".repeat(ticks + 1);
  return [`${fence}text`, ...text.split("\n"), fence];
}

function filled(page) {
  const lines = page.split("\n");
  for (const p of placeholdersOf(page).reverse()) lines.splice(p.from + 1, p.to - p.from - 1, ...blockOf(p));
  return lines.join("\n");
}

/** Folders of the machine that captures, and what stands for them: where somebody keeps things is nobody's business. */
const folders = (work) =>
  [
    [work, "."],
    [root.replace(/\/$/, ""), "halfscope"],
    [process.env.HALFSCOPE_TENSORRT_LIBRARY, "$HALFSCOPE_TENSORRT_LIBRARY"],
    [process.env.HALFSCOPE_ORT_LIBRARY && dirname(process.env.HALFSCOPE_ORT_LIBRARY), "$(dirname $HALFSCOPE_ORT_LIBRARY)"],
    [process.env.HOME, "~"],
  ]
    .filter(([path]) => path !== undefined && path.length > 1)
    .sort((a, b) => b[0].length - a[0].length);

/** Without colours, without lines that a progress bar overwrote, and without the machine's folders. */
function plain(text, work) {
  const shown = folders(work).reduce(
    (all, [path, name]) => (name === "." ? all.replaceAll(`${path}/`, "").replaceAll(path, name) : all.replaceAll(path, name)),
    text,
  );
  return shown
    .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "")
    .split("\n")
    .map((line) => line.split("\r").at(-1).trimEnd())
    .join("\n");
}

/** Seconds that a command is expected to take, with some to spare; 0 where nobody knows. */
function expected({ name, seconds }) {
  const last = existsSync(pathOf(name)) ? JSON.parse(readFileSync(pathOf(name), "utf8")).seconds : undefined;
  return typeof last === "number" ? 1.25 * last : Number(seconds ?? 0);
}

/** Ends the command that runs, and this program: whoever ends one of them means both. */
let endRunning;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => (endRunning ?? process.exit)(endRunning ? signal : 1));

/** Runs a shell text and collects what it says. At its limit it is ended with all that it started: a build that nobody waits for keeps the GPU. */
function runShell(shell, { cwd, env, seconds }) {
  return new Promise((done) => {
    const child = spawn("bash", ["-c", shell], { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: [], stderr: [] };
    for (const stream of ["stdout", "stderr"]) child[stream].on("data", (part) => said[stream].push(part));
    let late = false;
    const end = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // gone already
      }
    };
    endRunning = (signal) => {
      end(signal);
      process.exit(1);
    };
    const timer = setTimeout(() => {
      late = true;
      end("SIGTERM");
      setTimeout(() => end("SIGKILL"), 5000).unref();
    }, 1000 * seconds);
    const text = (stream) => Buffer.concat(said[stream]).toString("utf8");
    child.on("error", (error) => done({ status: null, why: error.message, stdout: "", stderr: "" }));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      done({ status: late ? null : code, why: late ? "its limit" : signal, stdout: text("stdout"), stderr: text("stderr") });
    });
  });
}

/** Runs one command, for `most` seconds at most; says how it ended. */
async function capture(placeholder, work, most) {
  const { name, command } = placeholder;
  const start = Date.now();
  const node = JSON.stringify(process.execPath);
  const shell = `node() { ${node} "$@"; }\nhalfscope() { node ${JSON.stringify(join(root, "packages/halfscope/bin/halfscope.js"))} "$@"; }\n${command}`;
  const ended = await runShell(shell, {
    cwd: work,
    env: { ...process.env, FORCE_COLOR: "0", COLUMNS: "120" },
    seconds: Math.min(Number(placeholder.seconds ?? 560), most),
  });
  const seconds = (Date.now() - start) / 1000;
  if (ended.status === null) return `${name}: stopped after ${seconds.toFixed(0)} s (${ended.why})`;
  if (!(placeholder.exit ?? "0").split("or").includes(String(ended.status)))
    return `${name}: NOT KEPT, exit code ${ended.status} where ${placeholder.exit ?? "0"} was expected:\n${ended.stderr.trim().split("\n").slice(-8).join("\n")}`;
  // Answers are on standard output; where there is none, what went wrong is on the other.
  const said = ended.stdout.trim() === "" ? ended.stderr : ended.stdout;
  const kept = {
    schema: "halfscope/captured-output/1",
    command,
    exitCode: ended.status,
    seconds: Number(seconds.toFixed(1)),
    output: plain(said, work).slice(0, longest),
  };
  mkdirSync(o.from, { recursive: true });
  writeFileSync(`${pathOf(name)}.new`, `${JSON.stringify(kept, null, 1)}\n`);
  renameSync(`${pathOf(name)}.new`, pathOf(name));
  return `${name}: exit code ${ended.status}, ${seconds.toFixed(0)} s`;
}

const page = readFileSync(o.page, "utf8");
const placeholders = placeholdersOf(page);

if (o.list) {
  for (const p of placeholders)
    console.log(
      `${p.name}\t${p.on ?? "gpu"}\t${captureOf(p) ? "captured" : missing}\t${p.command.replaceAll("\\\n", "").replaceAll("\n", "; ")}`,
    );
} else if (o.capture) {
  if (o.in === undefined) throw new Error("--capture needs --in FOLDER, where the commands run");
  const work = resolve(o.in);
  mkdirSync(work, { recursive: true });
  // Commands of the page name programs as they lie in a checkout.
  if (!existsSync(join(work, "scripts"))) symlinkSync(join(root, "scripts"), join(work, "scripts"));
  const only = o.only?.split(",");
  const unknown = only?.find((n) => !placeholders.some((p) => p.name === n));
  if (unknown !== undefined) throw new Error(`the page has no placeholder ${unknown}`);
  const limit = Number(o.limit ?? Number.POSITIVE_INFINITY);
  if (!(limit > 0)) throw new Error(`--limit takes seconds, found ${o.limit}`);
  const left = () => limit - performance.now() / 1000;
  const notBegun = [];
  for (const p of placeholders) {
    if (only ? !only.includes(p.name) : (p.on ?? "gpu") !== o.on) continue;
    if (captureOf(p) !== undefined && !o.again) console.error(`${p.name}: kept`);
    else if (left() < Math.max(1, expected(p))) notBegun.push(p.name);
    else console.error(await capture(p, work, left()));
  }
  if (notBegun.length > 0) console.error(`left, for want of time: ${notBegun.join(", ")}`);
} else {
  const now = filled(page);
  if (o.check) {
    if (now !== page) {
      console.error(`${o.page} differs from what was captured; run: node scripts/hardware/fill-docs.mjs`);
      process.exitCode = 1;
    }
  } else if (now !== page) {
    writeFileSync(`${o.page}.new`, now);
    renameSync(`${o.page}.new`, o.page);
  }
}
