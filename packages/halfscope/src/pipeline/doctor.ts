import { existsSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { HalfscopeError } from "@halfscope/core";
import { addonInfo } from "@halfscope/engine";

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
        remedy: "Nothing needs it yet: this version measures on the CPU. HALFSCOPE_ORT_LIBRARY names another build of ONNX Runtime.",
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
  const gpu = existsSync("/dev/nvidiactl");
  findings.push({
    name: "NVIDIA driver",
    ok: gpu,
    needed: false,
    found: gpu ? "present" : "no /dev/nvidiactl",
    ...(!gpu && { remedy: "Not needed: FP16 is emulated on the CPU." }),
  });
  findings.push({
    name: "TensorRT",
    ok: false,
    needed: false,
    found: "not supported by this version of halfscope",
    remedy: "mixed.onnx states every type by Casts, as strongly typed networks need; building it with TensorRT is up to you.",
  });
  return findings;
}
