#!/usr/bin/env node
/**
 * Checks that imports between packages go one way, and that the package.json and tsconfig.json files say the same as the imports.
 * Part of `npm run check`; run it by itself after moving code: node scripts/check-imports.mjs [ROOT]
 *
 * Prints one line per finding (file:line, what was found, what was expected) and ends with 1 if there is any.
 * Plain JavaScript, so that it needs no build.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAst } from "vitest/node";

const ARROWS =
  "halfscope -> report, analysis -> precision, engine -> onnx -> core; siblings never import each other; report works without the engine";

/** What the sources of each package may import. */
const MAY_IMPORT = {
  core: [],
  onnx: ["core"],
  precision: ["core", "onnx"],
  engine: ["core", "onnx"],
  analysis: ["core", "onnx", "precision", "engine"],
  report: ["core", "onnx", "precision"],
  halfscope: ["core", "onnx", "precision", "engine", "analysis", "report"],
};

const SOURCE = /\.(ts|mts|js|mjs)$/;
const SKIPPED_FOLDERS = new Set(["node_modules", "dist", "build", ".cache"]);

const root = resolve(process.argv[2] ?? fileURLToPath(new URL("..", import.meta.url)));
/** @type {string[]} */
const findings = [];
const rootManifest = readJson("package.json");

for (const name of readdirSync(join(root, "packages")).sort()) checkPackage(name);
for (const area of ["scripts", "test"]) checkArea(area);

if (findings.length > 0) {
  console.error(findings.join("\n"));
  console.error(`\n${findings.length} finding${findings.length === 1 ? "" : "s"}. Allowed: ${ARROWS}.`);
  process.exitCode = 1;
}

/** A package: its sources, and what its package.json and tsconfig.json declare. */
function checkPackage(name) {
  const folder = `packages/${name}`;
  const allowed = MAY_IMPORT[name];
  if (allowed === undefined) {
    report(
      folder,
      1,
      `unknown package '${name}'`,
      `one of ${Object.keys(MAY_IMPORT).join(", ")} (a new package gets its place in MAY_IMPORT of scripts/check-imports.mjs)`,
    );
    return;
  }
  const manifest = readJson(`${folder}/package.json`);
  const declared = { ...manifest.dependencies, ...manifest.optionalDependencies };
  const used = new Set();

  for (const file of sourcesUnder(`${folder}/src`)) {
    // What only tests import lies in folders called testing.
    const isTest = /\.test\.ts$|\/testing\//.test(file);
    for (const { specifier, line } of importsOf(file)) {
      if (specifier.startsWith(".")) {
        checkRelative(file, line, specifier, isTest ? [folder, "test", "scripts"] : [folder]);
        continue;
      }
      const target = checkBare(
        file,
        line,
        specifier,
        isTest ? { ...rootManifest.devDependencies, ...declared } : declared,
        `${folder}/package.json`,
      );
      if (target === undefined) continue;
      if (!isTest) used.add(target);
      if (target === name) report(file, line, `${name} imports itself as '${specifier}'`, "a relative import");
      else if (!allowed.includes(target))
        report(file, line, `${name} imports ${target}`, `${name} imports ${allowed.join(", ") || "no other package"}`);
    }
  }
  checkDeclared(`${folder}/package.json`, "dependencies", Object.keys(declared).map(packageOf).filter(Boolean), allowed, used);
  const references = readJson(`${folder}/tsconfig.json`).references ?? [];
  checkDeclared(
    `${folder}/tsconfig.json`,
    "references",
    references.map(({ path }) => path.replace("../", "")),
    allowed,
    used,
  );
}

/** Both ways: what is declared is allowed and used, and what is used is declared. Packages without sources yet are let be. */
function checkDeclared(file, key, declared, allowed, used) {
  const name = file.split("/")[1];
  const empty = sourcesUnder(`packages/${name}/src`).length === 0;
  for (const target of declared) {
    const line = lineOf(file, target === "halfscope" ? '"halfscope"' : `/${target}"`);
    if (!allowed.includes(target)) report(file, line, `${key} of ${name} name ${target}`, `${allowed.join(", ") || "no other package"}`);
    else if (!empty && !used.has(target))
      report(file, line, `${key} of ${name} name ${target}, which no source imports`, "what the sources import, and no more");
  }
  for (const target of used) {
    if (!declared.includes(target))
      report(file, lineOf(file, `"${key}"`), `${key} of ${name} lack ${target}, which its sources import`, "every imported package");
  }
}

/** Scripts and tests: they may use every package, by its public name. */
function checkArea(area) {
  for (const file of sourcesUnder(area)) {
    for (const { specifier, line } of importsOf(file)) {
      if (specifier.startsWith(".")) checkRelative(file, line, specifier, ["scripts", "test", "native"]);
      else checkBare(file, line, specifier, { ...rootManifest.dependencies, ...rootManifest.devDependencies }, "package.json");
    }
  }
}

function checkRelative(file, line, specifier, folders) {
  const target = relative(root, resolve(root, dirname(file), specifier)).replaceAll("\\", "/");
  if (folders.some((folder) => target.startsWith(`${folder}/`))) return;
  const into = /^packages\/([^/]+)/.exec(target)?.[1];
  const instead =
    into === undefined
      ? `files under ${folders.join(", ")}`
      : `the package by its name, ${into === "halfscope" ? into : `@halfscope/${into}`}`;
  report(file, line, `'${specifier}' reaches into ${target}`, instead);
}

/** @returns the name of the workspace package that a specifier means, if it means one. */
function checkBare(file, line, specifier, declared, manifest) {
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith("node:")) report(file, line, `'${specifier}'`, `'node:${specifier}'`);
    return undefined;
  }
  const [scopeOrName = "", inScope = ""] = specifier.split("/");
  const dependency = scopeOrName.startsWith("@") ? `${scopeOrName}/${inScope}` : scopeOrName;
  const target = packageOf(dependency);
  if (target !== undefined && specifier !== dependency)
    report(file, line, `'${specifier}' reaches into ${target}'s files`, `'${dependency}', and ${target} exporting what is needed`);
  // Workspace packages missing from a package.json are reported once, for the package.
  const isMissing = declared[dependency] === undefined && declared[`@types/${dependency}`] === undefined;
  if (isMissing && (target === undefined || manifest === "package.json"))
    report(file, line, `'${dependency}' is not declared`, `it in ${manifest}`);
  return target;
}

/** `@halfscope/core` -> `core`; undefined for packages from elsewhere. */
function packageOf(dependency) {
  return dependency === "halfscope" ? dependency : /^@halfscope\/(.+)$/.exec(dependency)?.[1];
}

/** Every import, export-from, import(), import type, require() and resolve() of a literal. */
function importsOf(file) {
  const text = readFileSync(join(root, file), "utf8");
  const found = [];
  const add = (literal) => {
    if (typeof literal?.value === "string") found.push({ specifier: literal.value, line: text.slice(0, literal.start).split("\n").length });
  };
  const visit = (node) => {
    if (node === null || typeof node !== "object") return;
    if (Array.isArray(node)) {
      node.forEach(visit);
      return;
    }
    if (/^(Import|Export(Named|All)|TSImport)/.test(node.type ?? "")) add(node.source);
    if (
      node.type === "CallExpression" &&
      /^(require|require\.resolve|import\.meta\.resolve)$/.test(text.slice(node.callee.start, node.callee.end))
    ) {
      add(node.arguments[0]);
    }
    Object.values(node).forEach(visit);
  };
  try {
    visit(parseAst(text, { lang: /ts$/.test(file) ? "ts" : "js" }));
  } catch (error) {
    report(file, 1, `unreadable: ${String(error.message).split("\n")[0]}`, "a file that parses");
  }
  return found;
}

/** Source files under a folder, as paths from the root with forward slashes, sorted; none if the folder is absent. */
function sourcesUnder(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => !SKIPPED_FOLDERS.has(entry.name))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return sourcesUnder(path);
      return SOURCE.test(entry.name) ? [path] : [];
    })
    .sort();
}

function lineOf(file, text) {
  const before = readFileSync(join(root, file), "utf8").split(text)[0] ?? "";
  return before.split("\n").length;
}

function readJson(file) {
  return JSON.parse(readFileSync(join(root, file), "utf8"));
}

function report(file, line, found, expected) {
  findings.push(`${file}:${line}: ${found}; expected ${expected}`);
}
