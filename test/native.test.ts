import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const minutes = 60_000;

test("the C++ unit tests pass, plain and under the address and undefined-behaviour sanitizers", { timeout: 16 * minutes }, () => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["native/test/run.mjs"], {
    cwd: root,
    encoding: "utf8",
    timeout: 15 * minutes,
  });
  expect({ status, signal }, `node native/test/run.mjs\n${stdout}${stderr}`).toEqual({ status: 0, signal: null });
});
