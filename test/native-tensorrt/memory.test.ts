import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const addon = join(fileURLToPath(new URL("../..", import.meta.url)), "native", "build", "Release", "halfscope.node");
const missing = !existsSync(addon)
  ? "the addon has not been built"
  : process.platform !== "linux" || spawnSync("prlimit", ["--version"], { stdio: "ignore" }).error !== undefined
    ? "there is no prlimit"
    : undefined;

/** Gives itself room for 512 MiB more than it has and asks the addon to copy 2048. */
const program = (call: string): string => `
const { execFileSync } = require("node:child_process");
const { readFileSync } = require("node:fs");
const addon = require(${JSON.stringify(addon)});
const bytes = new Uint8Array(2 ** 31);
const now = 1024 * Number(/VmSize:\\s+(\\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
execFileSync("prlimit", ["--pid", String(process.pid), "--as=" + (now + 2 ** 29)]);
(async () => ${call})().then(() => console.log("done"), (error) => console.log(error.code, error.message));
`;

describe.skipIf(missing !== undefined)(`the addon where memory runs out${missing ? ` (skipped: ${missing})` : ""}`, () => {
  it.each([
    ["a model's bytes, to describe it", 'addon.tensorrtDescribe({ path: "", model: bytes })'],
    ["a model's bytes, to build it", 'addon.tensorrtBuild({ path: "", model: bytes }, addon.tensorrtTask())'],
    ["timing caches", "addon.tensorrtMergeCaches(bytes, bytes)"],
  ])("throws an error with a code instead of ending the process: %s", (_what, call) => {
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["--eval", program(call)], { encoding: "utf8" });
    expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: "ERR_INTERNAL std::bad_alloc\n", stderr: "" });
  });
});
