import { existsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { HalfscopeError } from "@halfscope/core";
import { addonInfo, examineTensorRt, type TensorRtExamination, tensorRtRemedy } from "@halfscope/engine";

export interface Finding {
  name: string;
  ok: boolean;
  /** Without it nothing works; otherwise it is only of use. */
  needed: boolean;
  found: string;
  remedy?: string;
}

/** Looks at what this machine offers to halfscope. Never throws for something that is missing. */
export async function examineMachine(): Promise<Finding[]> {
  const findings: Finding[] = [
    { name: "Node", ok: true, needed: true, found: process.version },
    { name: "Processor", ok: true, needed: true, found: `${availableParallelism()} cores, ${(totalmem() / 1e9).toFixed(1)} GB of memory` },
  ];
  try {
    const info = addonInfo();
    findings.push(
      { name: "Addon", ok: true, needed: true, found: `loaded; kernels for ${info.instructionSet}` },
      {
        name: "ONNX Runtime",
        ok: true,
        needed: true,
        found: `${info.onnxruntimeVersion} at ${info.library}; providers: ${info.providers.join(", ")}`,
      },
    );
    // A build names its providers whether or not their libraries were installed beside it.
    const file = join(dirname(info.library), "libonnxruntime_providers_cuda.so");
    const cuda = info.providers.includes("CUDAExecutionProvider") && existsSync(file);
    findings.push({
      name: "ONNX Runtime's CUDA provider",
      ok: cuda,
      needed: false,
      found: cuda ? file : `not installed (${file} is absent)`,
      ...(!cuda && {
        remedy: "Only `--engine ort-cuda` needs it: HALFSCOPE_ORT_LIBRARY names a build of ONNX Runtime that has it.",
      }),
    });
  } catch (error) {
    const known = error instanceof HalfscopeError ? error : undefined;
    findings.push({
      name: "Addon",
      ok: false,
      needed: true,
      found: known?.message ?? String(error),
      remedy: known?.hint ?? "Run `npm run demo` or `npm test` once: they build it.",
    });
  }
  findings.push(...tensorRtFindings());
  return findings;
}

/** Only `--engine tensorrt` needs these; everything else works without. */
function tensorRtFindings(): Finding[] {
  let examined: TensorRtExamination;
  try {
    examined = examineTensorRt();
  } catch {
    return []; // no addon: said above
  }
  const { modules, library, device } = examined;
  const finding = (name: string, ok: boolean, found: string, part: Parameters<typeof tensorRtRemedy>[0]): Finding => ({
    name,
    ok,
    needed: false,
    found,
    ...(!ok && { remedy: tensorRtRemedy(part) }),
  });
  const built = modules.modules.map((m) => `${m.major} (headers ${m.headers})`).join(", ");
  const failures = modules.failures.length === 0 ? "" : `; ${modules.failures.join("; ")}`;
  return [
    typeof device === "string"
      ? finding("NVIDIA GPU", false, device, "device")
      : finding(
          "NVIDIA GPU",
          true,
          `${device.name}, compute capability ${device.computeCapability}, ${(device.memoryBytes / 2 ** 30).toFixed(0)} GiB; driver ${device.driver || "of unknown version"}, CUDA ${device.cuda}`,
          "device",
        ),
    finding(
      "TensorRT modules",
      modules.modules.length > 0,
      built === "" ? `this build of halfscope has none${failures}` : `for ${built}${failures}`,
      "module",
    ),
    typeof library === "string"
      ? finding("TensorRT", false, library, modules.modules.length === 0 ? "module" : "library")
      : finding("TensorRT", true, `${library.version} at ${library.path}`, "library"),
  ];
}
