import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { COUNTS_FILE, NO_REASON } from "./setup/count-reporter.js";

const root = fileURLToPath(new URL("..", import.meta.url));

function bootstrap(args: readonly string[], env: NodeJS.ProcessEnv = process.env): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, ["scripts/bootstrap.mjs", ...args], { cwd: root, encoding: "utf8", env });
}

function temporary(parent: string): string {
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "halfscope-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test("an unknown word is wrong usage", () => {
  const { status, stderr } = bootstrap(["nonsense"]);
  expect(status).toBe(2);
  expect(stderr).toContain("expected one of demo, conformance, test, build, check; found 'nonsense'");
});

test("every missing build tool is named at once, with how to install it, before anything else happens", () => {
  const { status, stderr } = bootstrap(["build"], { PATH: temporary(tmpdir()) });
  expect(status).toBe(4);
  expect(stderr).toMatch(/^Missing on this machine:\n {2}- g\+\+, cmake, make, .*apt-get install -y g\+\+ cmake make\n$/);
});

test("the counts of a test run hold passed, failed, files that do not load, and the reasons of skips", () => {
  const folder = temporary(join(root, ".cache"));
  const reporter = join(root, "test/setup/count-reporter.ts");
  writeFileSync(
    join(folder, "vitest.config.mjs"),
    `import { CountReporter } from ${JSON.stringify(reporter)};\nexport default { test: { reporters: [new CountReporter()] } };\n`,
  );
  writeFileSync(
    join(folder, "a.test.js"),
    `import { expect, test } from "vitest";
     test("passes", () => {});
     test("fails", () => expect(1).toBe(2));
     test("skips", ({ skip }) => skip("no such machine"));
     test.skip("skips silently", () => {});`,
  );
  writeFileSync(join(folder, "b.test.js"), 'import "./absent.js";');

  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { status, stdout } = spawnSync(process.execPath, [vitest, "run", "--root", folder], { cwd: folder, encoding: "utf8" });

  expect(status).toBe(1);
  expect(JSON.parse(readFileSync(join(folder, COUNTS_FILE), "utf8"))).toEqual({
    passed: 1,
    failed: 2,
    skipped: 2,
    skippedBecause: { "no such machine": 1, [NO_REASON]: 1 },
  });
  expect(stdout).toContain("1 x no such machine");
});
