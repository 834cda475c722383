#!/usr/bin/env node
/**
 * Runs the questions of this folder, each in a process of its own and with a limit of seconds, until all are answered or the time is up. Every program writes its
 * results as they come, so a crash or a limit loses nothing that was measured. Run it on a machine with a GPU:
 *
 *     node scripts/hardware/all.mjs -o reports/hardware --models MODELS --tensorrt TENSORRT/lib [--ort libonnxruntime.so] [--limit 580] [--do hazards,tensors] [--gpus 0,1]
 *
 * In MODELS lie bert-large, bert-large-faulty and small BERTs (made when they are absent) and folders of trained models, each with model.onnx and real inputs
 * (ort_fp32_run or test_data_set_0); in MODELS/pins what `engines --pins-only` wrote before. `--tag 8.6` names the files of another version of a library, `--builder-level`
 * sets TensorRT's effort. With `--gpus` questions run at once, each alone on its GPU, so that latencies hold; otherwise one after the other. What is on stdout is a table:
 * question, how it ended, seconds, file.
 */
import { spawn } from "node:child_process";
import { createWriteStream, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const programs = fileURLToPath(new URL("../dist", import.meta.url));

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

const bertProfile = (range) => ["input_ids", "attention_mask", "token_type_ids"].map((name) => `${name}=${range}`).join(",");
const bertShapes = (sizes) => ["input_ids", "attention_mask", "token_type_ids"].flatMap((name) => ["--shape", `${name}=${sizes}`]);

/**
 * The questions, in the order in which they are worth asking. `seconds` is the limit of one; `args` go to scripts/dist/hardware/`program`.js. With `--tiny` BERTs are
 * toys, so that everything can be rehearsed on any machine.
 */
const questions = {
  hazards: { program: "hazards", seconds: 240, args: (_, __, o) => ["--jobs", o.jobs] },
  tensors: { program: "tensors", seconds: 420, args: (m) => [m("bert-large"), ...bertShapes("1x128")] },
  "tensors-profile": {
    program: "tensors",
    seconds: 300,
    args: (m) => [m("bert-large"), ...bertShapes("1x128"), "--typings", "typed", "--profile", bertProfile("1x16:1x128:8x256")],
    without: ["ort-cuda"],
  },
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
    gpus: { type: "string" },
    "builder-level": { type: "string" },
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
/** Children that run now: ended when this process is. */
const running = new Set();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    for (const child of running) end(child, signal);
    process.exitCode = 1;
    stopped = true;
  });
let stopped = false;

const path = (name) => join(models, name, "model.onnx");
/** By name, what makes it: two questions at once must not both. */
const making = new Map();
/** A made model's path; what is missing is made before the first question that needs it. */
function make(name) {
  const known = making.get(name) ?? makeNow(name);
  making.set(name, known);
  return known;
}

async function makeNow(name) {
  if (existsSync(path(name))) return;
  mkdirSync(join(models, name), { recursive: true });
  // Names that differ in their options only must not be mistaken for each other after a stop: made under another name.
  const part = join(models, name, "making.onnx");
  const code = await run(
    `make ${name}`,
    ["make-bert/main.js", ...(o.tiny ? [...tiny, ...berts[name].slice(berts[name].indexOf("--fault") >>> 0)] : berts[name]), "-o", part],
    { seconds: 300 },
  );
  if (code === 0) renameSync(part, path(name));
  else rmSync(part, { force: true });
}

/** Models of others: with real inputs beside them, since what made-up inputs say of a trained model is little. */
const trained = existsSync(models)
  ? readdirSync(models)
      .filter((name) => !Object.hasOwn(berts, name) && existsSync(path(name)) && isTrained(name))
      .sort()
      .map(path)
  : [];

function isTrained(name) {
  const made = name.startsWith("bert-");
  if (!made && ["ort_fp32_run", "test_data_set_0"].some((f) => existsSync(join(models, name, f)))) return true;
  if (chosen.includes("trained"))
    process.stderr.write(
      `${name} is not measured among trained models: ${made ? "BERTs called bert-... are made ones" : "no real inputs (ort_fp32_run or test_data_set_0) lie beside it"}.\n`,
    );
  return false;
}

let failures = 0;
const tasks = o.engine.flatMap((engine) => chosen.map((name) => ({ engine, name })));
const gpus = o.gpus?.split(",").filter(Boolean) ?? [undefined];
/** Processes that build hazards at once: TensorRT's builder takes several cores, and every queue wants its share of them. */
const jobs = String(Math.max(1, Math.min(5, Math.floor(availableParallelism() / 3 / gpus.length))));
// A queue per GPU, all of one list: the next question goes to the GPU that is free first.
await Promise.all(
  gpus.map(async (gpu) => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) await ask(task.name, task.engine, gpu);
  }),
);
process.exitCode = failures > 0 ? 1 : process.exitCode;

/** One question on one GPU: CUDA's number or name, or undefined for the machine's own choice. */
async function ask(name, engine, gpu) {
  const { program, seconds, args, needs, without = [] } = questions[name];
  if (without.includes(engine)) {
    said(name, engine, "left out: it has no profiles", 0);
    return;
  }
  if (needs !== undefined && !needs(trained)) {
    said(name, engine, "left out: there are no trained models", 0);
    return;
  }
  const wanted = [];
  const pathOf = (model) => {
    wanted.push(model);
    return path(model);
  };
  const words = args(pathOf, trained, { program: engine === "tensorrt" ? o.program : undefined, tiny: o.tiny, jobs });
  for (const model of wanted) if (left() > 1 && !stopped) await make(model);
  if (stopped || left() < 1) {
    said(name, engine, "left out: the time is up", 0);
    failures++;
    return;
  }
  const library = engine === "tensorrt" ? o.tensorrt : o.ort;
  const label = [name, engine, ...(o.tag === undefined ? [] : [o.tag])].join("-");
  const file = join(out, `${label}.json`);
  const pins = join(models, "pins");
  const overrides = program === "engines" && existsSync(pins) ? ["--overrides", pins] : [];
  const common = [...overrides, "--engine", engine, "-o", file, ...(library === undefined ? [] : ["--library", library])];
  const more = [
    ...(o.work === undefined ? [] : ["--work", join(o.work, label)]),
    ...(o["builder-level"] === undefined ? [] : ["--builder-level", o["builder-level"]]),
    ...(engine === "tensorrt" ? ["--timing-cache", join(models, `timing${o.tag === undefined ? "" : `-${o.tag}`}.cache`)] : []),
  ];
  const started = Date.now();
  const code = await run(label, [`hardware/${program}.js`, ...words, ...common, ...more], { seconds, library, gpu });
  if (code !== 0) failures++;
  said(
    name,
    engine,
    code === 0 ? "done" : code === "limit" ? "ended at its limit" : `ended with ${code}`,
    (Date.now() - started) / 1000,
    existsSync(file) ? file : undefined,
    gpu,
  );
}

function said(name, engine, how, seconds, file, gpu) {
  const where = gpu === undefined ? "" : `GPU ${gpu}  `;
  process.stdout.write(
    `${`${name} (${engine})`.padEnd(26)} ${how.padEnd(30)} ${seconds.toFixed(0).padStart(5)} s  ${where}${file ?? ""}\n`,
  );
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
function run(label, [program, ...args], { seconds, library, gpu }) {
  const log = createWriteStream(join(out, "logs", `${label.replaceAll(" ", "-")}.log`));
  return new Promise((done) => {
    const child = spawn(process.execPath, [join(programs, program), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...searched(library), ...(gpu && { CUDA_VISIBLE_DEVICES: gpu, CUDA_DEVICE_ORDER: "PCI_BUS_ID" }) },
    });
    running.add(child);
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
      running.delete(child);
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
