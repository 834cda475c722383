// Builds native/build/Release/halfscope.node when its sources have changed. Run it with `node native/build.mjs` after `npm ci`-like installs;
// npm test and npm run demo run it by themselves. Prints nothing when there is nothing to do. Needs g++, cmake and make; no network.
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { headersPassedOver, tensorRtDefinition, tensorRtHeaders } from "./tensorrt-headers.mjs";

export const nativeFolder = dirname(fileURLToPath(import.meta.url));
const buildFolder = join(nativeFolder, "build");
export const addonPath = join(buildFolder, "Release", "halfscope.node");
const stampPath = join(buildFolder, ".stamp");
const lockPath = join(buildFolder, ".lock");
const require = createRequire(import.meta.url);

/** Every file that the compiler reads of ours, sorted. */
function sources(folder = nativeFolder) {
  return readdirSync(folder, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return path === buildFolder ? [] : sources(path);
      return /\.(cc|h)$|^CMakeLists\.txt$/.test(entry.name) ? [path] : [];
    })
    .sort();
}

/** Folders of node_api.h and napi.h, from the npm packages. */
function includes() {
  try {
    return [require("node-api-headers").include_dir, dirname(require.resolve("node-addon-api/napi.h"))];
  } catch (cause) {
    throw new Error("The packages node-api-headers and node-addon-api are not installed; install the workspace's dependencies first.", {
      cause,
    });
  }
}

/** Changes whenever a rebuild is needed. */
function fingerprint() {
  const hash = createHash("sha256");
  hash.update(`${process.version} ${process.arch} ${includes().join(" ")}\n`);
  hash.update(`${JSON.stringify(tensorRtHeaders())}\n`);
  for (const path of sources()) {
    if (relative(nativeFolder, path).startsWith("test")) continue;
    hash.update(`${relative(nativeFolder, path)}\n`).update(readFileSync(path));
  }
  return hash.digest("hex");
}

const isFresh = (stamp) => existsSync(addonPath) && existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp;

/** Throws with the command that installs what is missing. */
export function requireTools() {
  const compiler = process.env.CXX ?? "g++";
  const packages = { [compiler]: "g++", cmake: "cmake", make: "make" };
  const missing = Object.keys(packages).filter((tool) => spawnSync(tool, ["--version"], { stdio: "ignore" }).error !== undefined);
  if (missing.length === 0) return;
  const install = missing.map((tool) => packages[tool]).join(" ");
  throw new Error(`Building halfscope's addon needs ${missing.join(", ")}. Install with: apt-get install ${install}`);
}

/** A build folder remembers its path; in a copied or moved checkout it must start anew. */
function forgetMovedCache(folder) {
  const cache = join(folder, "CMakeCache.txt");
  if (!existsSync(cache) || readFileSync(cache, "utf8").includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${nativeFolder}\n`)) return;
  rmSync(cache);
  rmSync(join(folder, "CMakeFiles"), { recursive: true, force: true });
}

/** cmake-js configures a build folder once; headers that came or went since are told to cmake itself. */
function tellTensorRtHeaders(folder) {
  const cache = join(folder, "CMakeCache.txt");
  if (!existsSync(cache)) return;
  const known = /^HALFSCOPE_TENSORRT_INCLUDES:\w+=(.*)$/m.exec(readFileSync(cache, "utf8"))?.[1] ?? "";
  if (known === tensorRtDefinition()) return;
  for (const file of existsSync(join(folder, "Release")) ? readdirSync(join(folder, "Release")) : [])
    if (file.startsWith("halfscope-tensorrt-")) rmSync(join(folder, "Release", file));
  execFileSync("cmake", [`-DHALFSCOPE_TENSORRT_INCLUDES=${tensorRtDefinition()}`, folder], { stdio: "pipe" });
}

/** Runs cmake twice: configure, build. Its output is shown only when it fails. */
export function cmakeBuild(folder, definitions) {
  forgetMovedCache(folder);
  const configure = [
    "-S",
    nativeFolder,
    "-B",
    folder,
    "-G",
    "Unix Makefiles",
    ...Object.entries(definitions).map(([k, v]) => `-D${k}=${v}`),
  ];
  for (const args of [configure, ["--build", folder, "--parallel", String(availableParallelism())]]) {
    try {
      execFileSync("cmake", args, { stdio: "pipe", encoding: "utf8" });
    } catch (error) {
      throw new Error(`cmake ${args.join(" ")} failed:\n${error.stdout ?? ""}${error.stderr ?? ""}`);
    }
  }
}

/** The addon through cmake-js, which passes what a Node addon needs; offline, because package.json names the Node-API version. Its output is shown only when it fails. */
function compileAddon() {
  forgetMovedCache(buildFolder);
  tellTensorRtHeaders(buildFolder);
  const program = join(dirname(require.resolve("cmake-js/package.json")), "bin", "cmake-js");
  const options = [
    "--directory",
    nativeFolder,
    "--out",
    buildFolder,
    "--generator",
    "Unix Makefiles",
    "--parallel",
    String(availableParallelism()),
  ];
  try {
    const definitions = { HALFSCOPE_NODE_INCLUDES: includes().join(";"), HALFSCOPE_TENSORRT_INCLUDES: tensorRtDefinition() };
    for (const [name, value] of Object.entries(definitions)) options.push(`--CD${name}=${value}`);
    execFileSync(process.execPath, [program, "compile", ...options], {
      stdio: "pipe",
      encoding: "utf8",
    });
  } catch (error) {
    throw new Error(`cmake-js compile failed:\n${error.stdout ?? ""}${error.stderr ?? ""}`);
  }
}

/** Waits until no other process builds, then holds the lock while `work` runs. A lock of a process that is gone is ignored. */
export async function withBuildLock(work) {
  mkdirSync(buildFolder, { recursive: true });
  for (;;) {
    try {
      writeFileSync(lockPath, String(process.pid), { flag: "wx" });
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      if (isAbandoned()) rmSync(lockPath, { force: true });
      else await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  try {
    return work();
  } finally {
    rmSync(lockPath, { force: true });
  }
}

function isAbandoned() {
  try {
    const owner = Number(readFileSync(lockPath, "utf8"));
    if (owner === 0) return Date.now() - statSync(lockPath).mtimeMs > 10_000;
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Builds when stale; `log` gets a line before, one after, and one for each folder of headers that are too old. */
export async function buildAddon(log = (line) => process.stderr.write(`${line}\n`)) {
  if (process.platform === "win32") throw new Error("halfscope's addon builds on Linux and macOS.");
  const stamp = fingerprint();
  if (isFresh(stamp)) return;
  requireTools();
  await withBuildLock(() => {
    if (isFresh(stamp)) return;
    for (const line of headersPassedOver()) log(line);
    log("Building the native addon (about half a minute) ...");
    const start = Date.now();
    // A build that fails or is killed leaves some files of its own: with the old stamp they would pass for the old sources' as soon as those are back.
    rmSync(stampPath, { force: true });
    compileAddon();
    writeFileSync(stampPath, stamp);
    log(`Built ${relative(process.cwd(), addonPath)} in ${((Date.now() - start) / 1000).toFixed(0)} s.`);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await buildAddon();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 4;
  }
}
