import { availableParallelism, totalmem } from "node:os";
import { HalfscopeError } from "@halfscope/core";
import { examineOrt, type LinkedLibrary, type OrtExamination, providerRemedy } from "@halfscope/engine";
import { tensorRtFindings } from "./doctor-tensorrt.js";

export interface Finding {
  name: string;
  ok: boolean;
  /** Without it nothing works; otherwise it is only of use. */
  needed: boolean;
  found: string;
  remedy?: string;
}

/** Looks at what this machine offers to halfscope, each part by itself. Never throws for something that is missing. */
export async function examineMachine(): Promise<Finding[]> {
  const machine: Finding[] = [
    { name: "Node", ok: true, needed: true, found: process.version },
    { name: "Processor", ok: true, needed: true, found: `${availableParallelism()} cores, ${(totalmem() / 1e9).toFixed(1)} GB of memory` },
  ];
  let ort: OrtExamination;
  try {
    ort = examineOrt();
  } catch (error) {
    return [...machine, missing("Addon", error, "Run `npm run demo` or `npm test` once: they build it.")];
  }
  return [...machine, ...ortFindings(ort), ...(await tensorRtFindings())];
}

function missing(name: string, error: unknown, otherwise: string): Finding {
  const known = error instanceof HalfscopeError ? error : undefined;
  return { name, ok: false, needed: true, found: known?.message ?? String(error), remedy: known?.hint ?? otherwise };
}

function ortFindings({ library, providers, cudaLibraries }: OrtExamination): Finding[] {
  if (library instanceof Error)
    return [
      { name: "Addon", ok: true, needed: true, found: "loaded" },
      missing("ONNX Runtime", library, "Install the workspace's dependencies."),
    ];
  // A build names its providers whether or not their libraries were installed beside it.
  const usable = library.providers.filter((name) => providers.find((p) => p.name === name)?.installed !== false);
  return [
    { name: "Addon", ok: true, needed: true, found: `loaded; kernels for ${library.instructionSet}` },
    {
      name: "ONNX Runtime",
      ok: true,
      needed: true,
      found: `${library.onnxruntimeVersion} at ${library.library}; providers: ${usable.join(", ")}`,
    },
    ...providers.map(providerFinding),
    cudaFinding(providers, cudaLibraries),
  ];
}

function providerFinding({ title, name: known, file, ...provider }: OrtExamination["providers"][number]): Finding {
  const row = { name: `ONNX Runtime's ${title} provider`, needed: false };
  const only = `Only \`--engine ort-${title.toLowerCase()}\` needs it.`;
  if (!provider.installed) {
    const found = provider.known ? `not installed (${file} is absent)` : `this build of ONNX Runtime has no ${known}`;
    return { ...row, ok: false, found, remedy: `${only} ${providerRemedy}` };
  }
  const lost = lostOf(provider.tensorRt);
  if (lost.length === 0) return { ...row, ok: true, found: file };
  const remedy = `${only} Install TensorRT in the version that it asks for, and name its folder in HALFSCOPE_TENSORRT_LIBRARY or LD_LIBRARY_PATH.`;
  return { ...row, ok: false, found: `${file}, but missing ${lost.join(", ")}`, remedy };
}

/** Names of libraries that do not load. The loader names a file that is not there and no more; what else it says tells more. */
const lostOf = (libraries: readonly LinkedLibrary[]): string[] =>
  libraries.flatMap(({ name, failure }) =>
    failure === undefined ? [] : [failure.startsWith(`${name}: cannot open`) ? name : `${name} (${failure})`],
  );

function cudaFinding(providers: OrtExamination["providers"], libraries: OrtExamination["cudaLibraries"]): Finding {
  const name = "CUDA's and cuDNN's libraries";
  if (!providers.some((p) => p.installed))
    return { name, ok: false, needed: false, found: "not looked for: no provider of ONNX Runtime that asks for them is installed" };
  const lost = lostOf(libraries);
  const there = libraries.filter((l) => l.failure === undefined).map((l) => l.name);
  const parts = [...(there.length > 0 ? [`found ${there.join(", ")}`] : []), ...(lost.length > 0 ? [`missing ${lost.join(", ")}`] : [])];
  return {
    name,
    ok: lost.length === 0,
    needed: false,
    found: parts.join("; "),
    ...(lost.length > 0 && {
      remedy:
        "ONNX Runtime's providers for GPUs need them, TensorRT by itself does not: install CUDA's runtime and cuDNN in these versions, and name their folders in HALFSCOPE_CUDA_LIBRARIES or LD_LIBRARY_PATH.",
    }),
  };
}
