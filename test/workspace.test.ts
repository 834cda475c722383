import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const packages = readdirSync(`${root}packages`).filter((name) => existsSync(`${root}packages/${name}/package.json`));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly type: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
  readonly engines?: Readonly<Record<string, string>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(`${root}${folder}package.json`, "utf8")) as Manifest;
}

test("the seven packages of the design are there", () => {
  expect(packages.sort()).toEqual(["analysis", "core", "engine", "halfscope", "onnx", "precision", "report"]);
});

test.each(packages)("package %s has the workspace's name, version, licence and an entry that tests and users reach", (folder) => {
  const manifest = readManifest(`packages/${folder}/`);
  expect(manifest.name).toBe(folder === "halfscope" ? "halfscope" : `@halfscope/${folder}`);
  expect(manifest.version).toBe(readManifest("packages/core/").version);
  expect(manifest.license).toBe("Apache-2.0");
  expect(manifest.type).toBe("module");
  expect(manifest.exports["."]).toEqual({ types: "./dist/index.d.ts", default: "./dist/index.js" });
  expect(existsSync(`${root}packages/${folder}/src/index.ts`), `packages/${folder}/src/index.ts`).toBe(true);
});

test("the root tsconfig builds every package", () => {
  const { references } = JSON.parse(readFileSync(`${root}tsconfig.json`, "utf8")) as { references: { path: string }[] };
  expect(references.map(({ path }) => path)).toEqual(expect.arrayContaining(packages.map((name) => `packages/${name}`)));
});

test("the root has the two commands, for Node 20, and the licence's text", () => {
  const manifest = readManifest("");
  expect(manifest.scripts).toMatchObject({ demo: "node scripts/bootstrap.mjs demo", test: "node scripts/bootstrap.mjs test" });
  expect(manifest.engines).toEqual({ node: ">=20.19" });
  expect(readFileSync(`${root}LICENSE`, "utf8")).toContain("Apache License");
});

test("the README names both commands", () => {
  const readme = readFileSync(`${root}README.md`, "utf8");
  expect(readme).toContain("npm run demo");
  expect(readme).toContain("npm test");
});

test("npx halfscope runs at the root", () => {
  const { bin } = readManifest("packages/halfscope/");
  expect(bin).toEqual({ halfscope: "./bin/halfscope.js" });
  expect(existsSync(`${root}node_modules/.bin/halfscope`), "node_modules/.bin/halfscope").toBe(true);
});

test("the lockfile fixes no download address, so that any mirror serves", () => {
  expect(readFileSync(`${root}pnpm-lock.yaml`, "utf8")).not.toMatch(/tarball:|https?:\/\//);
});

test("the header of every script says what it does and how it is run", () => {
  const scripts = readdirSync(`${root}scripts`, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return existsSync(`${root}scripts/${entry.name}/main.ts`) ? [`scripts/${entry.name}/main.ts`] : [];
    return /\.(mjs|ts)$/.test(entry.name) ? [`scripts/${entry.name}`] : [];
  });
  expect(scripts).toContain("scripts/bootstrap.mjs");
  for (const script of scripts) {
    const header = /^(?:#!.*\n)?((?:\/\*\*[\s\S]*?\*\/)|(?:\/\/.*\n)+)/.exec(readFileSync(root + script, "utf8"))?.[1] ?? "";
    expect(header, `${script}: a comment at the top that gives the command`).toMatch(/node |npm |npx /);
  }
});
