/**
 * From the start of a process to the first ranking: `halfscope compare` on BERT-large until its answer is on standard output, and where that time goes. Run after
 * `npm run build`:
 *
 *     node scripts/dist/bench/first-ranking.js [MODEL, default a made BERT-large] [ROUNDS, default 3]
 *
 * The file lies in the system's file cache, as after a download or an export. Two bare passes, the least that a comparison in one mode can take, are measured beside it;
 * `compare` looks at isolated and at accumulated errors, which is four.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Progress } from "@halfscope/core";
import { compareStep, newResult, Workbench, withCompared } from "halfscope";
import { madeBert, median, seconds } from "./timing.js";

const path = process.argv[2] ?? (await madeBert("bert-large"));
const rounds = Number(process.argv[3] ?? 3);
const bin = fileURLToPath(new URL("../../../packages/halfscope/bin/halfscope.js", import.meta.url));

/** Seconds until the first byte of the answer. */
async function untilAnswer(args: readonly string[]): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, [bin, "compare", path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const answered = new Promise<number>((resolve) => child.stdout.once("data", () => resolve((performance.now() - start) / 1000)));
  child.stdout.resume();
  const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
  if (code !== 0 && code !== 1) throw new Error(`compare ended with ${code}`);
  return answered;
}

/** How long each step takes in this process, which has loaded its modules already. */
async function split(samples: number): Promise<Map<string, number>> {
  const steps = new Map<string, number>();
  const add = (name: string, s: number) => steps.set(name, (steps.get(name) ?? 0) + s);
  const progress: Progress = {
    step: (label) => {
      const start = performance.now();
      return { update() {}, end: () => add(`  ${label.replace(/\d+ /, "")}`, (performance.now() - start) / 1000) };
    },
    note() {},
  };
  let bench: Workbench | undefined;
  add("read the model, list layers, make inputs", await seconds(async () => (bench = await Workbench.open(path, { samples, progress }))));
  using open = bench as unknown as Workbench;
  add("types, sites", await seconds(() => open.subject()));
  let compared: Awaited<ReturnType<typeof compareStep>> | undefined;
  add("compare: engines built, weights scanned meanwhile, passes", await seconds(async () => (compared = await compareStep(open))));
  add("rank", await seconds(async () => withCompared(newResult(open, 1e-2), compared as NonNullable<typeof compared>)));
  add("(two bare passes)", 2 * (await open.reference()).barePassSeconds);
  return steps;
}

for (const samples of [1, 2]) {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) times.push(await untilAnswer(["--samples", String(samples)]));
  console.log(
    `${samples} sample${samples > 1 ? "s" : ""}: first ranking after ${median(times).toFixed(2)} s (${times.map((t) => t.toFixed(2)).join(", ")}); the goal is 5 s`,
  );
  for (const [name, s] of await split(samples)) console.log(`  ${s.toFixed(2)} s  ${name}`);
}
