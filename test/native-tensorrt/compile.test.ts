import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { fetchHeaders } = (await import(join(root, "scripts", "tensorrt-headers.mjs"))) as { fetchHeaders(): string | undefined };
const { headersCache, headersVersion } = (await import(join(root, "native", "tensorrt-headers.mjs"))) as {
  headersCache: string;
  headersVersion(folder: string): string | undefined;
};

const missing =
  process.platform !== "linux"
    ? "TensorRT runs on Linux"
    : spawnSync("cmake", ["--version"], { stdio: "ignore" }).error !== undefined
      ? "cmake is not installed"
      : fetchHeaders();

describe.skipIf(missing !== undefined)(
  `one source tree, a module per major version of TensorRT${missing ? ` (skipped: ${missing})` : ""}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "halfscope-modules-"));
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    it.each([10, 11])("compiles without a warning with the headers of %i, and exports one name", { timeout: 600_000 }, (major) => {
      const include = join(headersCache, String(major));
      expect(headersVersion(include)).toMatch(new RegExp(`^${major}\\.\\d+\\.\\d+$`));
      const build = join(folder, String(major));
      const definitions = {
        HALFSCOPE_ADDON: "OFF",
        HALFSCOPE_TENSORRT_INCLUDES: `${major}=${include}`,
        CMAKE_CXX_FLAGS: "-Werror",
        CMAKE_CXX_FLAGS_RELEASE: "-O0",
      };
      execFileSync("cmake", ["-S", join(root, "native"), "-B", build, ...Object.entries(definitions).map(([k, v]) => `-D${k}=${v}`)], {
        stdio: "pipe",
      });
      const name = `halfscope-tensorrt-${major}`;
      const built = spawnSync("cmake", ["--build", build, "--target", name, "--parallel", String(availableParallelism())], {
        encoding: "utf8",
      });
      expect(built.status, built.stdout + built.stderr).toBe(0);
      const module = join(build, "Release", `${name}.so`);
      expect(existsSync(module)).toBe(true);
      const exported = execFileSync("nm", ["-D", "--defined-only", module], { encoding: "utf8" });
      const names = exported
        .split("\n")
        .filter((line) => / [TDBR] /.test(line))
        .map((line) => line.split(" ").at(-1));
      expect(names).toEqual(["halfscope_tensorrt_module"]);
    });
  },
);
