#!/usr/bin/env node
/**
 * Runs the questions of this folder one after the other, each in a process of its own and with a limit of seconds, until all are answered or the time is up. Every
 * program writes its results as they come, so a crash or a limit loses nothing that was measured. Run it on a machine with a GPU:
 *
 *     node scripts/hardware/all.mjs -o reports/hardware --models MODELS --tensorrt TENSORRT/lib [--ort libonnxruntime.so] [--limit 580] [--do hazards,tensors]
 *
 * In MODELS lie bert-large, bert-large-faulty and small BERTs (made when they are absent) and folders of trained models, each with model.onnx; in MODELS/pins what
 * `engines --pins-only` wrote before. `--tag 8.6` names the files of another version of a library. What is on stdout is a table: question, how it ended, seconds, file.
 */
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const programs = fileURLToPath(new URL("../dist", import.meta.url));
const jobs = String(Math.max(1, Math.min(5, Math.floor(availableParallelism() / 3))));

/** Options of make-bert. `planted` ones have faults that all-FP16 does not survive, or pays for. */
const berts = {
  "bert-large": [],
  "bert-large-faulty": ["--fault", "square-overflow", "--fault", "noisy-layer"],
  "bert-6x512": small(),
  "bert-6x512-square-overflow": small("square-overflow"),
  "bert-6x512-ffn-overflow": small("ffn-overflow"),
  "bert-6x512-noisy-layer": small("noisy-layer"),
  "bert-6x512-mask-constant": small("mask-constant"),
};
const tiny = ["--layers", "2", "--hidden", "64", "--heads", "4", "--vocab", "200"];

function small(fault) {
  return ["--layers", "6", "--hidden", "512", "--heads", "8", "--vocab", "2000", ...(fault === undefined ? [] : ["--fault", fault])];
}

const bertShapes = (sizes) => ["input_ids", "attention_mask", "token_type_ids"].flatMap((name) => ["--shape", `${name}=${sizes}`]);

/**
 * The questions, in the order in which they are worth asking. `seconds` is the limit of one; `args` go to scripts/dist/hardware/`program`.js. With `--tiny` BERTs are
 * toys, so that everything can be rehearsed on any machine.
 */
const questions = {
  hazards: { program: "hazards", seconds: 240, args: () => ["--jobs", jobs] },
  tensors: { program: "tensors", seconds: 420, args: (m) => [m("bert-large"), ...bertShapes("1x128")] },
  large: { program: "engines", seconds: 560, args: (m) => [m("bert-large"), ...bertShapes("1x128")] },
  faulty: { program: "engines", seconds: 560, args: (m) => [m("bert-large-faulty"), ...bertShapes("1x128")] },
  attention: { program: "engines", seconds: 300, args: (m) => [m("bert-6x512"), ...bertShapes("8x384"), "--typings", "typed", "--rules"] },
  small: {
    program: "engines",
    seconds: 400,
    args: (m) => [
      ...Object.keys(berts)
        .filter((n) => n.startsWith("bert-6x512"))
        .map(m),
      ...bertShapes("2x128"),
    ],
  },
  trained: {
    program: "engines",
    seconds: 560,
    args: (_, trained) => [...trained, "--typings", "typed"],
    needs: (trained) => trained.length > 0,
  },
  overhead: {
    program: "overhead",
    seconds: 240,
    args: (m, _, o) => [m("bert-large"), ...bertShapes("1x128"), ...(o.program === undefined ? [] : ["--program", o.program])],
  },
  serving: { program: "serving", seconds: 400, args: (m, _, o) => [m("bert-large"), ...(o.tiny ? ["--quick"] : [])] },
};

const { values: o } = parseArgs({
  options: {
    out: { type: "string", short: "o", default: "reports/hardware" },
    models: { type: "string", default: ".cache/hardware" },
    engine: { type: "string", multiple: true, default: ["tensorrt"] },
    tensorrt: { type: "string" },
    ort: { type: "string" },
    program: { type: "string" },
    tag: { type: "string" },
    do: { type: "string" },
    limit: { type: "string", default: "580" },
    work: { type: "string" },
    tiny: { type: "boolean", default: false },
  },
});
const chosen = o.do === undefined ? Object.keys(questions) : o.do.split(",");
const unknown = chosen.filter((name) => !Object.hasOwn(questions, name));
if (unknown.length > 0 || !(Number(o.limit) > 0)) {
  process.stderr.write(
    `--do takes ${Object.keys(questions).join(", ")}; --limit takes seconds. Found ${[...unknown, o.limit].join(", ")}.\n`,
  );
  process.exit(2);
}

const deadline = Date.now() + 1000 * Number(o.limit);
const left = () => (deadline - Date.now()) / 1000;
const models = resolve(o.models);
const out = resolve(o.out);
mkdirSync(join(out, "logs"), { recursive: true });
/** The child that runs now: ended when this process is. */
let running;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    if (running !== undefined) end(running, signal);
    process.exitCode = 1;
    stopped = true;
  });
let stopped = false;

const path = (name) => join(models, name, "model.onnx");
const made = new Set();
/** A made model's path; what is missing is made before the first question that needs it. */
async function make(name) {
  if (made.has(name) || existsSync(path(name))) return;
  mkdirSync(join(models, name), { recursive: true });
  // Names that differ in their options only must not be mistaken for each other after a stop: made under another name.
  const part = join(models, name, "making.onnx");
  const code = await run(
    `make ${name}`,
    ["make-bert/main.js", ...(o.tiny ? [...tiny, ...berts[name].slice(berts[name].indexOf("--fault") >>> 0)] : berts[name]), "-o", part],
    300,
  );
  if (code === 0) renameSync(part, path(name));
  else rmSync(part, { force: true });
  made.add(name);
}

const trained = existsSync(models)
  ? readdirSync(models)
      .filter((name) => !Object.hasOwn(berts, name) && existsSync(path(name)))
      .sort()
      .map(path)
  : [];
let failures = 0;
for (const engine of o.engine)
  for (const name of chosen) {
    const { program, seconds, args, needs } = questions[name];
    if (needs !== undefined && !needs(trained)) {
      said(name, engine, "left out: there are no trained models", 0);
      continue;
    }
    const wanted = [];
    const pathOf = (model) => {
      wanted.push(model);
      return path(model);
    };
    const words = args(pathOf, trained, { program: engine === "tensorrt" ? o.program : undefined, tiny: o.tiny });
    for (const model of wanted) if (left() > 1 && !stopped) await make(model);
    if (stopped || left() < 1) {
      said(name, engine, "left out: the time is up", 0);
      failures++;
      continue;
    }
    const library = engine === "tensorrt" ? o.tensorrt : o.ort;
    const label = [name, engine, ...(o.tag === undefined ? [] : [o.tag])].join("-");
    const file = join(out, `${label}.json`);
    const pins = join(models, "pins");
    const overrides = program === "engines" && existsSync(pins) ? ["--overrides", pins] : [];
    const common = [...overrides, "--engine", engine, "-o", file, ...(library === undefined ? [] : ["--library", library])];
    const more = [
      ...(o.work === undefined ? [] : ["--work", o.work]),
      ...(engine === "tensorrt" ? ["--timing-cache", join(models, `timing${o.tag === undefined ? "" : `-${o.tag}`}.cache`)] : []),
    ];
    const started = Date.now();
    const code = await run(label, [`hardware/${program}.js`, ...words, ...common, ...more], seconds, library);
    if (code !== 0) failures++;
    said(
      name,
      engine,
      code === 0 ? "done" : code === "limit" ? "ended at its limit" : `ended with ${code}`,
      (Date.now() - started) / 1000,
      existsSync(file) ? file : undefined,
    );
  }
process.exitCode = failures > 0 ? 1 : process.exitCode;

function said(name, engine, how, seconds, file) {
  process.stdout.write(`${`${name} (${engine})`.padEnd(26)} ${how.padEnd(30)} ${seconds.toFixed(0).padStart(5)} s  ${file ?? ""}\n`);
}

/**
 * Folders where an engine's library finds its own parts (TensorRT opens its builder's resources by name), before those that are set. The loader reads them when a
 * process starts, so only a parent can set them.
 */
function searched(library) {
  if (library === undefined) return {};
  const folder = statSync(library).isDirectory() ? resolve(library) : dirname(resolve(library));
  return { LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(":") };
}

/** Runs a program of scripts/dist; what it says goes to a log. @returns the exit code, or "limit". */
function run(label, [program, ...args], seconds, library) {
  const log = createWriteStream(join(out, "logs", `${label.replaceAll(" ", "-")}.log`));
  return new Promise((done) => {
    const child = spawn(process.execPath, [join(programs, program), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...searched(library) },
    });
    running = child;
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        end(child, "SIGTERM");
      },
      1000 * Math.max(1, Math.min(seconds, left())),
    );
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.stderr.pipe(process.stderr, { end: false });
    child.on("error", () => done(127));
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      log.end();
      running = undefined;
      done(late ? "limit" : (code ?? signal));
    });
  });
}

/** The whole group: programs start others. Whoever does not listen is killed. */
function end(child, signal) {
  const tell = (what) => {
    try {
      process.kill(-child.pid, what);
    } catch {
      // gone already
    }
  };
  tell(signal);
  setTimeout(() => tell("SIGKILL"), 5000).unref();
}
