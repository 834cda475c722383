/** `--engine` as a person types it, on the engine that every machine has, and what is said where a library is missing. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DeviceResult, decodeJson, type ResultDocument, type Verdict } from "@halfscope/core";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { temporaryFolder } from "../support/model-file.js";
import { documentIn, type Ended, filesIn, halfscope, jsonOf, tooWide } from "./run-cli.js";

const folder = temporaryFolder();
const model = join(folder, "model.onnx");
const results = join(folder, "results");
let debugged: Ended;
beforeAll(async () => {
  await makeBert({ path: model, layers: 1, hidden: 64, heads: 4, vocab: 100, maxPosition: 64, head: "qa" });
  debugged = await halfscope(["debug", model, "-o", results, "--adaptive", "--engine", "ort-cpu"]);
}, 120_000);

const saved = () => decodeJson(readFileSync(join(results, "result.json"), "utf8")) as ResultDocument;

describe("debug --engine ort-cpu", () => {
  it("measures everything on it, and says loudly that its FP16 is not real", () => {
    expect(debugged.code, debugged.stderr).toBe(0);
    expect(debugged.stderr).toMatch(/computes FP16 operators in FP32: what it measures says NOTHING about a GPU/);
    expect(debugged.stdout).toContain("NOT REAL FP16");
    expect(tooWide(debugged.stdout)).toEqual([]);
    const { device, warnings } = saved();
    expect(device?.engines.map((e) => e.role)).toEqual(["reference", "all-half", "reference", "all-half", "recommended", "guides"]);
    expect(device?.engines.every((e) => e.marked > 0 || (e.latency?.p50 ?? 0) > 0)).toBe(true);
    expect(device?.tensors?.length).toBeGreaterThan(40);
    expect(device?.agreement).toBeUndefined();
    expect(warnings.join()).toMatch(/NOTHING about a GPU/);
  });

  it("has an FP32 reference that is ONNX Runtime's own", () => {
    const reference = saved().device?.engines[0];
    for (const s of Object.values(reference?.outputs ?? {})) expect(s.sumSquaredError / s.sumSquaredReference).toBeLessThan(1e-10);
  });

  it("goes on where it was stopped: what the journal has is not measured again", async () => {
    expect(filesIn(results)).toContain("engine.jsonl");
    const before = saved().device;
    // A line that a crash tore is measured again, and nothing else.
    const copy = join(folder, "torn");
    mkdirSync(copy);
    for (const name of ["engine.jsonl", "journal.jsonl"]) copyFileSync(join(results, name), join(copy, name));
    const lines = readFileSync(join(copy, "engine.jsonl"), "utf8").trimEnd();
    writeFileSync(join(copy, "engine.jsonl"), lines.slice(0, -100));
    const { device } = (await jsonOf(["debug", model, "-o", copy, "--adaptive", "--engine", "ort-cpu"])) as unknown as ResultDocument;
    expect(device?.engines.slice(0, -1)).toEqual(before?.engines.slice(0, -1));
    expect(device?.engines.at(-1)).not.toEqual(before?.engines.at(-1));
  }, 120_000);

  it("takes no figures from a journal of other samples", async () => {
    const copy = join(folder, "other-seed");
    mkdirSync(copy);
    copyFileSync(join(results, "engine.jsonl"), join(copy, "engine.jsonl"));
    const { device } = (await jsonOf([
      ...["debug", model, "-o", copy, "--adaptive", "--seed", "7"],
      ...["--engine", "ort-cpu", "--observe", "none", "--no-guides"],
    ])) as unknown as ResultDocument;
    expect(device?.engines.map((e) => e.role)).toEqual(["reference", "all-half", "recommended"]);
    expect(device?.engines[1]?.error).not.toBe(saved().device?.engines[1]?.error);
  }, 120_000);
});

describe("verify --engine ort-cpu", () => {
  it("has the engine's figures beside the emulation's verdict, which decides", async () => {
    const found = await jsonOf(["verify", model, join(results, "mixed.onnx"), "--engine", "ort-cpu"]);
    const { outcome, device } = found as unknown as Verdict & { device: DeviceResult };
    expect(outcome).toBe("within");
    expect(device.engines.map((e) => e.title)).toEqual(["FP32, TF32 off", "mixed.onnx"]);
    const { code, stdout } = await halfscope(["verify", model, join(results, "mixed.onnx"), "--engine", "ort-cpu", "--tolerance", "1e-9"]);
    expect(code).toBe(1);
    expect(stdout).toContain("On the real engine: ONNX Runtime");
  }, 60_000);
});

describe("an engine that this machine lacks", () => {
  // Named so that no machine has it.
  const env = { HALFSCOPE_ORT_LIBRARY: "/nowhere/libonnxruntime.so" };
  it.each(["ort-cuda", "ort-tensorrt"])("%s ends with 4 and one line before anything is measured", async (engine) => {
    const out = join(folder, `lacking-${engine}`);
    const { code, stdout, stderr } = await halfscope(["debug", model, "-o", out, "--engine", engine], { env });
    expect({ code, stdout }).toEqual({ code: 4, stdout: "" });
    expect(stderr).toMatch(/^ERR_BACKEND_UNAVAILABLE: /);
    expect(stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
    expect(existsSync(out)).toBe(false);
  });
});

describe("verify by overrides", () => {
  const overrides = join(results, "overrides.json");
  it("verifies the model as they say, on the CPU and on an engine, as it does the file that was written from them", async () => {
    const read = async (...args: string[]) =>
      (await jsonOf(["verify", model, ...args])) as unknown as Verdict & { candidate: string; device?: DeviceResult };
    const [byPins, byFile] = [await read("--overrides", overrides), await read(join(results, "mixed.onnx"))];
    expect(byPins.candidate).toBe(overrides);
    expect([byPins.error, byPins.outcome]).toEqual([byFile.error, byFile.outcome]);
    const { device } = await read("--overrides", overrides, "--engine", "ort-cpu");
    expect(device?.engines.map((e) => e.title)).toEqual(["FP32, TF32 off", overrides]);
    expect(device?.engines[1]?.pins).toEqual(saved().overrides?.pins.map((p) => p.layer));
  }, 120_000);

  it.each([
    [[], /verify needs the file to verify, or --overrides/],
    [[join(results, "mixed.onnx"), "--overrides", overrides], /name two things to verify/],
    [["--overrides", join(folder, "nowhere.json")], /cannot be read/],
    [["--feed", "x.npz", "mixed.onnx"], /Put files before --feed/],
  ])("%j is refused as wrong usage", async (args, message) => {
    const { code, stderr } = await halfscope(["verify", model, ...args]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });
});

describe("options of the engine", () => {
  it("a profile that does not hold is refused on any machine, with a driver or without", async () => {
    for (const command of [
      ["debug", model, "-o", join(folder, "refused")],
      ["verify", model, join(results, "mixed.onnx")],
    ])
      for (const engine of ["tensorrt", "ort-tensorrt"]) {
        const { code, stderr } = await halfscope([...command, "--engine", engine, "--profile", "input_ids=1x256:1x128:8x512"]);
        expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^ERR_PROFILE: /) });
      }
    expect(existsSync(join(folder, "refused"))).toBe(false);
  }, 60_000);

  it.each([
    [["--workspace", "4GiB"], /--workspace needs --engine/],
    [["--profile", "input_ids=1x8"], /--profile needs --engine/],
    [["--engine", "ort-cpu", "--workspace", "much"], /--workspace needs an amount of memory/],
    [["--engine", "ort-cpu", "--workspace", "4"], /at least 1 MiB.*\n.*Did you mean 4GiB/],
    [["--engine", "ort-cpu", "--provider-option", "device_id=0"], /The CPU's provider has no options/],
    [["--engine", "ort-cpu", "--provider-option", "a.b=0", "--provider-option", "a.b=1"], /gives a\.b twice/],
    [["--engine", "ort-cpu", "--builder-level", "9"], /--builder-level needs a whole number from 0 to 5/],
    [["--engine", "ort-cpu", "--engine-trials", "-1"], /--engine-trials needs a whole number/],
    [["--engine", "ort-cpu", "--typing", "weak"], /has no weak networks/],
    [["--engine", "ort-cpu", "--save-plan", "x.plan"], /has no plan files/],
    [["--engine", "ort-cpu", "--profile", "input_ids"], /expected NAME=SIZES/i],
  ])("%j are refused as wrong usage, before anything is measured", async (options, message) => {
    const out = join(folder, "refused");
    const { code, stderr } = await halfscope(["debug", model, "-o", out, ...options]);
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
    expect(existsSync(out)).toBe(false);
  });

  it("are in the help, with an example", async () => {
    const { stdout, stderr } = await halfscope(["debug", "--help"]);
    expect(`${stdout}${stderr}`).toMatch(/--engine .*\[choices: "tensorrt", "ort-cuda", "ort-tensorrt", "ort-cpu"\]/s);
    expect(`${stdout}${stderr}`).toMatch(/results --engine\s+and all of it proved/);
  });
});

it("documents of a run are what was saved, device and all", async () => {
  const { stdout } = await halfscope(["debug", model, "-o", results, "--adaptive", "--engine", "ort-cpu", "--json"]);
  const { timings: _, ...printed } = documentIn(stdout) as unknown as ResultDocument;
  const { timings: __, ...kept } = saved();
  expect(printed).toEqual(kept);
}, 60_000);
