/** `halfscope bench` on the CPU, as a person runs it. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type BenchDocument, decodeJson } from "@halfscope/core";
import { renderBenchHtml } from "@halfscope/report";
import { beforeAll, describe, expect, it, test } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { benchModels } from "../support/bench-models.js";
import { type ModelParts, temporaryFolder, writeModel } from "../support/model-file.js";
import { expectFailure, filesIn, halfscope, jsonOf, tooWide } from "./run-cli.js";

const folder = temporaryFolder();
/** Few calls: times are not what is tested. */
const quick = ["--requests", "6", "--rounds", "2", "--warmup", "1", "--max-seconds", "1", "--threads", "1"];
const bench = async (args: readonly string[], codes: readonly number[] = [0]): Promise<BenchDocument> =>
  (await jsonOf(["bench", ...args, ...quick], codes)) as unknown as BenchDocument;
const benchOf = (model: ModelParts, args: readonly string[] = [], codes?: readonly number[]) =>
  bench([writeModel(folder, model), ...args], codes);

describe("a BERT with open batch and sequence", () => {
  const model = join(folder, "bert.onnx");
  beforeAll(async () => {
    await makeBert({ path: model, layers: 2, hidden: 32, heads: 2, vocab: 100, maxPosition: 64 });
  });

  it("is measured at every batch, length and number of contexts, in table, JSON and page", async () => {
    const out = join(folder, "bert");
    const { code, stdout, stderr } = await halfscope([
      ...["bench", model, "--dim", "sequence=8,16", "--batch", "1,2,4", "--contexts", "1,2", "-o", out],
      ...quick,
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^WITHIN tolerance/);
    expect(stdout).toMatch(/p50 ms +p95 ms +p99 ms +requests\/s +variation +drift/);
    expect(tooWide(stdout)).toEqual([]);
    expect(filesIn(out)).toEqual(["bench.html", "bench.json"]);
    const d = decodeJson(readFileSync(join(out, "bench.json"), "utf8")) as BenchDocument;
    expect(readFileSync(join(out, "bench.html"), "utf8")).toBe(renderBenchHtml(d));
    expect(d.shapes.map((s) => s.name)).toEqual(["sequence=8", "sequence=16"]);
    expect(d.comparisons.map((c) => [c.shape, c.batch])).toEqual(
      ["sequence=8", "sequence=16"].flatMap((s) => [1, 2, 4].map((b) => [s, b])),
    );
    expect(d.points).toHaveLength(2 * 3 * 2);
    for (const p of d.points) {
      const { latency } = p;
      if (latency === undefined) throw new Error(`no time at batch ${p.batch}`);
      expect(latency.requests).toBeGreaterThanOrEqual(6);
      const ascending = [latency.min, latency.p50, latency.p95, latency.p99, latency.max];
      expect(ascending).toEqual(ascending.toSorted((a, b) => a - b));
      expect(p.rounds).toHaveLength(2);
      const calls = p.rounds.reduce((n, r) => n + r.requests, 0);
      const wall = p.rounds.reduce((n, r) => n + r.wallMilliseconds, 0);
      expect(p.throughput).toBeCloseTo((1000 * p.batch * calls) / wall, 6);
    }
    // Batches of a model without anything across the batch: no kernel may do more than sum otherwise.
    for (const c of d.comparisons) {
      expect(c.single?.relativeL2).toBeLessThan(1e-5);
      if (c.batch === 1) expect(c.atOnce?.bitIdentical).toBe(true);
      else expect(c.neighbours?.bitIdentical).toBe(true);
    }
    expect(d.batching).toMatchObject({ kind: "dynamic", symbol: "batch" });
  });

  it("answers whether padding reaches a request", async () => {
    const d = await bench([model, "--dim", "sequence=16", "--batch", "4"]);
    const [c] = d.comparisons;
    expect(c?.padded).toMatchObject({ mask: "attention_mask", lengths: [16, 12, 8, 4] });
    // The additive mask leaves a share of exp(-10000) of each weight: nothing.
    expect(c?.padded?.batched.relativeL2).toBeLessThan(1e-5);
    expect(d.paddingNotTried).toBeUndefined();
  });

  it("serves a file in FP16 beside FP32, and says that the CPU shows nothing of FP16", async () => {
    const d = await bench([model, "--fp16", "--dim", "sequence=8", "--batch", "1,2"], [0, 1]);
    expect(d.engines.map((e) => [e.role, e.title])).toEqual([
      ["reference", "the model in FP32"],
      ["candidate", "every layer in FP16"],
    ]);
    expect(d.engines[1]?.path).toBeUndefined();
    expect(d.warnings[0]).toMatch(/computes FP16 operators in FP32/);
    expect(d.comparisons.every((c) => c.reference === undefined && c.single !== undefined)).toBe(true);
    expect(d.points.map((p) => p.role)).toEqual(["candidate", "reference", "candidate", "reference"]);
    expect(d.verdict).toMatchObject({ outcome: "within", against: "single", notRealHalf: expect.stringMatching(/in FP32/) });
  });

  it("says of a model that overflows in FP16 that this was not judged, in every form", async () => {
    const faulty = join(folder, "faulty.onnx");
    await makeBert({ path: faulty, layers: 2, hidden: 32, heads: 2, vocab: 100, maxPosition: 64, faults: [{ kind: "square-overflow" }] });
    const out = join(folder, "faulty");
    const { code, stdout, stderr } = await halfscope([
      "bench",
      faulty,
      "--fp16",
      "--dim",
      "sequence=8",
      "--batch",
      "1,2",
      "-o",
      out,
      ...quick,
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^NOT REAL FP16: /);
    expect(stdout).toMatch(/^Not judged: what FP16 loses against FP32/m);
    expect(stdout).not.toMatch(/off the FP32 reference|^WITHIN/m);
    const page = readFileSync(join(out, "bench.html"), "utf8");
    expect(page).toMatch(/Not real FP16: only batching is judged/);
    expect(page).not.toMatch(/relative L2 against FP32/);
  });

  it("gives other shapes their rows when one fails, and does not end as if all had been served", async () => {
    const { code, stdout } = await halfscope(["bench", model, "--dim", "sequence=9999,16", "--batch", "1,2", ...quick]);
    expect(code).toBe(4);
    const text = stdout.replaceAll(/\s+/g, " ");
    expect(text).toMatch(/^FAILED: 2 of 4 batch sizes and shapes; what follows is about the others\. WITHIN tolerance/);
    expect(text).toMatch(
      /FAILED \(batches 1, 2 of sequence=9999\): Running the engine failed: Add node "[^"]+": Attempting to broadcast [^/]*64 by 9999\. /,
    );
    expect(stdout).not.toMatch(/onnxruntime_src|\ufffd/);
    const d = await bench([model, "--fp16", "--dim", "sequence=9999,16", "--batch", "2"], [4]);
    expect(d.comparisons.map((c) => c.refusal?.kind)).toEqual(["failed", undefined]);
    expect(d.points.map((p) => p.latency !== undefined)).toEqual([false, false, true, true]);
  });

  it("says what is wrong with a profile before TensorRT is looked for", async () => {
    const serve = (profile: string) => ["bench", model, "--dim", "sequence=16", "--engine", "tensorrt", "--profile", profile];
    const wrong = { code: 2, error: "ERR_PROFILE" };
    await expectFailure(serve("input_ids=1x32:1x16:8x64"), wrong, /min 32, opt 16, max 64 for "input_ids"/);
    await expectFailure(serve("input_id=1x8:1x16:8x64"), wrong, /names "input_id", which is no input/);
    await expectFailure(serve("input_ids=1x8:1x16:8x64 attention_mask=1x8:1x16:8x64"), wrong, /no comma between two inputs/);
  });

  it("tells of options that do nothing here", async () => {
    const d = await bench([model, "--dim", "sequence=8", "--batch", "1", "--workspace", "4GiB", "--builder-level", "3"]);
    expect(d.warnings.join(" ")).toMatch(/--workspace, --builder-level do nothing on ort-cpu/);
    expect((await bench([model, "--dim", "sequence=8", "--batch", "1"])).warnings.join(" ")).not.toMatch(/nothing on/);
  });

  it("is shown again from what was saved, and what was damaged is refused", async () => {
    const out = join(folder, "again");
    await bench([model, "--dim", "sequence=8", "--batch", "1", "-o", out]);
    const page = readFileSync(join(out, "bench.html"));
    rmSync(join(out, "bench.html"));
    expect(await jsonOf(["report", out])).toEqual({ schema: "halfscope/report/1", path: join(out, "bench.html") });
    expect(readFileSync(join(out, "bench.html")).equals(page)).toBe(true);
    const damaged = readFileSync(join(out, "bench.json"), "utf8").replace('"verdict"', '"verdicts"');
    writeFileSync(join(out, "bench.json"), damaged);
    await expectFailure(["report", out], { code: 2, error: "ERR_RESULT" }, /is damaged: verdict is missing/);
    mkdirSync(join(folder, "empty"));
    await expectFailure(
      ["report", join(folder, "empty")],
      { code: 2, error: "ERR_FILE_NOT_FOUND" },
      /neither result\.json nor bench\.json/,
    );
  });

  it("takes a candidate file, and refuses one of another model", async () => {
    const other = writeModel(folder, benchModels.rows);
    await expectFailure(["bench", model, other, "--dim", "sequence=8"], { code: 3, error: "ERR_MODEL_UNSUPPORTED" }, /other inputs/);
    const d = await bench([model, model, "--dim", "sequence=8", "--batch", "2"]);
    expect(d.comparisons[0]?.reference?.relativeL2).toBe(0);
  });

  it("pads real requests of different lengths to the longest", async () => {
    const ids = [
      [5, 6, 7],
      [8, 9, 10, 11, 12],
    ];
    const feeds = ids.map((row) => ({ input_ids: [row], attention_mask: [row.map(() => 1)], token_type_ids: [row.map(() => 0)] }));
    const file = join(folder, "texts.json");
    writeFileSync(file, JSON.stringify(feeds));
    const d = await bench([model, "--feed", file, "--batch", "2"]);
    expect(d.shapes.map((s) => s.inputs.input_ids)).toEqual([[1, 5]]);
    expect(d.comparisons[0]?.padded?.lengths).toEqual([3, 5]);
    expect(d.notes.join(" ")).toMatch(/padded to the longest, 5/);
  });
});

it("finds a model that works across the batch", async () => {
  const d = await benchOf(benchModels.mixes, ["--batch", "1,2,4"], [1]);
  expect(d.verdict).toMatchObject({ outcome: "not-within", mixes: true });
  expect(d.comparisons[0]?.single?.bitIdentical).toBe(true);
  const clean = await benchOf(benchModels.rows, ["--batch", "1,2,4"]);
  expect(clean.verdict.mixes).toBe(false);
});

it("never passes a NaN", async () => {
  const d = await benchOf(benchModels.broken, ["--batch", "1,2"], [1]);
  expect(d.verdict).toMatchObject({ outcome: "not-finite", error: Number.POSITIVE_INFINITY });
  const { stdout } = await halfscope(["bench", writeModel(folder, benchModels.broken), ...quick]);
  expect(stdout).toMatch(/^NOT FINITE/);
});

describe("a model that takes one request at a time", () => {
  it("is measured so, and says how to open it", async () => {
    const d = await benchOf(benchModels.fixed);
    expect(d.batching).toMatchObject({ kind: "static" });
    expect(d.points.map((p) => p.batch)).toEqual([1]);
    expect(d.notes.join(" ")).toMatch(/sizes are fixed.*dynamic_axes/);
  });
  it("refuses batches that were asked for, with the reason", async () => {
    const d = await benchOf(benchModels.fixed, ["--batch", "1,2"]);
    expect(d.comparisons[1]?.refusal).toMatchObject({ kind: "refused", reason: expect.stringContaining('"x" is [1, 4]') });
    expect(d.points[1]?.refusal?.kind).toBe("refused");
  });
  it("is found out where only its face is open: batches fail, with exit code 4", async () => {
    const d = await benchOf(benchModels.traced, ["--batch", "1,2"], [4]);
    expect(d.comparisons.map((c) => c.refusal?.kind)).toEqual([undefined, "failed"]);
    expect(d.comparisons[1]?.refusal?.reason).toMatch(/Reshape|reshape/);
    expect(d.points.map((p) => p.latency === undefined)).toEqual([false, true]);
    expect(d.notes.join(" ")).toMatch(/--batch-axis/);
  });
});

it("measures images of several sizes, with whole shapes and with dimensions", async () => {
  const whole = await benchOf(benchModels.images, ["--shape", "images=1x3x8x8,1x3x12x16", "--batch", "2"]);
  expect(whole.shapes.map((s) => s.name)).toEqual(["height=8, width=8", "height=12, width=16"]);
  const dims = await benchOf(benchModels.images, ["--dim", "height=8,16", "width=8", "--batch", "2"]);
  expect(dims.shapes.map((s) => s.inputs.images)).toEqual([
    [1, 3, 8, 8],
    [1, 3, 16, 8],
  ]);
  expect(dims.paddingNotTried).toMatch(/attention_mask/);
});

describe("a command line that cannot be", () => {
  const model = writeModel(folder, benchModels.rows);
  test.each([
    ["--batch 0", /--batch needs a whole number of at least 1, or several joined by commas, found "0"/],
    ["--batch 1,2x", /--batch needs a whole number .* found "2x" in "1,2x"/],
    ["--contexts 0", /--contexts needs/],
    ["--dim batch=2", /sets the batch/],
    ["--dim nothing=2", /no dimension "nothing"/],
    ["--dim batch", /--dim needs NAME=SIZE/],
    ["--shape x=1xx", /--shape needs/],
    ["--batch-axis z", /no axis of the model's inputs/],
    ["--max-seconds 0", /--max-seconds needs a number above 0/],
    ["--fp16 --bf16", /name two candidates/],
    ["--profile x=1x4:2x4:8x4", /has no optimisation profiles/],
    ["--typing weak --fp16", /has no weak networks/],
  ])("%s exits with 2", async (args, words) => {
    await expectFailure(["bench", model, ...args.split(" ")], { code: 2, error: "ERR_OPTION" }, words);
  });
});

it("Ctrl-C ends it with 130 and keeps what was finished, marked as stopped", async () => {
  const out = join(folder, "stopped");
  const model = writeModel(folder, benchModels.rows);
  const ended = await halfscope(["bench", model, "--requests", "1000000", "--max-seconds", "60", "-o", out], {
    onStart: (child) => setTimeout(() => child.kill("SIGINT"), 6000),
  });
  expect(ended.code, ended.stderr).toBe(130);
  expect(ended.stderr).toMatch(/ERR_CANCELLED/);
  expect(ended.stdout).toMatch(/^STOPPED before the end: 4 of 4 comparisons/);
  expect(filesIn(out)).toEqual(["bench.html", "bench.json"]);
  const d = decodeJson(readFileSync(join(out, "bench.json"), "utf8")) as BenchDocument;
  expect(d.stopped?.comparisons).toEqual([4, 4]);
  expect(d.comparisons.every((c) => c.single !== undefined)).toBe(true);
  expect(readFileSync(join(out, "bench.html"), "utf8")).toMatch(/Stopped before the end: 4 of 4 comparisons/);
});
