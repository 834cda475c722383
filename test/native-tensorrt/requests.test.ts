/** What happens to requests: memory, waiting, timing, threads, and ends in the middle of them. */
import { describe, expect, it } from "vitest";
import { describeOnFakes } from "./fakes.js";

const open = "const backend = await openTensorRt();";

describeOnFakes("requests on a TensorRT that needs no GPU", ({ fakes, run }) => {
  it("writes into the memory of an earlier run where the sizes agree, and into its own where they do not", async () => {
    const [same, values, other] = await run(`${open}
      const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
      const first = await engine.run(feed(1, 2, 3, 4));
      const second = await engine.run(feed(5, 6, 7, 8), { into: first });
      const fresh = await engine.run(feed(5, 6, 7, 8));
      print(second.get("y").data === first.get("y").data && fresh.get("y").data !== first.get("y").data);
      print([floats(second.get("y")), floats(fresh.get("y"))]);
      const larger = await engine.run(feed(1, 2, 3, 4, 5, 6, 7, 8), { into: first, wait: "spin" });
      print([larger.get("y").data.length, larger.get("y").data === first.get("y").data]);
      await engine[Symbol.asyncDispose]();`);
    expect(same).toBe(true);
    const [second, fresh] = values as number[][];
    expect(second).toEqual(fresh);
    expect(other).toEqual([32, false]);
  });

  it("answers those who do not sleep on a thread of its own: the same values and refusals, several at once", async () => {
    const [values, failure, served] = await run(
      `${open}
      const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
      const y = async (wait, ...x) => floats((await engine.run(feed(...x), { wait })).get("y"));
      const spinning = await Promise.all([y("spin", 1, 2, 3, 4), y("spin", 5, 6, 7, 8), y("sleep", 1, 2, 3, 4), y("spin", 1, 2, 3, 4)]);
      print([...spinning, await y("sleep", 5, 6, 7, 8)]);
      process.env.FAKE_RUN = "fails";
      print(await engine.run(feed(1, 2, 3, 4), { wait: "spin" }).catch((e) => [e.code, e.message]));
      delete process.env.FAKE_RUN;
      let served = 0;
      const timer = setInterval(() => served++, 1);
      await y("spin", 1, 2, 3, 4);
      clearInterval(timer);
      print(served);
      const last = y("spin", 1, 2, 3, 4);
      await engine[Symbol.asyncDispose]();
      await last;`,
      { FAKE_RUN_MS: "20" },
    );
    const [first, other, sleeping, again, otherSleeping] = values as number[][];
    expect([first, again]).toEqual([sleeping, sleeping]);
    expect(other).toEqual(otherSleeping);
    expect(other).not.toEqual(first);
    expect(failure).toEqual(["ERR_ENGINE_RUN", expect.stringContaining("illegal memory access")]);
    expect(served).toBeGreaterThan(0);
  });

  it("times requests with several contexts, each on a thread of its own", async () => {
    const [times] = await run(
      `${open}
      const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
      const one = await engine.time(feed(1, 2, 3, 4), { warmup: 0, requests: 12 });
      const four = await engine.time(feed(1, 2, 3, 4), { warmup: 4, requests: 12, contexts: 4 });
      print([one, four].map((t) => [t.milliseconds.length, t.deviceMilliseconds.length, t.wallMilliseconds]));`,
      { FAKE_RUN_MS: "20" },
    );
    const [one, four] = times as [number[], number[]];
    expect([one?.slice(0, 2), four?.slice(0, 2)]).toEqual([
      [12, 12],
      [12, 12],
    ]);
    // A request sleeps: four contexts overlap whatever the machine is busy with.
    expect(four?.[2]).toBeLessThan(one?.[2] ?? 0);
  });

  it("stops timing when a limit is reached, after five requests at least, and when it is told to", async () => {
    const [count, code] = await run(
      `${open}
      const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
      print((await engine.time(feed(1, 2, 3, 4), { warmup: 0, requests: 1000, maxMilliseconds: 1 })).milliseconds.length);
      const signal = AbortSignal.timeout(50);
      await engine.time(feed(1, 2, 3, 4), { warmup: 0, requests: 100000, signal }).catch((e) => print(e.code));`,
      { FAKE_RUN_MS: "5" },
    );
    expect(count).toBe(5);
    expect(code).toBe("ERR_CANCELLED");
  });

  describe("the process ends cleanly", () => {
    const start = 'backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles }).catch(() => {});';
    it("in the middle of a build", async () => {
      const { code, signal } = await fakes().run(`const backend = await openTensorRt(); ${start} setTimeout(() => process.exit(7), 50);`, {
        FAKE_BUILD_STEPS: "3000",
      });
      expect({ code, signal }).toEqual({ code: 7, signal: null });
    });
    it("in the middle of requests", async () => {
      const { code, signal } = await fakes().run(
        `const backend = await openTensorRt();
        const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
        engine.time(feed(1, 2, 3, 4), { requests: 100000, contexts: 3 }).catch(() => {});
        setTimeout(() => process.exit(7), 50);`,
        { FAKE_RUN_MS: "5" },
      );
      expect({ code, signal }).toEqual({ code: 7, signal: null });
    });
    it("in the middle of a request that nobody sleeps for", async () => {
      const { code, signal, stderr } = await fakes().run(
        `const backend = await openTensorRt();
        const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
        engine.run(feed(1, 2, 3, 4), { wait: "spin" }).catch(() => {});
        setTimeout(() => process.exit(7), 20);`,
        { FAKE_RUN_MS: "300", FAKE_RUN_SAYS: "ran" },
      );
      expect({ code, signal }).toEqual({ code: 7, signal: null });
      expect(stderr, "the process has waited for it").toContain("ran");
    });
    it("with engines that nobody disposed of", async () => {
      const { code, signal } = await fakes().run(`const backend = await openTensorRt(); await ${start} process.exit(7);`);
      expect({ code, signal }).toEqual({ code: 7, signal: null });
    });
  });

  it("works in worker threads, also where they are stopped while requests are under way, which are waited for", async () => {
    const [values] = await run(
      `import { Worker, isMainThread, parentPort, threadId } from "node:worker_threads";
      const use = async () => {
        const backend = await openTensorRt();
        const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
        const y = floats((await engine.run(feed(1, 2, 3, 4))).get("y"));
        return { engine, y };
      };
      if (isMainThread) {
        const { fileURLToPath } = await import("node:url");
        const workers = [1, 2, 3].map(() => new Worker(fileURLToPath(import.meta.url)));
        const got = await Promise.all([use().then((u) => u.y), ...workers.map((w) => new Promise((resolve, reject) => w.once("message", resolve).once("error", reject)))]);
        await Promise.all(workers.map((w) => w.terminate()));
        print(got.map((y) => y[0]));
      } else {
        const { engine, y } = await use();
        parentPort.postMessage(y);
        if (threadId % 2 === 0) await engine.time(feed(1, 2, 3, 4), { requests: 100 }).catch(() => {});
        else for (let into; ; ) into = await engine.run(feed(1, 2, 3, 4), { wait: "spin", into });
      }`,
      { FAKE_RUN_MS: "2" },
    );
    expect(new Set(values as number[]).size).toBe(1);
    expect(values).toHaveLength(4);
  });

  it("survives worker threads that are stopped in the middle of spinning requests, twenty in turn", async () => {
    const [stopped] = await run(
      `import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
      import { fileURLToPath } from "node:url";
      if (isMainThread) {
        let stopped = 0;
        for (let i = 0; i < 20; i++) {
          const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { loops: 1 + (i % 3) } });
          await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
          const until = performance.now() + 3 * Math.random();
          while (performance.now() < until);
          await worker.terminate();
          stopped++;
        }
        print(stopped);
      } else {
        const backend = await openTensorRt();
        const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles: [range(1, 8, 32)] });
        const loop = async () => {
          for (let into; ; ) {
            const got = await engine.run(feed(...Array(128).fill(1)), { wait: "spin", into });
            into = Math.random() < 0.5 ? got : undefined;
          }
        };
        for (let i = 0; i < workerData.loops; i++) loop();
        setTimeout(() => parentPort.postMessage(1), 5);
      }`,
    );
    expect(stopped).toBe(20);
  }, 60_000);

  it("waits with disposing for what is under way, and refuses what comes after", async () => {
    const [length, code] = await run(
      `const backend = await openTensorRt();
      const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
      const timing = engine.time(feed(1, 2, 3, 4), { warmup: 0, requests: 20 });
      await backend[Symbol.asyncDispose]();
      print((await timing).milliseconds.length);
      await engine.run(feed(1, 2, 3, 4)).catch((e) => print(e.code));`,
      { FAKE_RUN_MS: "5" },
    );
    expect(length).toBe(20);
    expect(code).toBe("ERR_DISPOSED");
  });
});
