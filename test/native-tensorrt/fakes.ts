import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe } from "vitest";
import { encodeTiny } from "./network.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const release = join(root, "native", "build", "Release");
const sources = join(root, "native", "test", "fakes");

/** Why the tests with a fake TensorRT cannot run here; undefined where they can. */
async function missingForFakes(): Promise<string | undefined> {
  if (!existsSync(release) || !readdirSync(release).includes("halfscope-tensorrt-10.so"))
    return "the addon was built without headers of TensorRT 10 (node scripts/tensorrt-headers.mjs fetches them)";
  return (await headersOfTen()) === undefined ? "the headers of TensorRT 10 are gone since the addon was built" : undefined;
}

async function headersOfTen(): Promise<string | undefined> {
  const { tensorRtHeaders } = (await import(join(root, "native", "tensorrt-headers.mjs"))) as {
    tensorRtHeaders(): { major: number; folder: string }[];
  };
  return tensorRtHeaders().find((h) => h.major === 10)?.folder;
}

export interface Outcome {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** The lines that a program printed, as JSON. Throws where it did not end cleanly and silently. */
function printed({ code, signal, stdout, stderr }: Outcome): unknown[] {
  if (code !== 0 || signal !== null || stderr !== "") throw new Error(`The program ended with ${code ?? signal}: ${stderr}`);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** A driver and a TensorRT that need no GPU, compiled into a folder of their own, and programs that run on them. */
export class Fakes {
  readonly folder = mkdtempSync(join(tmpdir(), "halfscope-fakes-"));
  /** A file of the network that the fake knows. */
  readonly model = join(this.folder, "model.onnx");
  #include = "";

  static async compile(): Promise<Fakes> {
    const fakes = new Fakes();
    const include = await headersOfTen();
    if (include === undefined) throw new Error("No headers of TensorRT 10.");
    const { folder } = fakes;
    fakes.#include = include;
    execFileSync(process.execPath, [join(sources, "stub-classes.mjs"), include, join(folder, "stubs.h")]);
    const cudaTypes = join(root, "native", "tensorrt", "cuda-types");
    const options = ["-std=c++17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wno-deprecated-declarations", "-pthread"];
    const includes = ["-I", folder, "-isystem", include, "-isystem", cudaTypes];
    for (const [source, library] of [
      ["fake_cuda.cc", "libcuda.so.1"],
      ["fake_nvml.cc", "libnvidia-ml.so.1"],
      ["fake_nvinfer.cc", "libnvinfer.so.10"],
      ["fake_nvonnxparser.cc", "libnvonnxparser.so.10"],
    ] as const)
      execFileSync(process.env.CXX ?? "g++", [...options, ...includes, join(sources, source), "-o", join(folder, library)], {
        stdio: "pipe",
      });
    writeFileSync(fakes.model, encodeTiny());
    return fakes;
  }

  /** A folder with one library of its own making, which is no TensorRT. */
  foreign(): string {
    const folder = join(this.folder, "foreign");
    mkdirSync(folder, { recursive: true });
    const source = join(folder, "empty.cc");
    writeFileSync(source, 'extern "C" int getInferLibVersion() { return 100600; }\n');
    execFileSync(process.env.CXX ?? "g++", ["-fPIC", "-shared", source, "-o", join(folder, "libnvinfer.so.10")], { stdio: "pipe" });
    return folder;
  }

  /** A folder with some of the libraries, each under the name that is given for it. */
  withOnly(names: Readonly<Record<string, string>>): string {
    const folder = mkdtempSync(join(this.folder, "only-"));
    for (const [library, name] of Object.entries(names)) copyFileSync(join(this.folder, library), join(folder, name));
    return folder;
  }

  /** What `halfscope` prints, in a process that finds the fakes. */
  halfscope(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<Outcome> {
    return this.#start([join(root, "packages", "halfscope", "dist", "cli", "main.js"), ...args], env);
  }

  /** What a compiled script of scripts/ prints, by its path under scripts/dist, in a process that finds the fakes. */
  script(path: string, args: readonly string[]): Promise<Outcome> {
    return this.#start([join(root, "scripts", "dist", path), ...args], {});
  }

  /** A program of C++ sources, compiled with the fakes' headers. */
  compileProgram(sources: readonly string[]): string {
    const program = join(this.folder, "program");
    const includes = ["-isystem", this.#include, "-isystem", join(root, "native", "tensorrt", "cuda-types")];
    execFileSync(process.env.CXX ?? "g++", ["-std=c++17", "-O1", ...includes, ...sources, "-ldl", "-o", program], { stdio: "pipe" });
    return program;
  }

  /** A folder with TensorRT's libraries and, beside them, one that is named otherwise inside than outside, as the builder's kernels are. */
  withResource(name: string): string {
    const folder = join(this.folder, "with-resource");
    mkdirSync(folder, { recursive: true });
    for (const library of ["libnvinfer.so.10", "libnvonnxparser.so.10"]) copyFileSync(join(this.folder, library), join(folder, library));
    const source = join(folder, "resource.cc");
    writeFileSync(source, "int kernels;\n");
    const options = ["-fPIC", "-shared", "-Wl,-soname,do_not_link_against_it"];
    execFileSync(process.env.CXX ?? "g++", [...options, source, "-o", join(folder, name)], { stdio: "pipe" });
    return folder;
  }

  /**
   * Runs the body of a module, which has `openTensorRt`, `model`, `feed(...)`, `profiles` and `print`, in a process that finds the fakes. `env` may hide them.
   */
  run(body: string, env: Record<string, string | undefined> = {}): Promise<Outcome> {
    const script = join(this.folder, `script-${Math.random().toString(36).slice(2)}.mjs`);
    const engine = join(root, "packages", "engine", "dist", "index.js");
    writeFileSync(
      script,
      `import { openTensorRt, examineTensorRt, readGpuClocks, TensorRtBackend } from ${JSON.stringify(engine)};
const model = ${JSON.stringify(this.model)};
const print = (value) => process.stdout.write(JSON.stringify(value, (_, v) => (v instanceof Map ? Object.fromEntries(v) : ArrayBuffer.isView(v) ? [...v] : v)) + "\\n");
const feed = (...values) => ({ tensors: new Map([["x", { dtype: "float32", dims: [values.length / 4, 4], data: new Uint8Array(Float32Array.from(values).buffer) }]]) });
const floats = (tensor) => [...new Float32Array(tensor.data.slice().buffer)];
const range = (min, opt, max) => ({ inputs: { x: { min: [min, 4], opt: [opt, 4], max: [max, 4] } } });
const profiles = [range(1, 2, 4)];
${body}
`,
    );
    return this.#start([script], env);
  }

  #start(args: readonly string[], env: Record<string, string | undefined>): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, args, {
        env: { ...process.env, LD_LIBRARY_PATH: this.folder, HALFSCOPE_TENSORRT_LIBRARY: this.folder, ...env },
        timeout: 60_000,
      });
      let stdout = "";
      let stderr = "";
      child.stdout.on("data", (chunk) => {
        stdout += chunk;
      });
      child.stderr.on("data", (chunk) => {
        stderr += chunk;
      });
      child.once("error", reject);
      child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const missing = await missingForFakes();

/** Tests that run on the fakes, compiled before them; skipped, with the reason in the title, where they cannot be. */
export function describeOnFakes(title: string, tests: (on: OnFakes) => void): void {
  describe.skipIf(missing !== undefined)(`${title}${missing ? ` (skipped: ${missing})` : ""}`, () => {
    let fakes: Fakes | undefined;
    beforeAll(async () => {
      fakes = await Fakes.compile();
    }, 120_000);
    afterAll(() => fakes?.dispose());
    const compiled = (): Fakes => {
      if (fakes === undefined) throw new Error("Ask for the fakes inside of a test.");
      return fakes;
    };
    tests({ fakes: compiled, run: async (body, env = {}) => printed(await compiled().run(body, env)) });
  });
}

export interface OnFakes {
  fakes: () => Fakes;
  /** What the body of a module prints, as JSON, after a clean end. */
  run: (body: string, env?: Record<string, string | undefined>) => Promise<unknown[]>;
}
