import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { preloadLibraries } from "./preload.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-preload-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});
const put = (path: string): void => {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), "no library");
};

describe("preloadLibraries", () => {
  test("does nothing where no folder is named, or it is not there", () => {
    vi.stubEnv("HALFSCOPE_CUDA_LIBRARIES", "");
    expect(preloadLibraries("cuda")).toEqual([]);
    vi.stubEnv("HALFSCOPE_CUDA_LIBRARIES", join(folder, "nowhere"));
    expect(preloadLibraries("cuda")).toEqual([]);
  });

  test("takes CUDA's libraries from each folder and from the lib folders in it, and says why one does not load", () => {
    for (const file of [
      "a/libcudart.so.13",
      "a/libother.so.1",
      "a/libcudart.so",
      "b/cublas/lib/libcublasLt.so.13",
      "b/cudnn/lib/libcudnn_ops.so.9",
    ])
      put(file);
    vi.stubEnv("HALFSCOPE_CUDA_LIBRARIES", `${join(folder, "a")}:${join(folder, "b")}`);
    const reasons = preloadLibraries("cuda");
    expect(reasons).toHaveLength(3);
    for (const name of ["a/libcudart.so.13", "b/cublas/lib/libcublasLt.so.13", "b/cudnn/lib/libcudnn_ops.so.9"])
      expect(reasons).toContainEqual(expect.stringContaining(join(folder, name)));
  });

  test("takes TensorRT's libraries from the folder, also where a library in it is named", () => {
    for (const file of ["libnvinfer.so.10", "libnvinfer_builder_resource_sm90.so.10.14.1", "libnvonnxparser.so.10", "libcudart.so.13"])
      put(file);
    vi.stubEnv("HALFSCOPE_TENSORRT_LIBRARY", join(folder, "libnvinfer.so.10"));
    expect(preloadLibraries("tensorrt")).toHaveLength(3);
  });
});
