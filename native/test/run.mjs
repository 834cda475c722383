// Builds and runs the C++ tests: `node native/test/run.mjs`, plainly and again with the address and undefined-behaviour sanitizers
// (`--plain` for the first alone). An official onnxruntime_c_api.h in /usr/include/onnxruntime or HALFSCOPE_ORT_HEADER is checked too.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cmakeBuild, nativeFolder, requireTools, withBuildLock } from "../build.mjs";

const header =
  [process.env.HALFSCOPE_ORT_HEADER, "/usr/include/onnxruntime/onnxruntime_c_api.h"].find((path) => path && existsSync(path)) ?? "";

function runTests(name, sanitize) {
  const folder = join(nativeFolder, "build", name);
  cmakeBuild(folder, {
    CMAKE_BUILD_TYPE: "Release",
    HALFSCOPE_ADDON: "OFF",
    HALFSCOPE_TESTS: "ON",
    HALFSCOPE_SANITIZE: sanitize ? "ON" : "OFF",
    HALFSCOPE_ORT_HEADER: header,
  });
  let failed = 0;
  for (const test of [
    "half_test",
    "bfloat_test",
    "error_stats_test",
    "executions_test",
    "weights_test",
    "products_test",
    "chips_test",
    "ort_slots_test",
  ]) {
    const { status, stdout, stderr } = spawnSync(join(folder, test), { encoding: "utf8" });
    process.stdout.write(stdout.replace(/^/gm, `${name}/${test}: `).replace(/[^\n]*: $/, ""));
    if (status === 0 || status === 77) continue;
    failed++;
    process.stdout.write(`${name}/${test} FAILED (status ${status})\n${stderr}`);
  }
  return failed;
}

try {
  requireTools();
  const failed = await withBuildLock(() => runTests("test", false) + (process.argv.includes("--plain") ? 0 : runTests("sanitize", true)));
  if (failed > 0) process.exitCode = 1;
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 4;
}
