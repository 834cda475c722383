import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import type { GpuClocks } from "@halfscope/core";
import {
  debugTensorsFault,
  examineTensorRt,
  libraryRemedy,
  readGpuClocks,
  type TensorRtExamination,
  tensorRtRemedy,
} from "@halfscope/engine";
import type { Finding } from "./doctor.js";

type Library = Exclude<TensorRtExamination["library"], string>;

/** The GPU, TensorRT's modules and libraries, and what the version at hand can do. Only `--engine tensorrt` needs the latter; everything else works without. */
export async function tensorRtFindings(): Promise<Finding[]> {
  const { modules, library, device } = examineTensorRt();
  const built = modules.modules.map((m) => `${m.major} (headers ${m.headers})`).join(", ");
  const failures = modules.failures.length === 0 ? "" : `; ${modules.failures.join("; ")}`;
  return [
    gpuFinding(device, typeof device === "string" ? undefined : await readGpuClocks()),
    finding(
      "TensorRT modules",
      modules.modules.length > 0,
      built === "" ? `this build of halfscope has none${failures}` : `for ${built}${failures}`,
      tensorRtRemedy("module"),
    ),
    ...(typeof library === "string"
      ? [finding("TensorRT", false, library, modules.modules.length === 0 ? tensorRtRemedy("module") : libraryRemedy(library))]
      : libraryFindings(library)),
  ];
}

const finding = (name: string, ok: boolean, found: string, remedy: string): Finding => ({
  name,
  ok,
  needed: false,
  found,
  ...(!ok && { remedy }),
});

function gpuFinding(device: TensorRtExamination["device"], clocks: GpuClocks | undefined): Finding {
  if (typeof device === "string") return finding("NVIDIA GPU", false, device, tensorRtRemedy("device"));
  const memory = (device.memoryBytes / 2 ** 30).toFixed(0);
  const parts = [
    `${device.name}, compute capability ${device.computeCapability}, ${memory} GiB`,
    `driver ${device.driver || "of unknown version"}, CUDA ${device.cuda}`,
    clocks === undefined
      ? "clocks cannot be read (no libnvidia-ml.so.1, or it does not tell)"
      : `now at ${clocks.smMHz} MHz, memory ${clocks.memoryMHz} MHz${clocks.throttle.length > 0 ? ` (${clocks.throttle.join(", ")})` : ""}`,
  ];
  return finding("NVIDIA GPU", true, parts.join("; "), "");
}

function libraryFindings(library: Library): Finding[] {
  const { version, path, plugins, pluginsMissing } = library;
  const resources = resourcesBeside(path);
  return [
    finding("TensorRT", true, `${version} at ${path}`, ""),
    finding(`What TensorRT ${version} can do`, true, abilities(library), ""),
    finding(
      "TensorRT's builder resource",
      resources.length > 0,
      resources.length > 0 ? resources.join(", ") : `none beside ${path}`,
      tensorRtRemedy("resource"),
    ),
    finding("TensorRT's plugins", plugins !== "", plugins === "" ? pluginsMissing : plugins, tensorRtRemedy("plugins")),
  ];
}

/** Kernels for the builder; those for engines that run on Windows load there only. */
function resourcesBeside(path: string): string[] {
  try {
    return readdirSync(dirname(path))
      .filter((name) => name.startsWith("libnvinfer_builder_resource") && !name.includes("_win"))
      .sort();
  } catch {
    return []; // a library without a folder that can be listed: nothing is known of what lies beside it
  }
}

/** What there is, and what there is not with the version that brought it. */
function abilities({ version, capabilities: can }: Library): string {
  const fault = can.debugTensors ? debugTensorsFault(version) : undefined;
  const all: readonly (readonly [has: boolean, what: string, without: string])[] = [
    [can.typed, "strongly typed networks (--typing typed)", "since 10.0"],
    [can.weak, "weakly typed networks (--typing weak)", "until 10"],
    [can.debugTensors && fault === undefined, "debug tensors (--observe debug)", fault ?? "since 10.0, not with other headers on 10.8"],
    [can.unfusedTensors, "unfused tensors (--observe unfused)", "since 10.12"],
    [can.strictNans, "strict NaN (--strict-nans)", "since 10.6"],
    [can.progress, "progress and cancelling of builds", "since 10.0"],
  ];
  const yes = all.filter(([has]) => has).map(([, what]) => what);
  const no = all.filter(([has]) => !has).map(([, what, without]) => `${what}: ${without}`);
  return `${yes.join(", ")}${no.length > 0 ? `. Not: ${no.join("; ")}` : ""}`;
}
