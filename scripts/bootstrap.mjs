#!/usr/bin/env node
/**
 * Brings a checkout into a state in which it can be used, and then starts what was asked for. `npm run demo`, `npm run conformance`,
 * `npm test`, `npm run build` and `npm run check` are this file; run it with one of those words, further arguments go to what it starts.
 *
 * Needs nothing but Node's own modules, because it runs before anything is installed. Each step does nothing when its result is
 * fresh. What it says goes to standard error; the last line of `test` (`N passed, N failed`) goes to standard output.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PNPM = "pnpm@12.21.0"; // the newest that runs on Node 20
const OLDEST_NODE = [20, 19]; // what yargs and vite ask for
const root = fileURLToPath(new URL("..", import.meta.url));
const stamp = join(root, "node_modules/.halfscope-stamp");
const countsFile = join(root, ".cache/test-counts.json"); // written by test/setup/count-reporter.ts

/** The child that runs now. @type {import("node:child_process").ChildProcess | undefined} */
let running;

const COMMANDS = {
  demo: { build: true, run: (args) => runNode(["scripts/dist/demo/main.js", ...args]) },
  conformance: { build: true, run: (args) => runNode(["scripts/dist/conformance/main.js", ...args]) },
  test: { build: true, run: test },
  build: { build: true, run: async () => 0 },
  check: { build: false, run: check },
};

const [name = "", ...args] = process.argv.slice(2);
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (command === undefined) {
  say(
    `expected one of ${Object.keys(COMMANDS).join(", ")}; found ${name === "" ? "nothing" : `'${name}'`}.\nUsage: node scripts/bootstrap.mjs ${Object.keys(COMMANDS).join("|")} [ARGS]`,
  );
  process.exit(2);
}
process.chdir(root);
forwardSignals();
process.exitCode = await main(command);

/** @returns the exit code. */
async function main({ build, run }) {
  const missing = missingPrerequisites(build);
  if (missing.length > 0) {
    say(`Missing on this machine:\n${missing.map((line) => `  - ${line}`).join("\n")}`);
    return 4;
  }
  const failed =
    (await installPackages()) ||
    (build && (await compileTypeScript())) ||
    (build && (await step("addon (node native/build.mjs)", process.execPath, ["native/build.mjs"])));
  if (failed) return failed > 128 ? failed : 4; // ended by a signal, or a build that failed
  return run(args);
}

/** One line for each thing that is not there, with how to get it. */
function missingPrerequisites(build) {
  const missing = [];
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    missing.push(
      `Node >= ${OLDEST_NODE.join(".")} (found ${process.versions.node}): install it from https://nodejs.org, or with nvm: nvm install 20`,
    );
  }
  if (!build) return missing;
  const tools = ["g++", "cmake", "make"].filter((tool) => spawnSync(tool, ["--version"], { stdio: "ignore" }).status !== 0);
  if (tools.length > 0) {
    const how = process.platform === "darwin" ? "xcode-select --install; brew install cmake" : `apt-get install -y ${tools.join(" ")}`;
    missing.push(`${tools.join(", ")}, to build the native addon: ${how}`);
  }
  return missing;
}

/** Installs from the lockfile unless node_modules already holds what the lockfile and the package.json files ask for. @returns the exit code. */
async function installPackages() {
  const wanted = packagesDigest();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return 0;
  // --ignore-scripts: onnxruntime-node's install script downloads GPU files, which fails in closed networks; its CPU library is in the package.
  const code = await step("packages (from pnpm-lock.yaml)", "npx", ["--yes", PNPM, "install", "--frozen-lockfile", "--ignore-scripts"]);
  if (code === 0) writeFileSync(stamp, wanted);
  return code;
}

function packagesDigest() {
  const hash = createHash("sha256").update(PNPM);
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml"]) hash.update(readFileSync(join(root, file)));
  const folders = readdirSync(join(root, "packages")).sort();
  for (const file of ["package.json", ...folders.map((folder) => `packages/${folder}/package.json`)]) {
    if (!existsSync(join(root, file))) continue;
    const { name, bin, dependencies, devDependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, file), "utf8"));
    hash.update(JSON.stringify([file, name, bin, dependencies, devDependencies, optionalDependencies]));
  }
  return hash.digest("hex");
}

function compileTypeScript() {
  return step("TypeScript (tsc -b)", process.execPath, ["node_modules/typescript/bin/tsc", "-b"]);
}

/** Runs one step quietly: a line with its time when it succeeds, all it printed when it fails. @returns the exit code. */
async function step(title, file, argv) {
  const started = Date.now();
  process.stderr.write(`- ${title} ... `);
  const { code, output } = await run(file, argv, { quiet: true });
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stderr.write(code === 0 ? `${seconds} s\n` : `failed after ${seconds} s\n`);
  if (code !== 0) say(`${output.trimEnd()}\n\n${title}: '${[file, ...argv].join(" ")}' ended with ${code}. What it said is above.`);
  return code;
}

/** All checks, each to its end; the exit code is 0 only if none found anything. */
async function check() {
  const results = [
    await compileTypeScript(),
    await step("types of tests", process.execPath, ["node_modules/typescript/bin/tsc", "-b", "tsconfig.tests.json"]),
    await step("format and lint (biome)", process.execPath, [
      "node_modules/@biomejs/biome/bin/biome",
      "check",
      "--error-on-warnings",
      ...args,
    ]),
    await step("imports go one way", process.execPath, ["scripts/check-imports.mjs"]),
  ];
  return Math.max(...results) > 128 ? Math.max(...results) : Number(results.some((code) => code !== 0));
}

/** Vitest, then its counts as the last line. Fails when anything failed or nothing ran. */
async function test(vitestArgs) {
  rmSync(countsFile, { force: true });
  const code = await runNode(["node_modules/vitest/vitest.mjs", "run", ...vitestArgs]);
  if (!existsSync(countsFile)) {
    say("The test run ended before it could count; what it said is above.");
    console.log("0 passed, 1 failed");
    return code === 0 ? 1 : code;
  }
  const { passed, failed, skipped } = JSON.parse(readFileSync(countsFile, "utf8"));
  const nothingRan = passed + failed === 0;
  if (nothingRan)
    say("No test ran. Look at the arguments of this command: vitest takes parts of file names, and -t part of a test's name.");
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return code === 0 && (failed > 0 || nothingRan) ? 1 : code;
}

async function runNode(argv) {
  return (await run(process.execPath, argv, { quiet: false })).code;
}

/** @returns the exit code (128 + signal where a signal ended it, as shells do) and, when quiet, all output. */
function run(file, argv, { quiet }) {
  return new Promise((resolve) => {
    const child = spawn(file, argv, {
      cwd: root,
      stdio: quiet ? ["ignore", "pipe", "pipe"] : "inherit",
      // pnpm must never ask a question, nor npm complain about settings that are not ours.
      env: quiet ? { ...process.env, CI: "true", npm_config_loglevel: "error" } : process.env,
    });
    running = child;
    let output = "";
    child.stdout?.on("data", (chunk) => (output += chunk));
    child.stderr?.on("data", (chunk) => (output += chunk));
    child.on("error", (error) => resolve({ code: 127, output: `${output}${error.message}` }));
    child.on("close", (code, signal) => resolve({ code: code ?? 128 + constants.signals[signal], output }));
  });
}

/** Lets the running child decide what a signal means; this process ends after it, with its exit code. */
function forwardSignals() {
  // A terminal sends Ctrl-C to every process of the group, the child included: a second one would mean "at once" to it.
  process.on("SIGINT", () => process.stdin.isTTY || running?.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => running?.kill(signal));
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
