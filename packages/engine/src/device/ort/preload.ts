import { readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadAddonAlone } from "../../addon-load.js";

/** What CUDA's provider asks for by name, in versions of its own choice. */
const cudaLibraries = /^lib(cudart|nvrtc|nvJitLink|cublas|cublasLt|cufft|curand|cudnn\w*)\.so\.\d+$/;
/** Builder resources hold kernels for one GPU each; the builder asks for them by name too. */
const tensorRtLibraries = /^libnv(infer|infer_plugin|onnxparser|infer_builder_resource(?!_win)\w*)\.so\.\d+(\.\d+)*$/;

const done = new Map<string, readonly string[]>();

/**
 * Loads the libraries that execution providers will ask for, from the folders that the environment names: a process cannot change its loader's search path, but
 * finds what is loaded already. HALFSCOPE_CUDA_LIBRARIES: folders with CUDA's libraries, apart by colons; a folder of pip's ("site-packages/nvidia") stands for
 * the `lib` folders in it. HALFSCOPE_TENSORRT_LIBRARY: TensorRT's folder, or a library in it. Returns why libraries did not load; LD_LIBRARY_PATH may serve them all the same.
 */
export function preloadLibraries(which: "cuda" | "tensorrt"): readonly string[] {
  const variable = which === "cuda" ? process.env.HALFSCOPE_CUDA_LIBRARIES : process.env.HALFSCOPE_TENSORRT_LIBRARY;
  const key = `${which}\n${variable ?? ""}`;
  const known = done.get(key);
  if (known !== undefined) return known;
  const folders = (variable ?? "").split(":").filter((f) => f !== "");
  const files = folders.flatMap((folder) => librariesIn(folder, which === "cuda" ? cudaLibraries : tensorRtLibraries));
  const failures = loadAll(files);
  done.set(key, failures);
  return failures;
}

function librariesIn(folder: string, wanted: RegExp): string[] {
  const root = isFolder(folder) ? folder : dirname(folder);
  return [root, ...list(root).map((name) => join(root, name, "lib"))].flatMap((f) =>
    list(f)
      .filter((name) => wanted.test(name))
      .map((name) => join(f, name)),
  );
}

/** They depend on each other in an order that differs from version to version, so those that fail are tried again as long as others succeed. */
function loadAll(files: readonly string[]): string[] {
  const addon = loadAddonAlone();
  let left = files.map((path) => ({ path, reason: "" }));
  for (;;) {
    const failed = left.map(({ path }) => ({ path, reason: addon.preload(path) })).filter(({ reason }) => reason !== "");
    if (failed.length === 0 || failed.length === left.length) return failed.map(({ reason }) => reason);
    left = failed;
  }
}

const list = (folder: string): string[] => {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // a folder that is not there holds nothing; what is missing for it, the provider says
  }
};
const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
