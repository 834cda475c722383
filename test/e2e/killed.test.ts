/**
 * kill -9 at random moments, several times over: what is resumed ends with the result.json of a run that nobody disturbed, whatever the moment was. The seed is printed
 * when it fails, and HALFSCOPE_KILL_SEED repeats it.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeJson, type ResultDocument } from "@halfscope/core";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBert } from "../../scripts/make-bert/make-bert.js";
import { differences } from "../support/differences.js";
import { temporaryFolder } from "../support/model-file.js";
import { bin, type Ended, filesIn, halfscope } from "./run-cli.js";

const folder = temporaryFolder();
const model = join(folder, "model.onnx");
const common = ["--dim", "batch=1", "sequence=32", "--threads", "1"];
const seed = Number(process.env.HALFSCOPE_KILL_SEED ?? Date.now() % 1e6);

/** Mulberry32: the moments must be told by a number. */
function randomFrom(state: number): () => number {
  let a = state >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const journal = (at: string) => readFileSync(join(at, "journal.jsonl"), "utf8");
const linesIn = (at: string) => (existsSync(join(at, "journal.jsonl")) ? journal(at).split("\n").length - 1 : 0);
/** As a parsed document, without how long it took. */
function resultIn(at: string): Omit<ResultDocument, "timings"> {
  const { timings: _, ...result } = decodeJson(readFileSync(join(at, "result.json"), "utf8")) as ResultDocument;
  return result;
}
/** A killed process may leave its temporary files behind, which nobody reads and which later runs take away; folders of models the next that makes one. */
const wholeFiles = (at: string) =>
  filesIn(at).filter((f) => !/^\.([0-9a-f]{12}\.(partial|probe)$|halfscope-[a-z]+-[\w.]+-\d+-\w{6}(\/|$))/.test(f));

interface Moment {
  /** The journal has so many lines, and then so many milliseconds. */
  lines: number;
  ms: number;
}
async function killedAt(command: readonly string[], at: string, moment: Moment): Promise<Ended> {
  return halfscope(command, {
    onStart: async (child) => {
      while (linesIn(at) < moment.lines && child.exitCode === null) await sleep(2);
      await sleep(moment.ms);
      child.kill("SIGKILL");
    },
  });
}

const commands = ["sweep", "debug"] as const;
const wholeOf = (command: string) => join(folder, `whole-${command}`);
const took = new Map<string, number>();

beforeAll(async () => {
  await makeBert({
    path: model,
    layers: 2,
    hidden: 64,
    heads: 4,
    vocab: 200,
    maxPosition: 32,
    faults: [
      { kind: "square-overflow", layer: 1 },
      { kind: "noisy-layer", layer: 0 },
    ],
  });
  for (const command of commands) {
    const start = performance.now();
    const { code, stderr } = await halfscope([command, model, "-o", wholeOf(command), ...common]);
    expect([0, 1], stderr).toContain(code);
    took.set(command, performance.now() - start);
  }
}, 240_000);

describe.each(commands)("%s", (command) => {
  it(`killed at random moments (seed ${seed}) and resumed ends as if nobody had`, { timeout: 300_000 }, async () => {
    const random = randomFrom(seed + commands.indexOf(command));
    const at = join(folder, `killed-${command}`);
    const line = [command, model, "-o", at, ...common];
    const all = linesIn(wholeOf(command));
    const moments: Moment[] = [
      { lines: 0, ms: random() * (took.get(command) ?? 0) },
      ...[0.1, 0.4, 0.7, 1].map((share) => ({ lines: Math.floor(share * random() * all), ms: random() * 150 })),
      // Behind the sweep: while results are written.
      { lines: all, ms: random() * 0.5 * (took.get(command) ?? 0) },
    ];
    const told = `seed ${seed}: ${moments.map((m) => `${m.lines} lines + ${m.ms.toFixed(0)} ms`).join(", ")}`;
    let kills = 0;
    for (const moment of moments) {
      const { code, stderr } = await killedAt(line, at, moment);
      if (code === null) kills++;
      else expect([0, 1], `${told}\n${stderr}`).toContain(code);
      // Whatever is there is whole.
      if (existsSync(join(at, "result.json"))) expect(() => resultIn(at), told).not.toThrow();
    }
    expect(kills, told).toBeGreaterThan(0);
    const { code, stderr } = await halfscope(line);
    expect([0, 1], `${told}\n${stderr}`).toContain(code);
    expect(differences(resultIn(at), resultIn(wholeOf(command))), told).toEqual([]);
    expect(wholeFiles(at), told).toEqual(wholeFiles(wholeOf(command)));
    for (const file of ["overrides.json", "mixed.onnx"].filter((f) => existsSync(join(wholeOf(command), f))))
      expect(readFileSync(join(at, file)).equals(readFileSync(join(wholeOf(command), file))), `${file}, ${told}`).toBe(true);
    const keys = journal(at).trimEnd().split("\n");
    expect(new Set(keys).size, "nothing is written twice").toBe(keys.length);
  });
});

it("undisturbed and again in another folder gives the same", async () => {
  const at = join(folder, "again");
  await halfscope(["sweep", model, "-o", at, ...common]);
  expect(differences(resultIn(at), resultIn(wholeOf("sweep")))).toEqual([]);
  expect(journal(at).split("\n").sort()).toEqual(journal(wholeOf("sweep")).split("\n").sort());
});

it("a crash that tore lines in the middle and at the end costs their candidates alone", async () => {
  const at = join(folder, "torn");
  mkdirSync(at);
  const lines = journal(wholeOf("sweep")).trimEnd().split("\n");
  const torn = [...lines.slice(0, 10), `${lines[10]?.slice(0, 25)}${lines[11]}`, "\0".repeat(100), ...lines.slice(12, 20)];
  writeFileSync(join(at, "journal.jsonl"), `${torn.join("\n")}\n`);
  appendFileSync(join(at, "journal.jsonl"), lines[20]?.slice(0, -1) ?? "");
  const { code, stderr } = await halfscope(["sweep", model, "-o", at, ...common]);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/2 lines of the journal were torn/);
  expect(differences(resultIn(at), resultIn(wholeOf("sweep")))).toEqual([]);
});

it("a disk that takes no more is said so, and the sweep goes on when there is room again", async () => {
  const at = join(folder, "full");
  mkdirSync(at);
  const lines = journal(wholeOf("sweep")).trimEnd().split("\n");
  writeFileSync(join(at, "journal.jsonl"), `${lines.slice(0, 6).join("\n")}\n`);
  // The shell's limit on the size of files stands for the disk: it lets a line through in part, as a full disk does.
  const blocks = Math.ceil(readFileSync(join(at, "journal.jsonl")).length / 512) + 1;
  const quoted = [process.execPath, bin, "sweep", model, "-o", at, ...common].map((a) => `'${a}'`).join(" ");
  const { status, stderr } = spawnSync("sh", ["-c", `ulimit -f ${blocks}; exec ${quoted}`], { encoding: "utf8" });
  expect(status, stderr).toBe(2);
  expect(stderr).toMatch(/ERR_OUTPUT_NOT_WRITABLE: .*journal\.jsonl cannot be written/);
  expect(stderr).toMatch(/Free some space on the disk; the same command continues/);
  for (const line of journal(at).trimEnd().split("\n")) expect(() => decodeJson(line)).not.toThrow();
  expect((await halfscope(["sweep", model, "-o", at, ...common])).code).toBe(0);
  expect(differences(resultIn(at), resultIn(wholeOf("sweep")))).toEqual([]);
});
