import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type DeviceEnvironment, EngineError, UsageError } from "@halfscope/core";
import { describe, expect, it } from "vitest";
import { seeded, temporaryFolder } from "../../../../../test/support/model-file.js";
import { parseProfile } from "../profile-text.js";
import { loadPlan, type PlanFacts, readSidecar, savePlan, sidecarPath } from "./plan-file.js";

const folder = temporaryFolder();
let files = 0;
const newPath = () => join(folder, `engine ${files++}.plan`);

const here: DeviceEnvironment = {
  backend: "tensorrt",
  library: "TensorRT",
  version: "10.6.0",
  gpu: "NVIDIA H200",
  computeCapability: "9.0",
  capabilities: {
    typings: ["typed", "weak"],
    profiles: true,
    debugTensors: true,
    unfusedTensors: false,
    strictNans: false,
    layerTimes: true,
    realHalf: true,
  },
};
const facts: PlanFacts = {
  title: "recommended, weakly typed",
  precision: { kind: "weak", half: "float16", pins: [{ node: "a", precision: "float32" }], constraints: "obey" },
  modelDigest: "d".repeat(64),
  profiles: [parseProfile("x=1x2:2x2:8x2")],
};
const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) % 256);

async function saved(): Promise<string> {
  const path = newPath();
  await savePlan(path, bytes, facts, here);
  return path;
}

async function refusal(run: Promise<unknown>): Promise<EngineError> {
  const error: unknown = await run.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(EngineError);
  expect(error).toMatchObject({ code: "ERR_PLAN_FILE", exitCode: 4, hint: expect.stringMatching(/^Build the engine again/) });
  return error as EngineError;
}

describe("plan files", () => {
  it("give back the bytes and what they were built for", async () => {
    const path = await saved();
    const plan = await loadPlan(path, here, facts.modelDigest);
    expect(Buffer.from(plan.bytes).equals(bytes)).toBe(true);
    expect(plan.sidecar).toMatchObject({
      schema: "halfscope/plan/1",
      version: "10.6.0",
      gpu: "NVIDIA H200",
      computeCapability: "9.0",
      ...facts,
      planBytes: 5000,
    });
    expect(await readSidecar(path)).toEqual(plan.sidecar);
  });

  it("leave nothing else in the folder", async () => {
    const place = join(folder, "alone");
    mkdirSync(place);
    await savePlan(join(place, "e.plan"), bytes, facts, here);
    await savePlan(join(place, "e.plan"), bytes.slice(1), facts, here);
    expect(readdirSync(place).sort()).toEqual(["e.plan", "e.plan.json"]);
    expect((await loadPlan(join(place, "e.plan"), here)).bytes).toHaveLength(4999);
  });

  it("need no digest where no model is at hand", async () => {
    expect((await loadPlan(await saved(), here)).sidecar.modelDigest).toBe(facts.modelDigest);
  });

  it("are refused on another version, GPU and model, each named with both sides", async () => {
    const path = await saved();
    const error = await refusal(loadPlan(path, { ...here, version: "10.7.0", gpu: "NVIDIA L4", computeCapability: "8.9" }, "e".repeat(64)));
    expect(error.message).toBe(
      `The plan ${path} was built for something else: TensorRT was 10.6.0, here it is 10.7.0; the GPU was NVIDIA H200, here it is NVIDIA L4; ` +
        `compute capability was 9.0, here it is 8.9; the model's digest was ${"d".repeat(64)}, here it is ${"e".repeat(64)}.`,
    );
    expect((await refusal(loadPlan(path, { ...here, gpu: "NVIDIA H100" }))).context?.differences).toHaveLength(1);
  });

  it("are refused without a sidecar, and not found where there is no plan", async () => {
    const path = await saved();
    rmSync(sidecarPath(path));
    expect((await refusal(loadPlan(path, here))).message).toMatch(/has no .*\.plan\.json beside it/);
    const absent = await loadPlan(newPath(), here).catch((e: unknown) => e);
    expect(absent).toBeInstanceOf(UsageError);
    expect(absent).toMatchObject({ code: "ERR_FILE_NOT_FOUND" });
    const orphan = await saved();
    rmSync(orphan);
    expect(await loadPlan(orphan, here).catch((e: unknown) => e)).toMatchObject({ code: "ERR_FILE_NOT_FOUND" });
  });

  it("are refused when cut, grown, or changed in any byte", async () => {
    const cut = await saved();
    truncateSync(cut, 4000);
    expect((await refusal(loadPlan(cut, here))).message).toMatch(/has 4000 bytes where its sidecar says 5000/);
    const grown = await saved();
    writeFileSync(grown, new Uint8Array(5001));
    expect((await refusal(loadPlan(grown, here))).message).toMatch(/has more bytes where its sidecar says 5000/);
    for (const at of [0, 2500, 4999]) {
      const changed = await saved();
      const copy = Uint8Array.from(bytes);
      copy[at] = (copy[at] ?? 0) ^ 1;
      writeFileSync(changed, copy);
      expect((await refusal(loadPlan(changed, here))).message).toMatch(/has the SHA-256 [0-9a-f]{64} where its sidecar says/);
    }
  });

  it("are refused after a crash between plan and sidecar: the old sidecar is another's", async () => {
    const path = await saved();
    const old = readFileSync(sidecarPath(path));
    await savePlan(
      path,
      Uint8Array.from(bytes, (b) => 255 - b),
      facts,
      here,
    );
    writeFileSync(sidecarPath(path), old);
    await refusal(loadPlan(path, here));
  });

  it.each([
    ["not JSON", "{", /not JSON/],
    ["empty", "", /not JSON/],
    ["no UTF-8", Uint8Array.of(0x22, 0xff, 0x22), /not JSON/],
    ["no object", "[]", /it is no object/],
    ["null", "null", /it is no object/],
    ["another schema", '{"schema":"halfscope/plan/2"}', /its schema is "halfscope\/plan\/2"/],
  ])("are refused where the sidecar is %s", async (_, text, message) => {
    const path = await saved();
    writeFileSync(sidecarPath(path), text);
    expect((await refusal(loadPlan(path, here))).message).toMatch(message);
  });

  it("are refused whatever field of the sidecar is missing or of another kind", async () => {
    const path = await saved();
    const good = JSON.parse(readFileSync(sidecarPath(path), "utf8")) as Record<string, unknown>;
    const junk = [
      undefined,
      null,
      3,
      -1,
      1.5,
      "",
      "x",
      [],
      {},
      true,
      [null],
      [{}],
      { kind: "weak" },
      { kind: {} },
      [{ inputs: { x: { min: [1], opt: ["2"], max: [3] } } }],
    ];
    for (const key of Object.keys(good))
      for (const value of junk) {
        if ((key === "profiles" && Array.isArray(value) && value.length === 0) || (key === "title" && value === "x")) continue;
        writeFileSync(sidecarPath(path), JSON.stringify({ ...good, [key]: value }));
        await refusal(loadPlan(path, here, facts.modelDigest));
      }
  });

  it.each<[Record<string, unknown>, string]>([
    [{ title: "" }, "title is no text with something in it"],
    [{ sha256: "D".repeat(64) }, "sha256 is no SHA-256"],
    [{ planBytes: 0 }, "planBytes is no number of bytes"],
    [{ precision: { kind: "weak", half: "float32" } }, "precision.half is none of float16, bfloat16"],
    [{ profiles: [{ inputs: {} }, {}] }, "profiles[1].inputs is missing, expected object"],
    [{ profiles: [{ inputs: { "a\n": { min: [1], opt: ["2"] } } }] }, 'profiles[0].inputs["a\\n"].opt is no list of sizes'],
  ])("are refused with the place: %j", async (change, words) => {
    const path = await saved();
    writeFileSync(sidecarPath(path), JSON.stringify({ ...JSON.parse(readFileSync(sidecarPath(path), "utf8")), ...change }));
    expect((await refusal(loadPlan(path, here))).message).toBe(`The plan ${path} has a damaged sidecar: ${words}.`);
  });

  it("are refused or read, never anything else, whatever a sidecar holds", async () => {
    const path = await saved();
    const text = readFileSync(sidecarPath(path), "utf8");
    const random = seeded(31);
    for (let i = 0; i < 200; i++) {
      const at = Math.floor(random() * text.length);
      writeFileSync(
        sidecarPath(path),
        text.slice(0, at) + String.fromCharCode(32 + Math.floor(random() * 95)) + text.slice(at + Math.floor(random() * 3)),
      );
      const outcome: unknown = await loadPlan(path, here).catch((e: unknown) => e);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: "ERR_PLAN_FILE" });
      else expect(outcome).toMatchObject({ sidecar: { planBytes: 5000 } });
    }
  });

  it("are refused where the sidecar asks for more memory than a sidecar can need", async () => {
    const path = await saved();
    writeFileSync(sidecarPath(path), " ".repeat(5 * 2 ** 20));
    expect((await refusal(loadPlan(path, here))).message).toMatch(/sidecar of more than 4194304 bytes/);
  });

  it("say where they cannot be written, and leave nothing behind", async () => {
    const place = join(folder, "nowhere");
    const error = await savePlan(join(place, "e.plan"), bytes, facts, here).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(error).toMatchObject({ code: "ERR_OUTPUT_NOT_WRITABLE" });
    expect(existsSync(place)).toBe(false);
    const taken = join(folder, "taken");
    mkdirSync(taken);
    mkdirSync(join(taken, "e.plan"));
    expect(await savePlan(join(taken, "e.plan"), bytes, facts, here).catch((e: unknown) => e)).toMatchObject({
      code: "ERR_OUTPUT_NOT_WRITABLE",
    });
    expect(readdirSync(taken)).toEqual(["e.plan"]);
  });

  it("are not read from what is no regular file", async () => {
    const path = newPath();
    mkdirSync(sidecarPath(path));
    expect(await loadPlan(path, here).catch((e: unknown) => e)).toMatchObject({
      code: "ERR_FILE_NOT_FOUND",
      message: expect.stringMatching(/no regular file/),
    });
  });
});
