/** The question of what a request costs through the addon, asked of the fakes from end to end: on a GPU machine its C++ program must not fail for the first time. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { OverheadReport } from "../../scripts/hardware/overhead.js";
import { describeOnFakes } from "./fakes.js";

const hardware = fileURLToPath(new URL("../../scripts/hardware/", import.meta.url));

describeOnFakes("overhead on a TensorRT that needs no GPU", ({ fakes }) => {
  it("builds an engine, hands its plan to the C++ program, and times all ways in turns", async () => {
    const program = fakes().compileProgram(["request-overhead.cc", "tensorrt-tensors/prepared.cc"].map((f) => join(hardware, f)));
    const out = join(fakes().folder, "overhead.json");
    const args = [fakes().model, "-o", out, "--shape", "x=2x4", "--program", program, "--library", fakes().folder];
    const { code, stderr } = await fakes().script("hardware/overhead.js", [...args, "--rounds", "3", "--requests", "20"]);
    expect(code, stderr).toBe(0);
    const { ways, overhead, requests, rounds, planBytes } = JSON.parse(readFileSync(out, "utf8")) as OverheadReport;
    expect({ requests, rounds }).toEqual({ requests: 20, rounds: 3 });
    expect(planBytes).toBeGreaterThan(0);
    expect(Object.keys(ways).sort()).toEqual(["addon", "loop", "program", "spinning"]);
    for (const way of Object.values(ways)) {
      expect(way.medians).toHaveLength(3);
      expect(Math.min(...way.medians, way.p50, way.p95, way.p99)).toBeGreaterThan(0);
      expect(way.p50 <= way.p95 && way.p95 <= way.p99).toBe(true);
    }
    const quotients = ways.spinning.medians.map((m, i) => m / (ways.program?.medians[i] ?? Number.NaN)).sort((a, b) => a - b);
    expect(((overhead?.spinning ?? Number.NaN) + 1) / (quotients[1] ?? Number.NaN)).toBeCloseTo(1, 2);
  });
});
