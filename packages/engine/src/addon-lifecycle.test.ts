import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import { stringTensor } from "@halfscope/core";
import { afterAll, describe, expect, test } from "vitest";
import { floats, node, round, tinyModel } from "../../../test/support/tiny-model.js";
import { addonInfo, OrtSession, type SessionOptions } from "./addon.js";

const open = (model: Uint8Array, more: Partial<SessionOptions> = {}): Promise<OrtSession> =>
  OrtSession.create({ model, folder: "", threads: 1, optimization: "disabled", prepacking: false, switchCount: 1, slotCount: 0, ...more });

const size = 512;
/** A chain of products, about a second in all; its nodes are short, so that it can be stopped between them. */
const slowModel = tinyModel({
  inputs: [{ name: "x", dims: [size, size] }],
  outputs: [{ name: "y", dims: [size, size] }],
  nodes: [
    round("x", "t0", 0),
    ...Array.from({ length: 200 }, (_, i) => node("MatMul", [`t${i}`, "x"], [`t${i + 1}`])),
    node("Neg", ["t200"], ["y"]),
  ],
});
const square = floats(new Float32Array(size * size).fill(0.001), [size, size]);
const quick = tinyModel({
  inputs: [{ name: "x", dims: ["n", "n"] }],
  outputs: [{ name: "y", dims: ["n", "n"] }],
  nodes: [round("x", "y", 0)],
});

describe("a run", () => {
  test("can be cancelled, and the session runs again afterwards", async () => {
    await using session = await open(slowModel);
    session.setFeed("x", square);
    const stop = new AbortController();
    const running = session.run({ fetch: ["y"], signal: stop.signal });
    setTimeout(() => stop.abort(), 30);
    await expect(running).rejects.toMatchObject({ code: "ERR_CANCELLED" });
    await expect(session.run({ fetch: ["y"], signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ERR_CANCELLED" });
    expect((await session.run({ fetch: ["y"] })).outputs.get("y")?.dims).toEqual([size, size]);
  });

  test("leaves the event loop free while it runs", async () => {
    await using session = await open(slowModel);
    session.setFeed("x", square);
    let running = true;
    let turns = 0;
    const turn = () => {
      turns++;
      if (running) setImmediate(turn);
    };
    const run = session.run({ fetch: ["y"] });
    setImmediate(turn);
    await run;
    running = false;
    // A run on the event loop would let it turn once. How long a turn takes depends on the machine; scripts/bench measures it.
    expect(turns).toBeGreaterThan(20);
  });

  test("refuses a second one of the same session, while another session runs beside it", async () => {
    await using session = await open(slowModel);
    await using other = await open(quick);
    session.setFeed("x", square);
    other.setFeed("x", square);
    const first = session.run({ fetch: ["y"] });
    await expect(session.run({ fetch: ["y"] })).rejects.toMatchObject({
      code: "ERR_ENGINE_RUN",
      message: expect.stringMatching(/under way/),
    });
    expect((await other.run({ fetch: ["y"] })).outputs.size).toBe(1);
    expect((await first).outputs.size).toBe(1);
  });

  test("ends well when the session is disposed meanwhile; later calls say so", async () => {
    const session = await open(slowModel);
    session.setFeed("x", square);
    const running = session.run({ fetch: ["y"] });
    session.dispose();
    session.dispose();
    expect((await running).outputs.get("y")?.data.length).toBe(size * size * 4);
    await expect(session.run()).rejects.toMatchObject({ code: "ERR_DISPOSED" });
    expect(() => session.setFeed("x", square)).toThrow(expect.objectContaining({ code: "ERR_DISPOSED" }));
    expect(() => session.comparesDone()).toThrow(expect.objectContaining({ code: "ERR_DISPOSED" }));
    await session[Symbol.asyncDispose]();
  });

  test("that cannot be says why", async () => {
    await using session = await open(quick);
    await expect(session.run({ fetch: ["y"] })).rejects.toMatchObject({ code: "ERR_ENGINE_RUN" }); // no feed
    session.setFeed("x", square);
    await expect(session.run({ fetch: ["z"] })).rejects.toMatchObject({ code: "ERR_ENGINE_RUN", message: expect.stringMatching(/'z'/) });
    await expect(session.run()).rejects.toMatchObject({ code: "ERR_ENGINE_RUN", message: expect.stringMatching(/nothing to do/) });
    await expect(session.run({ fetch: ["y"], switches: new Uint8Array(3) })).rejects.toMatchObject({ code: "ERR_ENGINE_RUN" });
    await expect(session.run({ fetch: ["y"], switches: Uint8Array.of(8) })).rejects.toMatchObject({ code: "ERR_ENGINE_RUN" });
  });
});

describe("building a session", () => {
  test("from a broken model gives ONNX Runtime's reason", async () => {
    await expect(open(new Uint8Array([1, 2, 3, 4]))).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
    await expect(open(new Uint8Array())).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD" });
    const unknown = tinyModel({
      inputs: [{ name: "x", dims: [1] }],
      outputs: [{ name: "y", dims: [1] }],
      nodes: [node("NoSuchOperator", ["x"], ["y"])],
    });
    await expect(open(unknown)).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD", message: expect.stringMatching(/NoSuchOperator/) });
  });

  test("refuses a switch that the session does not have", async () => {
    const model = tinyModel({ inputs: [{ name: "x", dims: [1] }], outputs: [{ name: "y", dims: [1] }], nodes: [round("x", "y", 1)] });
    await expect(open(model)).rejects.toMatchObject({ code: "ERR_ENGINE_BUILD", message: expect.stringMatching(/switch is 1/) });
  });

  test("tells inputs and outputs with symbolic dimensions and types", async () => {
    await using session = await open(quick);
    expect(session.inputs).toEqual([{ name: "x", dtype: "float32", dims: ["n", "n"] }]);
    expect(session.outputs).toEqual([{ name: "y", dtype: "float32", dims: ["n", "n"] }]);
  });
});

describe("a feed", () => {
  test("that does not fit is refused with what was expected", async () => {
    await using session = await open(quick);
    expect(() => session.setFeed("z", square)).toThrow(expect.objectContaining({ code: "ERR_FEED" }));
    expect(() => session.setFeed("x", { ...square, dtype: "int32" })).toThrow(expect.objectContaining({ code: "ERR_FEED" }));
    expect(() => session.setFeed("x", { ...square, dims: [1, 3] })).toThrow(expect.objectContaining({ code: "ERR_FEED" }));
    expect(() => session.setFeed("x", stringTensor([2], ["a", "b"]))).toThrow(
      expect.objectContaining({ code: "ERR_FEED", message: expect.stringMatching(/element type 1, the feed has 8/) }),
    );
  });
});

describe("a process", () => {
  const folder = mkdtempSync(join(tmpdir(), "halfscope-process-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const addon = process.env.HALFSCOPE_ADDON ?? fileURLToPath(new URL("../../../native/build/Release/halfscope.node", import.meta.url));
  // Plain JavaScript against the addon itself: children and worker threads of tests have no TypeScript.
  const prelude = (model: Uint8Array) => {
    writeFileSync(join(folder, "model.onnx"), model);
    return `
      const native = require(${JSON.stringify(addon)});
      native.load(${JSON.stringify(addonInfo().library)});
      const model = require("node:fs").readFileSync(${JSON.stringify(join(folder, "model.onnx"))});
      const options = { model, folder: "", threads: 2, optimization: 0, prepacking: false, switchCount: 1, slotCount: 0, decisionCount: 0, weights: [] };
      const dims = [${size}, ${size}];
      const feed = (session) => session.setFeed("x", 1, dims, new Uint8Array(dims[0] * dims[1] * 4));
    `;
  };
  const child = (script: string, env: NodeJS.ProcessEnv = {}) =>
    promisify(execFile)(process.execPath, ["-e", script], { env: { ...process.env, ...env } });

  test.each([
    ["falls off its end", ""],
    ["calls process.exit", "process.exit(0);"],
  ])("that %s with a live session ends with status 0", async (_, end) => {
    const script = `${prelude(quick)}
      native.createSession(options).then(async (session) => { feed(session); await session.run(undefined, ["y"], false); globalThis.s = session; ${end} });`;
    await expect(child(script)).resolves.toMatchObject({ stderr: "" });
  });

  test("that calls process.exit during a run ends with status 0", async () => {
    const script = `${prelude(slowModel)}
      process.once("exit", () => native.terminateAll());
      native.createSession(options).then((session) => { feed(session); session.run(undefined, ["y"], false); setTimeout(() => process.exit(0), 50); });`;
    await expect(child(script)).resolves.toMatchObject({ stderr: "" });
  });

  test("runs sessions in two worker threads at once, and one that is stopped during a run does no harm", async () => {
    const work = `${prelude(slowModel)}
      const { parentPort, workerData } = require("node:worker_threads");
      native.createSession(options).then(async (session) => {
        feed(session);
        parentPort.postMessage("running");
        const run = await session.run(undefined, ["y"], false);
        parentPort.postMessage(run.outputs[0].data.length);
      });`;
    const start = () => new Worker(work, { eval: true });
    const message = (worker: Worker) => new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    const [kept, stopped] = [start(), start()];
    const last = new Promise((resolve) => kept.on("message", (m) => typeof m === "number" && resolve(m)));
    expect(await message(stopped)).toBe("running");
    await stopped.terminate();
    expect(await last).toBe(size * size * 4);
    await kept.terminate();
  });

  test("with a wrong HALFSCOPE_ISA is told what there is", async () => {
    await expect(child(prelude(quick), { HALFSCOPE_ISA: "mmx" })).rejects.toMatchObject({
      stderr: expect.stringMatching(/available here: scalar/),
    });
  });

  test("gets the same bits from the scalar kernels", async () => {
    const script = `${prelude(quick)}
      const values = Float32Array.from({ length: 5001 }, (_, i) => Math.sin(i) * 2 ** ((i % 45) - 26));
      native.convertToHalf(new Uint8Array(values.buffer), false).then((r) => console.log(Buffer.from(r.half).toString("base64")));`;
    const [scalar, best] = await Promise.all([child(script, { HALFSCOPE_ISA: "scalar" }), child(script)]);
    expect(scalar.stdout).toBe(best.stdout);
  });
});
