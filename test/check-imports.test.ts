import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

const script = fileURLToPath(new URL("../scripts/check-imports.mjs", import.meta.url));

/** Packages of a sound tree and what each imports. */
const SOUND = { core: [], onnx: ["core"], engine: ["core", "onnx"], halfscope: ["engine"] } as const;

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "halfscope-imports-"));
  write("package.json", { devDependencies: { "@halfscope/core": "workspace:*", vitest: "4" } });
  for (const [name, imports] of Object.entries(SOUND)) {
    write(`packages/${name}/package.json`, {
      dependencies: Object.fromEntries(imports.map((target) => [`@halfscope/${target}`, "workspace:*"])),
    });
    write(`packages/${name}/tsconfig.json`, { references: imports.map((target) => ({ path: `../${target}` })) });
    write(`packages/${name}/src/index.ts`, imports.map((target) => `import "@halfscope/${target}";\n`).join(""));
  }
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("check-imports", () => {
  test("says nothing about a sound tree", () => {
    expect(check()).toEqual({ code: 0, findings: [] });
  });

  test("says nothing about imports that stand in comments, strings and templates", () => {
    write(
      "packages/core/src/text.ts",
      '// import "@halfscope/onnx";\n/* import "yargs" */\nexport const a = `import "x"`;\nexport const b = \'from "y"\';\n',
    );
    expect(check().findings).toEqual([]);
  });

  test("finds an import against the arrows, with its line and what is allowed", () => {
    write("packages/core/src/late.ts", '/** Two\n * lines. */\nimport type { Model } from "@halfscope/onnx";\n');
    const { code, findings } = check();
    expect(code).toBe(1);
    expect(findings).toContain("packages/core/src/late.ts:3: core imports onnx; expected core imports no other package");
    expect(findings.at(-1)).toContain("Allowed: halfscope -> report, analysis -> precision, engine -> onnx -> core");
  });

  test.each([
    ["a type import", 'export type T = import("@halfscope/engine").T;'],
    ["a dynamic import", 'export const load = () => import("@halfscope/engine");'],
    ["a re-export", 'export * from "@halfscope/engine";'],
    ["require.resolve", 'require.resolve("@halfscope/engine");'],
    ["a test", 'import "@halfscope/engine";', "thing.test.ts"],
  ])("finds %s against the arrows", (_, source, file = "thing.ts") => {
    write(`packages/onnx/src/${file}`, source);
    expect(check().findings).toContain(`packages/onnx/src/${file}:1: onnx imports engine; expected onnx imports core`);
  });

  test("finds reaching into another package's files, by path and by name", () => {
    write("packages/onnx/src/deep.ts", 'import "../../core/src/dtype.js";\nimport "@halfscope/core/dist/dtype.js";\n');
    expect(check().findings).toEqual([
      "packages/onnx/src/deep.ts:1: '../../core/src/dtype.js' reaches into packages/core/src/dtype.js; expected the package by its name, @halfscope/core",
      "packages/onnx/src/deep.ts:2: '@halfscope/core/dist/dtype.js' reaches into core's files; expected '@halfscope/core', and core exporting what is needed",
      expect.stringMatching(/^2 findings/),
    ]);
  });

  test("lets only tests of a package use the helpers in test and scripts", () => {
    write("packages/core/src/a.test.ts", 'import { test } from "vitest";\nimport "../../../test/shared-models.js";\n');
    write("packages/core/src/testing/b.ts", 'import { test } from "vitest";\n');
    expect(check().findings).toEqual([]);
    write("packages/core/src/a.ts", 'import "../../../test/shared-models.js";\n');
    expect(check().findings[0]).toBe(
      "packages/core/src/a.ts:1: '../../../test/shared-models.js' reaches into test/shared-models.js; expected files under packages/core",
    );
  });

  test("finds imports that package.json and tsconfig.json lack, and those they have in vain", () => {
    write("packages/engine/src/index.ts", 'import "@halfscope/core";\nimport "yargs/helpers";\nimport "fs";\n');
    write("packages/core/src/index.ts", "");
    write("packages/onnx/package.json", { dependencies: {} });
    expect(check().findings.slice(0, -1)).toEqual([
      "packages/engine/src/index.ts:2: 'yargs' is not declared; expected it in packages/engine/package.json",
      "packages/engine/src/index.ts:3: 'fs'; expected 'node:fs'",
      "packages/engine/package.json:4: dependencies of engine name onnx, which no source imports; expected what the sources import, and no more",
      "packages/engine/tsconfig.json:7: references of engine name onnx, which no source imports; expected what the sources import, and no more",
      "packages/onnx/package.json:2: dependencies of onnx lack core, which its sources import; expected every imported package",
    ]);
  });

  test("finds scripts and tests that reach into packages or use what the root does not declare", () => {
    write("scripts/bench/main.ts", 'import "@halfscope/core";\nimport "@halfscope/onnx";\nimport "../../packages/onnx/src/read.js";\n');
    expect(check().findings.slice(0, -1)).toEqual([
      "scripts/bench/main.ts:2: '@halfscope/onnx' is not declared; expected it in package.json",
      "scripts/bench/main.ts:3: '../../packages/onnx/src/read.js' reaches into packages/onnx/src/read.js; expected the package by its name, @halfscope/onnx",
    ]);
  });

  test("asks for a place for a package that it does not know", () => {
    write("packages/extra/package.json", {});
    expect(check().findings[0]).toMatch(/^packages\/extra:1: unknown package 'extra'; expected one of core, onnx/);
  });
});

function write(path: string, content: string | object): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content, null, 2));
}

function check(): { code: number | null; findings: string[] } {
  const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: "utf8" });
  return { code: status, findings: stderr.split("\n").filter((line) => line !== "") };
}
