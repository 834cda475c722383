/** The C++ program of `overhead`, compiled here: what `overhead` writes, it reads. What it does on a GPU is not tested here. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TensorValue } from "@halfscope/core";
import type { Feed } from "@halfscope/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkProgram, timeProgram, writeInputs } from "./measuring/request-program.js";

const here = import.meta.dirname;
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-overhead-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const ids: TensorValue = { dtype: "int64", dims: [1, 3], data: new Uint8Array(BigInt64Array.of(1n, 2n, 3n).buffer) };
const feed: Feed = {
  tensors: new Map<string, TensorValue>([
    ["input ids", ids],
    ["scale", { dtype: "float32", dims: [], data: new Uint8Array(Float32Array.of(0.5).buffer) }],
  ]),
  origins: new Map(),
};

function compile(sources: readonly string[], include: readonly string[], out: string): void {
  const flags = ["-O0", "-std=c++17", "-Wall", "-Wextra", "-Werror", ...include.flatMap((f) => ["-isystem", f])];
  const { status, stderr } = spawnSync("g++", [...flags, ...sources, "-ldl", "-o", out], { encoding: "utf8" });
  expect(status, stderr).toBe(0);
}
const found = spawnSync("g++", ["--version"]).status === 0;

test.skipIf(!found)("what overhead writes is what the C++ programs read: names with blanks, scalars, bytes", async () => {
  const program = join(folder, "read");
  const source = join(folder, "read.cc");
  writeFileSync(
    source,
    `#include "${join(here, "tensorrt-tensors/prepared.h")}"
#include <cstdio>
int main(int, char** argv) {
  for (const auto& i : halfscope::read_prepared(argv[1]).inputs) std::printf("%s|%zu|%zu|%d\\n", i.name.c_str(), i.dims.size(), i.bytes.size(), i.bytes[0]);
  try { halfscope::read_description(argv[1]); } catch (const std::exception& e) { std::puts("no description"); }
}`,
  );
  compile([source, join(here, "tensorrt-tensors/prepared.cc")], [], program);
  await writeInputs(join(folder, "read-inputs"), feed);
  const { stdout, stderr } = spawnSync(program, [join(folder, "read-inputs")], { encoding: "utf8" });
  expect(stdout, stderr).toBe("input ids|2|24|1\nscale|0|4|0\nno description\n");
});

const { tensorRtHeaders } = (await import("../../native/tensorrt-headers.mjs" as string)) as {
  tensorRtHeaders: () => readonly { major: number; folder: string }[];
};
const headers = found ? tensorRtHeaders().at(-1) : undefined;

describe.skipIf(headers === undefined)("request-overhead, compiled with TensorRT's headers", () => {
  const program = () => join(folder, "request-overhead");
  const inputs = () => join(folder, "inputs");
  beforeAll(async () => {
    const sources = [join(here, "request-overhead.cc"), join(here, "tensorrt-tensors/prepared.cc")];
    compile(sources, [headers?.folder ?? "", join(here, "../../native/tensorrt/cuda-types")], program());
    await writeInputs(inputs(), feed);
  });

  test("reads the plan and the inputs that overhead writes, and stops before CUDA", async () => {
    writeFileSync(join(folder, "plan"), "12345");
    expect(await checkProgram(program(), inputs(), join(folder, "plan"))).toEqual({
      planBytes: 5,
      inputs: [
        { bytes: 24, dims: [1, 3] },
        { bytes: 4, dims: [] },
      ],
    });
    expect(await checkProgram(program(), inputs())).toMatchObject({ inputs: [{ bytes: 24 }, { bytes: 4 }] });
  });

  test("says which file it cannot read, and blames no headers for it", async () => {
    const failed = checkProgram(program(), inputs(), join(folder, "absent.plan"));
    await expect(failed).rejects.toMatchObject({
      code: "ERR_ENGINE_RUN",
      message: expect.stringContaining("cannot read"),
      hint: undefined,
    });
    const timed = timeProgram(program(), { library: "none.so", plan: "none", folder: inputs(), requests: 1, warmup: 0 });
    await expect(timed).rejects.toMatchObject({ message: expect.stringContaining("cannot read none"), hint: undefined });
  });
});

test("only a program for another TensorRT is told to be compiled anew", async () => {
  const program = join(folder, "other-version");
  writeFileSync(program, '#!/bin/sh\necho "request-overhead: TensorRT gave no runtime" >&2\nexit 3\n', { mode: 0o755 });
  await expect(checkProgram(program, folder)).rejects.toMatchObject({ hint: expect.stringContaining("headers of the library's version") });
});
