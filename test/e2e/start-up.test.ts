/** What the command line loads before it can speak. Time depends on the machine; what is loaded does not. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/model-file.js";
import { bin } from "./run-cli.js";

const folder = temporaryFolder();
const hooks = join(folder, "hooks.mjs");
const preload = join(folder, "preload.mjs");
// Modules of both kinds, and native code, which only process.dlopen brings in.
writeFileSync(
  hooks,
  `import { appendFileSync } from "node:fs";
let log;
export const initialize = (data) => { log = data; };
export const load = (url, context, next) => { appendFileSync(log, url + "\\n"); return next(url, context); };`,
);
writeFileSync(
  preload,
  `import Module, { register } from "node:module";
import { appendFileSync } from "node:fs";
const log = process.env.HALFSCOPE_TEST_LOADED;
register(${JSON.stringify(pathToFileURL(hooks).href)}, { data: log });
const open = process.dlopen;
process.dlopen = (...a) => { appendFileSync(log, "native " + a[1] + "\\n"); return open.apply(process, a); };
process.on("exit", () => appendFileSync(log, Object.keys(Module._cache).join("\\n") + "\\n"));`,
);

/** Everything that a command line loads, as paths. */
function loadedBy(...args: string[]): string[] {
  const log = join(mkdtempSync(join(folder, "log-")), "loaded");
  const env = { ...process.env, HALFSCOPE_TEST_LOADED: log };
  const { status, stderr } = spawnSync(process.execPath, ["--import", pathToFileURL(preload).href, bin, ...args], {
    env,
    encoding: "utf8",
  });
  expect([0, 2], stderr).toContain(status);
  const lines = readFileSync(log, "utf8").split("\n");
  expect(lines.join("\n")).toContain("/dist/cli/main.js");
  return lines.filter((l) => l !== "" && !l.startsWith("node:"));
}
/** Our packages below the command line, and packages of others that take long to load. */
const heavy =
  /^native |\/packages\/(onnx|precision|engine|analysis|report)\/|\/pipeline\/|\/(cli-progress|cli-table3|protobufjs|onnx-proto|onnxruntime-node|get-east-asian-width)[@/]/;

describe("before a command is known", () => {
  it.each([
    ["--help"],
    ["sweep", "--help"],
    ["debug", "--help"],
    ["--version"],
    ["comparee"],
    ["sweep"],
    ["compare", "m.onnx", "--tolerance", "abc"],
  ])("%s %s %s %s loads no native code, no model, no analysis and no report", (...args) => {
    expect(loadedBy(...args).filter((l) => heavy.test(l))).toEqual([]);
  });

  it("the help of one command loads that command alone, the list of commands none, the version not even the parser", () => {
    const commandsIn = (lines: string[]) => lines.flatMap((l) => /\/cli\/commands\/([\w-]+)\.js$/.exec(l)?.[1] ?? []);
    expect(commandsIn(loadedBy("--help"))).toEqual([]);
    expect(commandsIn(loadedBy("sweep", "--help"))).toEqual(["sweep"]);
    expect(loadedBy("--version").filter((l) => l.includes("yargs"))).toEqual([]);
  });

  it("a comparison loads no report: charts are a third of all modules", () => {
    expect(loadedBy("compare", "nowhere.onnx").filter((l) => /\/packages\/report\/|\/d3-/.test(l))).toEqual([]);
  });

  it("what a command needs is seen by this test when it is loaded", () => {
    expect(loadedBy("inspect", "nowhere.onnx").filter((l) => heavy.test(l)).length).toBeGreaterThan(10);
  });
});
