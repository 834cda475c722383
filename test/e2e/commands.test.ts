/** Every command on small BERT models, one sound and one with planted faults, as a person or a program uses it. */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeJson, type EngineName, type Overrides, type ResultDocument, type Verdict } from "@halfscope/core";
import { engineProfile, rulesOf } from "@halfscope/precision";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { temporaryFolder } from "../support/model-file.js";
import { bin, documentIn, type Ended, filesIn, halfscope, jsonOf, tooWide } from "./run-cli.js";

const folder = temporaryFolder();
const size = { layers: 2, hidden: 64, heads: 4, vocab: 200, maxPosition: 64, head: "qa" } as const;
const sound = join(folder, "sound", "model.onnx");
const faulty = join(folder, "faulty", "model.onnx");
const results = join(folder, "results");
const resultsOfSound = join(folder, "results-of-sound");
const withoutAddon = { env: { HALFSCOPE_ADDON: "/nowhere/halfscope.node" } };

let debugged: Ended;
beforeAll(async () => {
  mkdirSync(join(folder, "sound"));
  mkdirSync(join(folder, "faulty"));
  await makeBert({ path: sound, ...size });
  await makeBert({
    path: faulty,
    ...size,
    layers: 4,
    external: true,
    faults: [{ kind: "mask-constant" }, { kind: "square-overflow", layer: 1 }, { kind: "noisy-layer", layer: 2 }],
  });
  debugged = await halfscope(["debug", faulty, "-o", results, "--json"]);
}, 120_000);

const savedResult = (at = results) => decodeJson(readFileSync(join(at, "result.json"), "utf8")) as ResultDocument;

describe("debug", () => {
  it("leaves a whole results folder and nothing else", () => {
    expect(debugged.code, debugged.stderr).toBe(0);
    expect(filesIn(results)).toEqual(["journal.jsonl", "mixed.onnx", "overrides.json", "report.html", "result.json"]);
    expect(filesIn(join(folder, "faulty"))).toEqual(["model.onnx", "model.onnx.data", "planted.json"]);
  });

  it("prints one document, which is the saved one", () => {
    const { timings: _, ...printed } = documentIn(debugged.stdout);
    const { timings: __, ...saved } = savedResult();
    expect(printed).toEqual(saved);
    expect(printed.schema).toBe("halfscope/result/1");
  });

  it("names the planted faults first, pins them, and measures the file that it wrote within the tolerance", () => {
    const { ranking, sensitivity, recommendation, verdict, verdictAllHalf } = savedResult();
    const harmful = ranking?.origins.filter((o) => o.kind !== "harmless-overflow").map((o) => `${o.kind} ${o.layer}`);
    expect(harmful).toContain("silent-overflow encoder/layer.1/attention/output/LayerNorm");
    expect(harmful?.some((o) => o.startsWith("constant-overflow"))).toBe(true);
    expect(sensitivity?.layers[0]?.layer).toBe("encoder/layer.2/intermediate/dense");
    expect(recommendation?.outcome).toBe("pins-found");
    expect(recommendation?.pins.map((p) => p.layer)).toEqual(
      expect.arrayContaining(["encoder/layer.1/attention/output/LayerNorm", "encoder/layer.2/intermediate/dense"]),
    );
    expect(verdict?.outcome).toBe("within");
    expect(verdictAllHalf?.outcome).not.toBe("within");
  });

  it("says so to people: the answer on standard output, where the report lies, no line of it too wide", async () => {
    const { code, stdout, stderr } = await halfscope(["debug", sound, "-o", resultsOfSound]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^Yes/);
    expect(tooWide(stdout)).toEqual([]);
    expect(stderr).toContain(join(resultsOfSound, "report.html"));
    expect(savedResult(resultsOfSound).recommendation).toMatchObject({ outcome: "no-pins-needed", pins: [] });
  });
});

describe("inspect", () => {
  it("lists layers and hazards in JSON", async () => {
    const found = await jsonOf(["inspect", faulty]);
    const layers = found.layers as { id: string; kind: string }[];
    expect(found).toMatchObject({ schema: "halfscope/inspect/1", notes: [] });
    expect(layers.filter((l) => l.kind === "layer-norm")).toHaveLength(9);
    expect((found.hazards as { code: string }[]).map((h) => h.code)).toContain("mask-constant");
  });

  it("prints a table within 120 columns, and nothing on standard error", async () => {
    const { code, stdout, stderr } = await halfscope(["inspect", faulty]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = stdout.split("\n");
    const head = rows.findIndex((l) => /^layer +kind +what it is$/.test(l));
    expect(head).toBeGreaterThan(0);
    expect(rows[head + 1]?.indexOf(rows[head + 1]?.trim().split(/ {2,}/)[1] ?? "")).toBe(rows[head]?.indexOf("kind"));
    expect(tooWide(rows.filter((l) => /layer\.\d/.test(l) && !l.startsWith(" ")).join("\n"))).toEqual([]);
  });

  it("--no-weights needs no addon, and lists the same layers", async () => {
    const bare = await jsonOf(["inspect", faulty, "--no-weights"], [0], withoutAddon);
    expect(bare.layers).toEqual((await jsonOf(["inspect", faulty])).layers);
    // The addon being absent is no reason to fail either: a note says what was left out.
    const { notes, layers } = await jsonOf(["inspect", faulty], [0], withoutAddon);
    expect(layers).toEqual(bare.layers);
    expect((notes as string[]).join()).toMatch(/addon/);
  });
});

describe("compare", () => {
  it("exits with 0 within the tolerance and 1 beyond, and ranks layers", async () => {
    const result = (await jsonOf(["compare", sound])) as unknown as ResultDocument;
    expect(result.ranking?.layers.length).toBeGreaterThan(40);
    expect(result.accumulated?.coverage["not-supported"]).toBe(0);
    await jsonOf(["compare", sound, "--tolerance", "1e-5"], [1]);
    await jsonOf(["compare", faulty], [1]);
  });

  it("prints aligned numbers within 120 columns", async () => {
    const { code, stdout, stderr } = await halfscope(["compare", faulty]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "" });
    expect(stdout).toMatch(/SILENT-OVERFLOW starts at encoder\/layer\.1\/attention\/output\/LayerNorm/);
    const table = stdout.split("\n").filter((l) => /^(embeddings|encoder)\/\S+ +[a-z-]+ +\d/.test(l));
    expect(table.length).toBeGreaterThan(10);
    expect(tooWide(table.join("\n"))).toEqual([]);
    expect(new Set(table.map((l) => l.length)).size, "numbers end in the same column").toBe(1);
  });

  it("--observe compares the chosen tensors and the outputs", async () => {
    const result = (await jsonOf(["compare", sound, "--observe", "*LayerNorm*"])) as unknown as ResultDocument;
    const others = result.accumulated?.tensors.map((t) => t.tensor).filter((t) => !t.includes("LayerNorm"));
    expect(others?.sort()).toEqual(["end_logits", "start_logits"]);
  });

  it("-o keeps the result, and the report reads it", async () => {
    const out = join(folder, "compared");
    await jsonOf(["compare", sound, "-o", out]);
    expect(filesIn(out)).toEqual(["result.json"]);
    expect(await jsonOf(["report", out])).toEqual({ schema: "halfscope/report/1", path: join(out, "report.html") });
  });

  it("gives the same numbers again, also with other threads and from another folder", async () => {
    const numbers = async (...more: string[]) => {
      const { ranking, accumulated, feeds } = await jsonOf(["compare", sound, ...more], [0], { cwd: folder });
      return { ranking, accumulated, feeds };
    };
    expect(await numbers("--threads", "1")).toEqual(await numbers("--threads", "2"));
  });

  it("a reader that goes away in the middle is no failure", async () => {
    const child = spawn(process.execPath, [bin, "compare", sound, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    child.stdout.once("data", () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.on("close", resolve));
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});

describe("sweep, recommend, apply and verify, one by one", () => {
  const out = join(folder, "step-by-step");
  const mixed = join(folder, "by-hand.onnx");

  it("lead to the same pins as debug", async () => {
    const swept = (await jsonOf(["sweep", faulty, "-o", out])) as unknown as ResultDocument;
    expect(swept.sensitivity).toEqual(savedResult().sensitivity);
    expect(filesIn(out)).toEqual(["journal.jsonl", "result.json"]);
    const [head = ""] = readFileSync(join(out, "journal.jsonl"), "utf8").split("\n");
    const { like, rules } = JSON.parse(head) as { like: EngineName; rules?: readonly string[] };
    expect(rules ?? []).toEqual(rulesOf(engineProfile(like)));
    const { recommendation, overrides } = await jsonOf(["recommend", out]);
    expect(recommendation).toEqual(savedResult().recommendation);
    expect(overrides).toEqual(savedResult().overrides);
    expect(readFileSync(join(out, "overrides.json"), "utf8")).toBe(readFileSync(join(results, "overrides.json"), "utf8"));
  });

  it("apply writes the file that debug wrote, and verify measures the same", async () => {
    const applied = await jsonOf(["apply", faulty, join(out, "overrides.json"), "-o", mixed]);
    expect(applied).toMatchObject({ schema: "halfscope/applied/1", path: mixed });
    expect(readFileSync(mixed).length).toBe(readFileSync(join(results, "mixed.onnx")).length);
    const verdict = (await jsonOf(["verify", faulty, mixed])) as unknown as Verdict;
    expect(verdict).toMatchObject({ schema: "halfscope/verdict/1", outcome: "within", error: savedResult().verdict?.error });
    await jsonOf(["verify", faulty, mixed, "--tolerance", "1e-6"], [1]);
  });

  it("overrides may be edited: without pins the file is not within the tolerance", async () => {
    const overrides = JSON.parse(readFileSync(join(out, "overrides.json"), "utf8")) as Overrides;
    const edited = join(folder, "edited.json");
    writeFileSync(edited, JSON.stringify({ ...overrides, pins: [] }));
    const all = join(folder, "all-half.onnx");
    await jsonOf(["apply", faulty, edited, "-o", all]);
    const verdict = await jsonOf(["verify", faulty, all], [1]);
    expect(verdict.outcome).not.toBe("within");
    // A pin may be a bare name.
    writeFileSync(edited, JSON.stringify({ ...overrides, pins: overrides.pins.map((p) => p.layer) }));
    expect(await jsonOf(["apply", faulty, edited, "-o", all])).toMatchObject({ pins: overrides.pins.length });
  });

  it("the original as its own candidate has no error", async () => {
    expect(await jsonOf(["verify", faulty, faulty])).toMatchObject({ outcome: "within", error: 0, maxAbs: 0 });
  });

  it("a tolerance that no pins meet ends with 1, and drops the verdict on the former file", async () => {
    const copy = join(folder, "tight");
    mkdirSync(copy);
    copyFileSync(join(results, "result.json"), join(copy, "result.json"));
    const { recommendation } = await jsonOf(["recommend", copy, "--tolerance", "0"], [0, 1]);
    expect((recommendation as { tolerance: number }).tolerance).toBe(0);
    expect(savedResult(copy).verdict).toBeUndefined();
  });
});

describe("report", () => {
  it("needs no addon and no model", async () => {
    const copy = join(folder, "only-result");
    mkdirSync(copy);
    copyFileSync(join(results, "result.json"), join(copy, "result.json"));
    const { code, stdout } = await halfscope(["report", copy], withoutAddon);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${join(copy, "report.html")}\n` });
    const same = readFileSync(join(copy, "report.html")).equals(readFileSync(join(results, "report.html")));
    expect(same, "the report of debug, byte for byte").toBe(true);
    const elsewhere = join(folder, "elsewhere.html");
    await jsonOf(["report", copy, "-o", elsewhere], [0], withoutAddon);
    expect(existsSync(elsewhere)).toBe(true);
  });
});

describe("doctor", () => {
  it("says what is there", async () => {
    const { findings } = await jsonOf(["doctor"]);
    expect((findings as { name: string }[]).map((f) => f.name)).toEqual(expect.arrayContaining(["Node", "Addon", "ONNX Runtime"]));
  });
  it("says what is missing and how to get it, and exits with 4", async () => {
    const { findings } = await jsonOf(["doctor"], [4], withoutAddon);
    const addon = (findings as { name: string; ok: boolean; remedy?: string }[]).find((f) => f.name === "Addon");
    expect(addon).toMatchObject({ ok: false, remedy: expect.stringMatching(/npm run/) });
    const { code, stdout } = await halfscope(["doctor"], withoutAddon);
    expect(code).toBe(4);
    expect(stdout).toMatch(/^MISSING Addon/m);
  });
});
