import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeOnFakes } from "./fakes.js";

const open = "const backend = await openTensorRt();";
const refused = `try { ${open} print("opened"); } catch (e) { print({ code: e.code, message: e.message, hint: e.hint }); }`;

describeOnFakes("TensorRT's addon on a driver and libraries that need no GPU", ({ fakes, run }) => {
  describe("what is missing is said in one line", () => {
    it.each([
      ["TensorRT's folder", { HALFSCOPE_TENSORRT_LIBRARY: "/nowhere" }, /: there is no folder \/nowhere\.$/],
      ["TensorRT's libraries in it", { HALFSCOPE_TENSORRT_LIBRARY: "/usr" }, /: no libnvinfer of TensorRT 8, 10 or 11 in \/usr\.$/],
      [
        "TensorRT's libraries everywhere",
        { HALFSCOPE_TENSORRT_LIBRARY: undefined, LD_LIBRARY_PATH: "/nowhere" },
        /: none of libnvinfer\.so\.11, libnvinfer\.so\.10 and libnvinfer\.so\.8 was found by the loader\.$/,
      ],
      [
        "a library of that major version",
        { FAKE_TENSORRT_VERSION: "90300" },
        /is TensorRT 9\.3\.0; this module of halfscope speaks TensorRT 10/,
      ],
      ["a version that is new enough", { FAKE_TENSORRT_VERSION: "100001" }, /is TensorRT 10\.0\.1; 10\.1 or newer is needed\.$/],
      ["a GPU", { FAKE_CUDA_DEVICES: "0" }, /No NVIDIA GPU: the driver is there and shows none/],
      ["a GPU that works", { FAKE_CUDA_INIT: "100" }, /cuInit says CUDA_ERROR_NO_DEVICE, no CUDA-capable device is detected/],
      ["a driver", { LD_LIBRARY_PATH: "/nowhere" }, /No NVIDIA driver: libcuda\.so\.1 could not be loaded/],
    ])("%s", async (_what, env, message) => {
      const [error] = await run(refused, env);
      expect(error).toMatchObject({ code: "ERR_BACKEND_UNAVAILABLE", message: expect.stringMatching(message), hint: expect.any(String) });
      expect((error as { message: string }).message).not.toContain("\n");
    });
    it("the parser", async () => {
      const folder = fakes().withOnly({ "libnvinfer.so.10": "libnvinfer.so.10" });
      for (const named of [folder, join(folder, "libnvinfer.so.10")]) {
        const [error] = await run(refused, { HALFSCOPE_TENSORRT_LIBRARY: named });
        expect(error).toMatchObject({
          message: `TensorRT cannot be used: ${folder}/libnvinfer.so.10 is TensorRT 10.6.0, but libnvonnxparser.so.10, which reads ONNX files, is missing: there is none in ${folder}.`,
        });
      }
    });
    it("a module for the version that is there", async () => {
      const folder = fakes().withOnly({ "libnvinfer.so.10": "libnvinfer.so.9" });
      const [error] = await run(refused, { HALFSCOPE_TENSORRT_LIBRARY: folder, FAKE_TENSORRT_VERSION: "9201" });
      expect(error).toMatchObject({
        message: expect.stringMatching(/: TensorRT 9\.2\.1 is in \S+; this build of halfscope has modules for .*\b10\b.*\.$/),
        hint: expect.stringMatching(/headers/),
      });
    });
    it("a library that is no TensorRT", async () => {
      const [error] = await run(refused, { HALFSCOPE_TENSORRT_LIBRARY: fakes().foreign() });
      expect(error).toMatchObject({ message: expect.stringMatching(/is not TensorRT 10: it lacks createInferBuilder_INTERNAL/) });
    });
    it("examineTensorRt tells each part by itself", async () => {
      const [found] = await run("print(examineTensorRt());", { FAKE_CUDA_DEVICES: "0" });
      expect(found).toMatchObject({ library: { version: "10.6.0", major: 10 }, device: expect.stringMatching(/No NVIDIA GPU/) });
    });
  });

  it("builds, runs and names inputs and outputs", async () => {
    const [environment, io, values] = await run(`${open}
      const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
      print(backend.environment);
      print([engine.inputs, engine.outputs, engine.notObserved, engine.messages.map((m) => [m.kind, m.count])]);
      print(floats((await engine.run(feed(1, 2, 3, 4))).get("y")));`);
    expect(environment).toMatchObject({
      backend: "tensorrt",
      version: "10.6.0",
      gpu: "Fake GPU",
      computeCapability: "9.0",
      cuda: "12.4",
    });
    expect(io).toEqual([
      [{ name: "x", dtype: "float32", dims: ["batch", 4] }],
      [{ name: "y", dtype: "float32", dims: [null, 4] }],
      [],
      [
        ["layer-norm-overflow", 1],
        ["other", 1],
      ],
    ]);
    [2.1, 4.1, 6.1, 8.1].forEach((root, i) => {
      expect((values as number[])[i]).toBeCloseTo(root ** 2, 4);
    });
  });

  it("finds the builder's kernels in the folder that was named, although no search path leads there", async () => {
    const name = "libnvinfer_builder_resource.so.10.6.0";
    const body = `${open}
      const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles });
      print(engine.outputs.map((o) => o.name));`;
    const folder = fakes().withResource(name);
    expect(await run(body, { FAKE_BUILDER_RESOURCE: name, HALFSCOPE_TENSORRT_LIBRARY: folder })).toEqual([["y"]]);
    const without = await fakes().run(body, { FAKE_BUILDER_RESOURCE: name });
    expect(without.code).not.toBe(0);
    expect(without.stderr).toContain(`Unable to load library: ${name}`);
  });

  it("builds a model from memory, with limits of memory pools, and refuses those that are none", async () => {
    const [limits, values, ...errors] = await run(`${open}
      import { readFileSync } from "node:fs";
      const build = (options) => backend.build({ label: "given", path: "/nowhere/model.onnx", model: readFileSync(model), precision: { kind: "full" }, profiles, options });
      const engine = await build({ workspaceBytes: 4096, memoryPools: { "tactic-dram": 8192, "tactic-shared-memory": 1024 } });
      print(engine.messages.filter((m) => m.text.startsWith("pool")).map((m) => m.text));
      print(floats((await engine.run(feed(1, 2, 3, 4))).get("y")).length);
      for (const memoryPools of [{ "tactic-shared-memory": 2 ** 30 }, { "tactic-dram": 0.5 }, { dla: 1 }])
        await build({ memoryPools }).catch((e) => print([e.code, e.message]));`);
    expect(limits).toEqual(["pool 0: 4096", "pool 4: 8192", "pool 5: 1024"]);
    expect(values).toBe(4);
    expect(errors).toEqual([
      ["ERR_ENGINE_BUILD", expect.stringMatching(/refuses 1073741824 bytes as the limit of shared memory of kernels: .*less than 1GiB/)],
      ["ERR_OPTION", expect.stringMatching(/whole number of bytes.*"tactic-dram", found 0\.5/)],
      ["ERR_OPTION", expect.stringMatching(/no memory pool "dla"/)],
    ]);
  });

  it("reads the GPU's clocks, and nothing where the driver does not tell them", async () => {
    const read = "print((await readGpuClocks()) ?? null);";
    expect(await run(read, { FAKE_NVML_REASONS: "4" })).toEqual([
      { smMHz: 1755, memoryMHz: 3201, powerWatts: 412.5, temperatureC: 51, throttle: ["power limit"] },
    ]);
    expect(await run(read, { FAKE_NVML_POWER: "3" })).toEqual([{ smMHz: 1755, memoryMHz: 3201, temperatureC: 51, throttle: [] }]);
    expect(await run(read, { FAKE_NVML_INIT: "9" })).toEqual([null]);
    expect(await run(read, { FAKE_CUDA_DEVICES: "0" })).toEqual([null]);
  });

  it("doctor tells what the version at hand can do, and of each library beside it", async () => {
    const doctor = async (env = {}) => {
      const { code, stdout, stderr } = await fakes().halfscope(["doctor", "--json"], env);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const { findings } = JSON.parse(stdout) as { findings: { name: string; ok: boolean; found: string; remedy?: string }[] };
      return Object.fromEntries(findings.map(({ name, ...rest }) => [name, rest]));
    };
    const bare = await doctor();
    expect(bare["NVIDIA GPU"]?.found).toMatch(/^Fake GPU, .*now at 1755 MHz, memory 3201 MHz$/);
    expect(bare["What TensorRT 10.6.0 can do"]?.found).toMatch(
      /^strongly typed networks .*weakly typed.*\. Not: .*unfused tensors .*: since 10\.12/,
    );
    expect(bare["TensorRT's builder resource"]).toMatchObject({ ok: false, remedy: expect.stringMatching(/Builds need it/) });
    expect(bare["TensorRT's plugins"]).toMatchObject({ ok: false, found: expect.stringMatching(/there is none in/) });
    const full = await doctor({ HALFSCOPE_TENSORRT_LIBRARY: fakes().withResource("libnvinfer_builder_resource.so.10.6.0") });
    expect(full["TensorRT's builder resource"]).toMatchObject({ ok: true, found: "libnvinfer_builder_resource.so.10.6.0" });
  });

  it("describes a network without building it", async () => {
    const [network] = await run(`${open}
      print(await backend.describe(model));`);
    expect(network).toMatchObject({
      inputs: [{ name: "x", dims: [-1, 4], symbols: ["batch", ""], shapeTensor: false }],
      layers: expect.arrayContaining([expect.objectContaining({ name: "first_1", node: "first" })]),
    });
  });

  it("serves several profiles, each with a context, and refuses what no profile serves before the engine is asked", async () => {
    const [one, five, error] = await run(`${open}
      const engine = await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles: [range(1, 1, 2), range(4, 5, 6)] });
      const shapeOf = async (batch) => (await engine.run(feed(...new Array(4 * batch).fill(1)))).get("y").dims;
      print(await shapeOf(1));
      print([await shapeOf(5), await shapeOf(2), await shapeOf(6)]);
      await shapeOf(3).catch((e) => print({ code: e.code, message: e.message }));`);
    expect(one).toEqual([1, 4]);
    expect(five).toEqual([
      [5, 4],
      [2, 4],
      [6, 4],
    ]);
    expect(error).toMatchObject({ code: "ERR_PROFILE", message: expect.stringMatching(/"x", dimension 0 \(batch\), is 3/) });
  });

  it("says which tensors cannot be observed, and why", async () => {
    const [found] = await run(`${open}
      const engine = await backend.build({ label: "marked", path: model, precision: { kind: "full" }, profiles,
        observe: { tensors: ["w", "ONNXTRT_Broadcast", "sizes", "x", "hidden", "nowhere", "y"] } });
      print({ outputs: engine.outputs.map((o) => o.name), notObserved: engine.notObserved });`);
    expect(found).toEqual({
      outputs: ["y", "hidden"],
      notObserved: [
        { tensor: "w", reason: "a constant" },
        { tensor: "ONNXTRT_Broadcast", reason: "a constant that TensorRT's parser added" },
        { tensor: "sizes", reason: "not of a float type" },
        { tensor: "x", reason: "an input of the model" },
        { tensor: "nowhere", reason: expect.stringMatching(/folded it away/) },
      ],
    });
  });

  it("asks marked layers for FP16 where that is preferred, pinned ones excepted", async () => {
    const [types] = await run(`${open}
      const build = async (pins, preferHalf) => {
        const engine = await backend.build({ label: "weak", path: model, profiles, observe: { tensors: ["hidden"], preferHalf },
          precision: { kind: "weak", half: "float16", pins, constraints: "prefer" } });
        return engine.outputs.find((o) => o.name === "hidden").dtype;
      };
      print([await build([], false), await build([], true), await build([{ node: "first", precision: "float32" }], true)]);`);
    expect(types).toEqual(["float32", "float16", "float32"]);
  });

  it("keeps what the parser put in front of a pinned node in FP32 with it: it carries the node's constants", async () => {
    const [full, pinned, half] = await run(`${open}
      const run = async (precision) => {
        const engine = await backend.build({ label: "weak", path: model, profiles, precision });
        return floats((await engine.run(feed(1.01, -2.3, 3.7, 4.4))).get("y"));
      };
      const weak = { kind: "weak", half: "float16", constraints: "obey" };
      print(await run({ kind: "full" }));
      print(await run({ ...weak, pins: [{ node: "first", precision: "float32" }] }));
      print(await run({ ...weak, pins: [] }));`);
    expect(pinned).toEqual(full);
    expect(half).not.toEqual(full);
  });

  it("types the constants themselves where the version wants that, as 8 does", async () => {
    const body = `${open}
      const run = async (precision, typeConstants) => {
        const engine = await backend.build({ label: "weak", path: model, profiles, precision, options: { typeConstants } });
        return floats((await engine.run(feed(1.01, -2.3, 3.7, 4.4))).get("y"));
      };
      const weak = { kind: "weak", half: "float16", constraints: "obey", pins: [{ node: "first", precision: "float32" }] };
      print(await run({ kind: "full" }));
      print(await run(weak, true));
      print(await run(weak, false));`;
    const [full, typed, untyped] = await run(body, { FAKE_CONSTANTS: "own" });
    expect(typed).toEqual(full);
    expect(untyped).not.toEqual(full);
  });

  it("tells of pins whose node TensorRT's network has not", async () => {
    const [messages] = await run(`${open}
      const engine = await backend.build({ label: "weak", path: model, profiles,
        precision: { kind: "weak", half: "float16", pins: [{ node: "ghost", precision: "float32" }], constraints: "obey" } });
      print(engine.messages.filter((m) => m.severity === "warning" && m.kind === "other"));`);
    expect(messages).toEqual([expect.objectContaining({ names: ["ghost"] })]);
  });

  it("compares outputs in FP32 and FP16, and debug tensors as they come, with the same statistics", async () => {
    const [outputs, debug] = await run(`${open}
      const weak = { kind: "weak", half: "float16", pins: [], constraints: "prefer" };
      const build = (precision, observe) => backend.build({ label: precision.kind, path: model, precision, profiles, observe });
      const values = feed(1.01, -2.3, 3.7, 4.4, 0.3, 100.7, -7.1, 0);
      const tensors = ["hidden", "y", "w"];
      const compare = async (one, other) => {
        const { stats, notCompared } = await backend.compare(one, other, values, tensors);
        return { stats: Object.fromEntries([...stats].map(([n, s]) => [n, [s.count, s.maxAbs, s.sumAbs, s.nonFiniteMismatch]])), notCompared };
      };
      print(await compare(await build({ kind: "full" }, { tensors }), await build(weak, { tensors, preferHalf: true })));
      print(await compare(await build({ kind: "full" }, { tensors, how: "debug" }), await build(weak, { tensors, how: "debug" })));`);
    expect(debug).toEqual(outputs);
    expect(outputs).toMatchObject({ notCompared: [{ tensor: "w", reason: "a constant" }] });
    const { stats } = outputs as { stats: Record<string, number[]> };
    expect(Object.keys(stats).sort()).toEqual(["hidden", "y"]);
    expect(stats.hidden?.[0]).toBe(8);
    expect(stats.hidden?.[1]).toBeGreaterThan(0);
    expect(stats.hidden?.[1]).toBeLessThan(0.13); // half an ulp of FP16 at 201.5, twice
  });

  it("gives layers with their times, and the plan, from which an engine is loaded again", async () => {
    const [layers, values] = await run(`${open}
      const weak = { kind: "weak", half: "float16", pins: [], constraints: "none" };
      const engine = await backend.build({ label: "weak", path: model, precision: weak, profiles });
      print((await engine.layers(feed(1, 2, 3, 4), 3)).map((l) => [l.name, l.milliseconds, l.computes]));
      const again = await backend.load(await engine.serialize(), { label: "loaded", inputs: engine.inputs, profiles });
      print([await engine.run(feed(1, 2, 3, 4)), await again.run(feed(1, 2, 3, 4))]);`);
    expect(layers).toEqual([
      ["first", 0.25, "float16"],
      ["second", 0.5, "unknown"],
    ]);
    const [built, loaded] = values as unknown[];
    expect(loaded).toEqual(built);
  });

  describe("failures are errors with TensorRT's words", () => {
    const build = 'backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles })';
    const caught = ".catch((e) => print({ code: e.code, message: e.message }))";
    it("a build", async () => {
      const [error] = await run(`${open} await ${build}${caught};`, { FAKE_BUILD: "fails" });
      expect(error).toMatchObject({
        code: "ERR_ENGINE_BUILD",
        message: expect.stringMatching(/Could not find any implementation for node/),
      });
    });
    it("a run", async () => {
      const [error] = await run(`${open} const engine = await ${build}; await engine.run(feed(1, 2, 3, 4))${caught};`, {
        FAKE_RUN: "fails",
      });
      expect(error).toMatchObject({ code: "ERR_ENGINE_RUN", message: expect.stringMatching(/illegal memory access/) });
    });
    it("a plan that is none", async () => {
      const [error] = await run(`${open} await backend.load(new Uint8Array(9), { label: "bad", inputs: [], profiles: [] })${caught};`);
      expect(error).toMatchObject({ code: "ERR_ENGINE_RUN", message: expect.stringMatching(/magicTagRead/) });
    });
    it("a feed of another type, and one that is missing", async () => {
      const [missingInput, type] = await run(`${open} const engine = await ${build};
        await engine.run({ tensors: new Map() })${caught};
        await engine.run({ tensors: new Map([["x", { dtype: "int64", dims: [1, 4], data: new Uint8Array(32) }]]) })${caught};`);
      expect(missingInput).toMatchObject({ code: "ERR_PROFILE" });
      expect(type).toMatchObject({ code: "ERR_FEED", message: expect.stringMatching(/takes float32, found int64/) });
    });
    it("a profile that contradicts itself", async () => {
      const [error] = await run(
        `${open} await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles: [range(2, 1, 4)] })${caught};`,
      );
      expect(error).toMatchObject({ code: "ERR_PROFILE", message: expect.stringMatching(/expected min <= opt <= max/) });
    });
  });

  it("shares a timing cache: what several builds measured is kept, a damaged one is begun anew", async () => {
    const cache = join(fakes().folder, "kernels.cache");
    const damaged = join(fakes().folder, "damaged.cache");
    writeFileSync(damaged, "no cache");
    const [texts] = await run(`${open}
      import { readFileSync } from "node:fs";
      const build = (timingCache) => backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles, options: { timingCache } });
      await build(${JSON.stringify(cache)});
      await build(${JSON.stringify(cache)});
      await build(${JSON.stringify(damaged)});
      print([${JSON.stringify(cache)}, ${JSON.stringify(damaged)}].map((f) => readFileSync(f, "utf8")));`);
    expect(texts).toEqual([expect.stringMatching(/^cache:(kernel;){2,}$/), expect.stringMatching(/^cache:(kernel;)+$/)]);
  });

  it("begins a timing cache of another GPU anew, and says so", async () => {
    const cache = join(fakes().folder, "elsewhere.cache");
    writeFileSync(cache, "cache:elsewhere;kernel;");
    const [said, text] = await run(`${open}
      import { readFileSync } from "node:fs";
      const engines = [];
      for (let i = 0; i < 2; i++)
        engines.push(await backend.build({ label: "full", path: model, precision: { kind: "full" }, profiles, options: { timingCache: ${JSON.stringify(cache)} } }));
      print(engines.map((e) => e.messages.filter((m) => m.text.startsWith("The timing cache")).map((m) => m.severity)));
      print(readFileSync(${JSON.stringify(cache)}, "utf8"));`);
    expect(said).toEqual([["warning"], []]);
    expect(text).toMatch(/^cache:(kernel;){2,}$/);
  });

  it("tells how far a build is, and stops it", async () => {
    const [updates, code] = await run(
      `${open}
      const updates = [];
      const progress = { step: () => ({ update: (done) => updates.push(done), end() {} }), note() {} };
      const request = { label: "full", path: model, precision: { kind: "full" }, profiles };
      await backend.build(request, { progress });
      print(updates);
      await backend.build(request, { signal: AbortSignal.timeout(100) }).catch((e) => print(e.code));`,
      { FAKE_BUILD_STEPS: "150" },
    );
    expect((updates as number[]).length).toBeGreaterThan(1);
    expect((updates as number[]).at(-1)).toBe(1000);
    expect(code).toBe("ERR_CANCELLED");
  });
});
