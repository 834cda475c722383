/** Other tools' FP16 and mixed files of a BERT: read, mapped, judged, and faults shown that ONNX Runtime's CPU provider hides. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Verdict } from "@halfscope/core";
import { verifyStep, Workbench } from "halfscope";
import { describe, expect, it, type TestContext, test } from "vitest";
import { type BertOptions, makeBert } from "../../scripts/make-bert/make-bert.js";
import { halfscope } from "../e2e/run-cli.js";
import { python } from "../python.js";
import { temporaryFolder } from "../support/model-file.js";

const folder = temporaryFolder();
const script = fileURLToPath(new URL("./convert.py", import.meta.url));
const packages = ["onnx", "onnxruntime", "onnxconverter_common"];

interface Converted {
  name: string;
  path: string;
  /** Relative L2 of the worst output as ONNX Runtime's CPU provider computes the file. */
  cpuError?: number;
  refused?: string;
}

const made = new Map<string, string>();
/** A small BERT with a feed of 16 words, the last four padded, as FEED.npz beside it. */
async function bert(interpreter: string, fault: NonNullable<BertOptions["faults"]>[number]["kind"] | "none"): Promise<string> {
  const known = made.get(fault);
  if (known !== undefined) return known;
  const path = join(folder, fault, "model.onnx");
  mkdirSync(dirname(path));
  const faults = fault === "none" ? [] : [{ kind: fault }];
  await makeBert({ path, layers: 2, hidden: 64, heads: 4, vocab: 500, maxPosition: 64, head: "qa", faults });
  const feed = [
    "import numpy as np, sys",
    "mask = np.ones((1, 16), np.int64); mask[0, 12:] = 0",
    "ids = np.random.default_rng(0).integers(0, 500, (1, 16))",
    "np.savez(sys.argv[1], input_ids=ids.astype(np.int64), attention_mask=mask, token_type_ids=np.zeros((1, 16), np.int64))",
  ].join("\n");
  execFileSync(interpreter, ["-c", feed, join(dirname(path), "feed.npz")]);
  made.set(fault, path);
  return path;
}

function convert(interpreter: string, model: string, ...names: readonly string[]): Converted[] {
  const args = [script, model, join(dirname(model), "feed.npz"), dirname(model), ...names];
  return execFileSync(interpreter, args, { encoding: "utf8", timeout: 300_000, stdio: ["ignore", "pipe", "ignore"] })
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Converted);
}
const convertOne = (interpreter: string, model: string, name: string): Converted => convert(interpreter, model, name)[0] as Converted;

async function judge(model: string, candidate: string, tensors = true): Promise<Verdict> {
  using bench = await Workbench.open(model, { feeds: [join(dirname(model), "feed.npz")], threads: 2 });
  return verifyStep(bench, candidate, 1e-2, { tensors });
}
const planted = (model: string): string[] =>
  (JSON.parse(readFileSync(join(dirname(model), "planted.json"), "utf8")) as { faults: { tensors: string[] }[] }).faults.flatMap(
    (f) => f.tensors,
  );

describe("a healthy BERT converted by", () => {
  test.for(["common-blocked-cast", "common-mixed", "runtime-keep-io", "runtime-half-io", "runtime-blocked"])(
    "%s is within the tolerance, and every tensor is mapped",
    async (name, context) => {
      const interpreter = python(context, ...packages);
      const model = await bert(interpreter, "none");
      const verdict = await judge(model, convertOne(interpreter, model, name).path);
      expect(verdict).toMatchObject({ outcome: "within", unmapped: [], unmappedTensors: 0, origins: [] });
      expect(verdict.mappedTensors).toBeGreaterThan(100);
      expect(verdict.sitesOn).toBeGreaterThan(100);
      // Errors of the inner tensors end in those of the outputs.
      expect(verdict.layers?.length).toBeGreaterThan(30);
      expect(verdict.layers?.every((l) => l.accumulated.nonFiniteMismatch === 0)).toBe(true);
    },
  );
});

describe("a fault that ONNX Runtime's CPU provider hides, because it computes FP16 nodes in FP32", () => {
  it.for(["common-blocked-cast", "runtime-keep-io"])(
    "squares beyond 65504 in a LayerNormalization: fine there, garbage in FP16 (%s)",
    async (name, context) => {
      const interpreter = python(context, ...packages);
      const model = await bert(interpreter, "square-overflow");
      const file = convertOne(interpreter, model, name);
      expect(file.cpuError).toBeLessThan(5e-3);
      const verdict = await judge(model, file.path);
      expect(verdict.outcome).toBe("not-within");
      expect(verdict.error).toBeGreaterThan(0.5);
      // Nothing is NaN at the end: only the inner tensors tell.
      expect(Object.values(verdict.outputs).every((s) => s.nonFiniteMismatch === 0)).toBe(true);
      expect(verdict.origins?.[0]).toMatchObject({ kind: "silent-overflow" });
      expect(planted(model)).toContain(verdict.origins?.[0]?.tensor);
      expect(verdict.layers?.[0]?.accumulated.overflowed).toBeGreaterThan(0);
    },
  );

  it("products beyond 65504 in a feed-forward part: fine there, NaN in FP16", async (context) => {
    const interpreter = python(context, ...packages);
    const model = await bert(interpreter, "ffn-overflow");
    const file = convertOne(interpreter, model, "runtime-keep-io");
    expect(file.cpuError).toBeLessThan(5e-3);
    const verdict = await judge(model, file.path);
    expect(verdict.outcome).toBe("not-finite");
    expect(planted(model)).toContain(verdict.origins?.[0]?.tensor);
  });

  it("a layer that loses precision: five times the error that it shows there", async (context) => {
    const interpreter = python(context, ...packages);
    const model = await bert(interpreter, "noisy-layer");
    const file = convertOne(interpreter, model, "runtime-keep-io");
    const verdict = await judge(model, file.path);
    expect(verdict.error).toBeGreaterThan(3 * (file.cpuError ?? Number.POSITIVE_INFINITY));
  });
});

describe("onnxconverter-common's default output", () => {
  it.for(["common-default", "common-keep-io"])(
    "does not load, and halfscope says which Cast is wrong and how to mend it (%s)",
    async (name, context) => {
      const interpreter = python(context, ...packages);
      const model = await bert(interpreter, "none");
      const file = convertOne(interpreter, model, name);
      expect(file.refused).toContain("Type Error");
      const failure = await judge(model, file.path).catch((e: unknown) => e);
      expect(failure).toMatchObject({ code: "ERR_ENGINE_BUILD", context: { node: "/Sub", casts: ["/Cast"] } });
      expect((failure as Error).message).toContain(
        'The Cast "/Cast" still makes FLOAT, though the file itself declares its result as float16.',
      );
      expect((failure as { hint: string }).hint).toContain('node_block_list=["/Cast"]');
    },
  );

  it("is explained by the command line, in verify and in inspect", async (context) => {
    const interpreter = python(context, ...packages);
    const model = await bert(interpreter, "none");
    const { path } = convertOne(interpreter, model, "common-default");
    const verified = await halfscope(["verify", model, path]);
    expect([verified.code, verified.stderr]).toEqual([4, expect.stringContaining('Set "to" of the Cast "/Cast" to FLOAT16 (10)')]);
    const inspected = await halfscope(["inspect", path]);
    expect(inspected.code).toBe(0);
    expect(inspected.stdout.replaceAll("\n", " ")).toContain('Set "to" of the Cast "/Cast" to FLOAT16 (10)');
  });
});

/** ModelOpt's autocast module; its package needs several gigabytes of others, so it is not among test/requirements.txt. */
const modelopt = (context: TestContext): string => python(context, "onnx", "onnxruntime", "modelopt.onnx.autocast");

describe("AutoCast's output", () => {
  test.for(["autocast", "autocast-data"])(
    "of a healthy BERT is within the tolerance, fused nodes are mapped too (%s)",
    async (name, context) => {
      const interpreter = modelopt(context);
      const model = await bert(interpreter, "none");
      const verdict = await judge(model, convertOne(interpreter, model, name).path);
      expect(verdict).toMatchObject({ outcome: "within", unmapped: [], origins: [] });
    },
  );

  it("hides a layer that loses precision from ONNX Runtime's CPU provider", async (context) => {
    const interpreter = modelopt(context);
    const model = await bert(interpreter, "noisy-layer");
    const file = convertOne(interpreter, model, "autocast-data");
    const verdict = await judge(model, file.path);
    expect(file.cpuError).toBeLessThan(0.02);
    expect(verdict.error).toBeGreaterThan(0.04);
    expect(verdict.layers?.[0]?.layer).toMatch(/^encoder\/layer\.1\//);
  });
});
