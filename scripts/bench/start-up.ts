/**
 * How long the command line needs before it can do anything, beside an empty Node process, in turn. Run after `npm run build`:
 *
 *     node scripts/dist/bench/start-up.js [ROUNDS, default 15]
 *
 * No native code is loaded by any of these.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median, quantile } from "./timing.js";

const bin = fileURLToPath(new URL("../../../packages/halfscope/bin/halfscope.js", import.meta.url));
const rounds = Number(process.argv[2] ?? 15);
const lines: readonly (readonly [string, readonly string[]])[] = [
  ["node -e 0", ["-e", "0"]],
  ["halfscope --version", [bin, "--version"]],
  ["halfscope --help", [bin, "--help"]],
  ["halfscope sweep --help", [bin, "sweep", "--help"]],
  ["halfscope comparee (a usage error)", [bin, "comparee"]],
];
const milliseconds = new Map<string, number[]>(lines.map(([name]) => [name, []]));
for (let round = 0; round <= rounds; round++)
  for (const [name, args] of lines) {
    const start = performance.now();
    const { error } = spawnSync(process.execPath, args, { stdio: "ignore" });
    if (error !== undefined) throw error;
    if (round > 0) milliseconds.get(name)?.push(performance.now() - start); // the first fills the file cache
  }
const bare = milliseconds.get("node -e 0") ?? [];
console.log(`${rounds} rounds in turn, milliseconds; the goal is 300`);
for (const [name, times] of milliseconds)
  console.log(
    `${name}: median ${median(times).toFixed(0)}, fastest ${Math.min(...times).toFixed(0)}, 90 % within ${quantile(times, 0.9).toFixed(0)}` +
      (times === bare ? "" : `; beyond an empty process ${median(times.map((t, i) => t - (bare[i] ?? 0))).toFixed(0)}`),
  );
