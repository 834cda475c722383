import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const missing =
  process.platform !== "linux"
    ? "TensorRT runs on Linux"
    : ["cmake", "make", process.env.CXX ?? "g++"].find((tool) => spawnSync(tool, ["--version"], { stdio: "ignore" }).error !== undefined);

/** A project that builds in a second; the compiler waits while `wait` is there, and headers with a file `broken` do not configure. */
const project = `cmake_minimum_required(VERSION 3.16)
project(small CXX)
add_custom_target(waits COMMAND sh \${CMAKE_SOURCE_DIR}/wait.sh WORKING_DIRECTORY \${CMAKE_SOURCE_DIR})
foreach(entry IN LISTS HALFSCOPE_TENSORRT_INCLUDES)
  string(REGEX MATCH "^([0-9]+)=(.+)$" matched "\${entry}")
  if(EXISTS \${CMAKE_MATCH_2}/broken)
    message(FATAL_ERROR "headers that are broken")
  endif()
  list(APPEND modules halfscope-tensorrt-\${CMAKE_MATCH_1})
endforeach()
foreach(name halfscope \${modules})
  add_library(\${name} MODULE one.cc)
  add_dependencies(\${name} waits)
  set_target_properties(\${name} PROPERTIES PREFIX "" SUFFIX ".so" LIBRARY_OUTPUT_DIRECTORY \${CMAKE_BINARY_DIR}/Release)
endforeach()
set_target_properties(halfscope PROPERTIES SUFFIX ".node")
`;

describe.skipIf(missing !== undefined)(
  `the addon is built again after a build that did not end well${missing ? ` (skipped: ${missing})` : ""}`,
  () => {
    let work = "";
    const folders: string[] = [];
    afterAll(() => {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    });
    const native = (...path: string[]) => join(work, "native", ...path);
    const module = (major: number) => existsSync(native("build", "Release", `halfscope-tensorrt-${major}.so`));

    beforeEach(() => {
      work = mkdtempSync(join(tmpdir(), "halfscope-stamp-"));
      folders.push(work);
      mkdirSync(native());
      symlinkSync(join(root, "node_modules"), join(work, "node_modules"));
      for (const file of ["build.mjs", "tensorrt-headers.mjs", "package.json"]) cpSync(join(root, "native", file), native(file));
      writeFileSync(native("CMakeLists.txt"), project);
      writeFileSync(native("wait.sh"), "touch compiling; while test -f wait; do sleep 0.05; done\n");
      writeFileSync(native("one.cc"), "int one = 1;\n");
    });

    /** A folder that looks like NVIDIA's headers. */
    function headers(major: number, ...more: string[]): string {
      const folder = join(work, `headers-${major}`);
      mkdirSync(folder);
      writeFileSync(
        join(folder, "NvInferVersion.h"),
        `#define NV_TENSORRT_MAJOR ${major}\n#define NV_TENSORRT_MINOR 6\n#define NV_TENSORRT_PATCH 0\n`,
      );
      for (const file of ["NvInfer.h", "NvOnnxParser.h", ...more]) writeFileSync(join(folder, file), "");
      return folder;
    }
    const environment = (folders: string[]) => ({ ...process.env, TENSORRT_ROOT: "", HALFSCOPE_TENSORRT_INCLUDE: folders.join(":") });
    function build(...folders: string[]): string {
      const { status, stdout, stderr } = spawnSync(process.execPath, [native("build.mjs")], {
        env: environment(folders),
        encoding: "utf8",
      });
      return `${status}: ${stdout}${stderr}`;
    }

    it("headers came, configuring failed, and they went again", { timeout: 120_000 }, () => {
      const ten = headers(10);
      const eleven = headers(11, "broken");
      expect(build(ten)).toMatch(/^0: .*Built /s);
      expect(build(ten)).toBe("0: ");
      expect(module(10)).toBe(true);
      expect(build(ten, eleven)).toMatch(/^4: .*headers that are broken/s);
      expect(build(ten)).toMatch(/^0: .*Built /s);
      expect(module(10)).toBe(true);
    });

    it("a source changed, the build was killed, and the change was taken back", { timeout: 120_000 }, async () => {
      expect(build()).toMatch(/^0: .*Built /s);
      writeFileSync(native("one.cc"), "int one = 2;\n");
      writeFileSync(native("wait"), "");
      rmSync(native("compiling"));
      const killed = spawn(process.execPath, [native("build.mjs")], { env: environment([]), stdio: "ignore", detached: true });
      const ended = new Promise((resolve) => killed.once("close", resolve));
      while (!existsSync(native("compiling"))) await new Promise((resolve) => setTimeout(resolve, 20));
      process.kill(-(killed.pid as number), "SIGKILL");
      await ended;
      rmSync(native("wait"));
      writeFileSync(native("one.cc"), "int one = 1;\n");
      expect(existsSync(native("build", "Release", "halfscope.node"))).toBe(true);
      expect(build()).toMatch(/^0: .*Built /s);
    });
  },
);
