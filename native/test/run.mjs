// Builds and runs the C++ tests: `node native/test/run.mjs`, plainly and again with the address and undefined-behaviour sanitizers
// (`--plain` for the first alone). An official onnxruntime_c_api.h in /usr/include/onnxruntime or HALFSCOPE_ORT_HEADER is checked too.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cmakeBuild, nativeFolder, requireTools, withBuildLock } from "../build.mjs";
import { tensorRtHeaders } from "../tensorrt-headers.mjs";

const header =
  [process.env.HALFSCOPE_ORT_HEADER, "/usr/include/onnxruntime/onnxruntime_c_api.h"].find((path) => path && existsSync(path)) ?? "";

/** TensorRT's part is tested with the headers of version 10, on fake libraries. */
const ten = tensorRtHeaders().find((h) => h.major === 10);

function runTests(name, sanitize) {
  const folder = join(nativeFolder, "build", name);
  cmakeBuild(folder, {
    CMAKE_BUILD_TYPE: "Release",
    HALFSCOPE_ADDON: "OFF",
    HALFSCOPE_TESTS: "ON",
    HALFSCOPE_SANITIZE: sanitize ? "ON" : "OFF",
    HALFSCOPE_ORT_HEADER: header,
    HALFSCOPE_TENSORRT_INCLUDES: ten === undefined ? "" : `10=${ten.folder}`,
  });
  if (ten === undefined)
    process.stdout.write(`${name}/tensorrt_test: skipped, no headers of TensorRT 10 (node scripts/tensorrt-headers.mjs fetches them)\n`);
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
    ...(ten === undefined ? [] : ["tensorrt_test"]),
  ]) {
    const { status, stdout, stderr } = spawnSync(join(folder, test), {
      encoding: "utf8",
      env: { ...process.env, LD_LIBRARY_PATH: join(folder, "fakes") },
    });
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
