/** `doctor` where parts are missing: each is told by itself. */
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { addonInfo } from "@halfscope/engine";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/model-file.js";
import { halfscope, jsonOf } from "./run-cli.js";

interface Finding {
  name: string;
  ok: boolean;
  needed: boolean;
  found: string;
  remedy?: string;
}
const examined = async (env: Record<string, string>, codes = [0]): Promise<Map<string, Finding>> => {
  const { findings } = await jsonOf(["doctor"], codes, { env });
  return new Map((findings as Finding[]).map((f) => [f.name, f]));
};
const folder = temporaryFolder();

describe("doctor", () => {
  it("says once why ONNX Runtime does not load, and looks at the GPU and TensorRT all the same", async () => {
    const path = join(folder, "libonnxruntime.so");
    const found = await examined({ HALFSCOPE_ORT_LIBRARY: path }, [4]);
    expect([...found.keys()]).toEqual(expect.arrayContaining(["NVIDIA GPU", "TensorRT modules", "TensorRT"]));
    expect(found.get("Addon")).toMatchObject({ ok: true });
    const { found: text = "", ...ort } = found.get("ONNX Runtime") ?? {};
    expect(ort).toMatchObject({ ok: false, needed: true, remedy: expect.stringContaining("HALFSCOPE_ORT_LIBRARY") });
    expect(text.split("could not be loaded")).toHaveLength(2);
    expect(text.split(path)).toHaveLength(2);
    const { stdout } = await halfscope(["doctor"], { env: { HALFSCOPE_ORT_LIBRARY: path } });
    expect(stdout).toMatch(/^MISSING ONNX Runtime: /m);
  });

  it("names only providers that are installed", async () => {
    const found = await examined({});
    const here = readdirSync(dirname(addonInfo().library));
    const text = found.get("ONNX Runtime")?.found ?? "";
    expect(text).toContain("CPUExecutionProvider");
    for (const [provider, title] of [
      ["cuda", "CUDA"],
      ["tensorrt", "TensorRT"],
    ] as const) {
      const installed = here.includes(`libonnxruntime_providers_${provider}.so`);
      expect(text.toLowerCase().includes(`${provider}executionprovider`)).toBe(installed);
      expect(found.get(`ONNX Runtime's ${title} provider`)).toMatchObject({ ok: installed });
    }
  });

  it("names the libraries that an installed provider asks for and the loader does not find", async (context) => {
    const { library, providers } = addonInfo();
    if (!providers.includes("CUDAExecutionProvider")) context.skip("this build of ONNX Runtime knows no CUDA provider");
    const copy = join(folder, "gpu-build");
    mkdirSync(copy);
    copyFileSync(library, join(copy, "libonnxruntime.so.1"));
    for (const file of readdirSync(dirname(library)).filter((f) => f.startsWith("libonnxruntime_providers_shared")))
      copyFileSync(join(dirname(library), file), join(copy, file));
    writeFileSync(join(copy, "libonnxruntime_providers_cuda.so"), linkedWith(["libcudart.so.777", "libc.so.6", "libcublas.so.777"]));
    const found = await examined({ HALFSCOPE_ORT_LIBRARY: join(copy, "libonnxruntime.so.1"), HALFSCOPE_CUDA_LIBRARIES: "" });
    expect(found.get("ONNX Runtime's CUDA provider")).toMatchObject({ ok: true });
    const cuda = found.get("CUDA's and cuDNN's libraries");
    expect(cuda).toMatchObject({ ok: false, remedy: expect.stringContaining("HALFSCOPE_CUDA_LIBRARIES") });
    expect(cuda?.found).toMatch(/missing libcublas\.so\.777, libcudart\.so\.777/);
    writeFileSync(join(copy, "libonnxruntime_providers_tensorrt.so"), linkedWith(["libnvinfer.so.777", "libcudnn.so.777"]));
    const both = await examined({ HALFSCOPE_ORT_LIBRARY: join(copy, "libonnxruntime.so.1"), HALFSCOPE_CUDA_LIBRARIES: "" });
    if (providers.includes("TensorrtExecutionProvider"))
      expect(both.get("ONNX Runtime's TensorRT provider")).toMatchObject({
        ok: false,
        found: expect.stringMatching(/missing libnvinfer\.so\.777$/),
      });
  });
});

/** A 64-bit library of nothing but the names of those that it is linked with. */
function linkedWith(names: readonly string[]): Uint8Array {
  const strings = Buffer.from(`\0${names.map((n) => `${n}\0`).join("")}`, "latin1");
  const entries = [...names.map((name) => [1, strings.indexOf(`${name}\0`)] as const), [5, 0] as const, [0, 0] as const];
  const [headers, dynamic] = [64, 64 + 2 * 56];
  const table = dynamic + entries.length * 16;
  const bytes = Buffer.alloc(table + strings.length);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeBigUInt64LE(BigInt(headers), 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  const segment = (at: number, type: number, offset: number, length: number) => {
    bytes.writeUInt32LE(type, at);
    for (const [field, value] of [
      [8, offset],
      [16, offset],
      [32, length],
    ] as const)
      bytes.writeBigUInt64LE(BigInt(value), at + field);
  };
  segment(headers, 1, 0, bytes.length);
  segment(headers + 56, 2, dynamic, entries.length * 16);
  for (const [i, [tag, value]] of entries.entries()) {
    bytes.writeBigUInt64LE(BigInt(tag), dynamic + i * 16);
    bytes.writeBigUInt64LE(BigInt(tag === 5 ? table : value), dynamic + i * 16 + 8);
  }
  bytes.set(strings, table);
  return bytes;
}
