#!/usr/bin/env node
/**
 * Fetches TensorRT's headers into .cache/tensorrt-headers/{10,11}, where native/build.mjs finds them, so that the addon is built with TensorRT on a machine without
 * it. Run it before `npm run build:native`:
 *
 *     node scripts/tensorrt-headers.mjs
 *
 * They are Apache-2.0 and come with the crate trtx-sys, through cargo: nothing is installed and nothing is built. A machine that has TensorRT needs none of this.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { headersCache, headersVersion } from "../native/tensorrt-headers.mjs";

/** Major versions, and the version of the crate that carries their headers. */
const crates = { 10: "0.5.0", 11: "0.8.0+rtx1.5" };

/** What keeps the headers from being fetched, for people; undefined when they are there. */
export function fetchHeaders(log = () => {}) {
  const missing = Object.keys(crates).filter((major) => headersVersion(join(headersCache, major)) === undefined);
  if (missing.length === 0) return undefined;
  if (spawnSync("cargo", ["--version"], { stdio: "ignore" }).error !== undefined) return "cargo is not installed";
  const work = mkdtempSync(join(tmpdir(), "tensorrt-headers-"));
  try {
    for (const major of missing) {
      log(`TensorRT ${major}: fetching crate trtx-sys ${crates[major]} ...`);
      const folder = fetchCrate(join(work, major), crates[major]);
      if (folder === undefined) return `cargo could not fetch trtx-sys ${crates[major]}`;
      const headers = headersIn(join(folder, "TensorRT-Headers"), Number(major));
      if (headers === undefined) return `trtx-sys ${crates[major]} has no headers of TensorRT ${major}`;
      mkdirSync(headersCache, { recursive: true });
      const half = join(headersCache, `.${major}-${process.pid}`);
      cpSync(headers, half, { recursive: true });
      rmSync(join(headersCache, major), { recursive: true, force: true });
      renameSync(half, join(headersCache, major));
      log(`TensorRT ${headersVersion(join(headersCache, major))}: ${join(headersCache, major)}`);
    }
    return undefined;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The crate's folder; a package that depends on it makes cargo fetch it and all that it depends on, which goes away again. */
function fetchCrate(folder, version) {
  mkdirSync(join(folder, "src"), { recursive: true });
  writeFileSync(
    join(folder, "Cargo.toml"),
    `[package]\nname = "headers"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\ntrtx-sys = "=${version}"\n`,
  );
  writeFileSync(join(folder, "src", "lib.rs"), "");
  const fetched = spawnSync("cargo", ["fetch", "--quiet", "--manifest-path", join(folder, "Cargo.toml")], {
    stdio: "ignore",
    timeout: 300_000,
  });
  if (fetched.status !== 0) return undefined;
  const described = spawnSync("cargo", ["metadata", "--format-version", "1", "--offline", "--manifest-path", join(folder, "Cargo.toml")], {
    encoding: "utf8",
    maxBuffer: 2 ** 27,
  });
  if (described.status !== 0) return undefined;
  const manifest = JSON.parse(described.stdout).packages.find((p) => p.name === "trtx-sys")?.manifest_path;
  return manifest && join(manifest, "..");
}

/** Folder of the headers of a major version; others lie beside them. */
function headersIn(folder, major) {
  if (!existsSync(folder)) return undefined;
  const folders = readdirSync(folder).map((name) => join(folder, name));
  return folders.find((f) => f.includes("Enterprise") && Number(headersVersion(f)?.split(".")[0]) === major);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const reason = fetchHeaders((line) => process.stderr.write(`${line}\n`));
  if (reason !== undefined) {
    process.stderr.write(
      `No headers of TensorRT: ${reason}. The addon is built without it, unless HALFSCOPE_TENSORRT_INCLUDE names a folder of headers.\n`,
    );
    process.exitCode = 4;
  }
}
