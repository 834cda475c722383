import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, test } from "vitest";
import { addonInfo } from "../../addon.js";
import { slowModel } from "../testing/example-models.js";

const folder = mkdtempSync(join(tmpdir(), "halfscope-ort-process-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const addon = process.env.HALFSCOPE_ADDON ?? fileURLToPath(new URL("../../../../../native/build/Release/halfscope.node", import.meta.url));
writeFileSync(join(folder, "slow.onnx"), slowModel());
// Plain JavaScript against the addon itself: children and worker threads of tests have no TypeScript.
const prelude = `
  const native = require(${JSON.stringify(addon)});
  native.load(${JSON.stringify(addonInfo().library)});
  const model = require("node:fs").readFileSync(${JSON.stringify(join(folder, "slow.onnx"))});
  const options = { model, folder: "", threads: 1, optimization: 99, providers: [], config: {}, profile: "" };
  const feed = [{ name: "x", type: 1, dims: [256, 256], data: new Uint8Array(256 * 256 * 4) }];
  const forever = { fetch: ["y"], warmup: 0, requests: 1e9, contexts: 2, maxMilliseconds: 0 };
`;
const child = (script: string) => promisify(execFile)(process.execPath, ["-e", prelude + script]);

describe("a process that serves", () => {
  test.each([
    ["falls off its end with a live session", "globalThis.kept = session;"],
    ["calls process.exit with a live session", "process.exit(0);"],
    [
      "calls process.exit while requests are under way on several threads",
      "session.time(feed, forever, new native.Cancellation()); setTimeout(() => process.exit(0), 50);",
    ],
  ])("and %s ends with status 0", async (_, end) => {
    const script = `process.once("exit", () => native.terminateAll());
      native.createDeviceSession(options).then(async (session) => { await session.run(feed, ["y"], new native.Cancellation()); ${end} });`;
    await expect(child(script)).resolves.toMatchObject({ stderr: "" });
  });

  test("in two worker threads at once goes on in one when the other is stopped", async () => {
    const work = `${prelude}
      const { parentPort } = require("node:worker_threads");
      native.createDeviceSession(options).then(async (session) => {
        parentPort.postMessage("serving");
        const { milliseconds } = await session.time(feed, { ...forever, requests: 20 }, new native.Cancellation());
        parentPort.postMessage(milliseconds.length);
      });`;
    const start = () => new Worker(work, { eval: true });
    const [kept, stopped] = [start(), start()];
    const last = new Promise((resolve, reject) => kept.on("message", (m) => typeof m === "number" && resolve(m)).once("error", reject));
    expect(await new Promise((resolve, reject) => stopped.once("message", resolve).once("error", reject))).toBe("serving");
    await stopped.terminate();
    expect(await last).toBe(20);
    await kept.terminate();
  });

  test("has its memory back when a session is disposed of during a request, which ends as if nothing had happened", async () => {
    const script = `native.createDeviceSession(options).then(async (session) => {
      const running = session.run(feed, ["y"], new native.Cancellation());
      await session.dispose();
      const { outputs } = await running;
      let code = "none";
      try { session.inputs(); } catch (error) { code = error.code; }
      console.log(outputs[0].data.length, code);
    });`;
    await expect(child(script)).resolves.toMatchObject({ stdout: `${256 * 256 * 4} ERR_DISPOSED\n`, stderr: "" });
  });
});
