import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { headersPassedOver, tensorRtHeaders } = (await import(join(root, "native", "tensorrt-headers.mjs"))) as {
  headersPassedOver(): string[];
  tensorRtHeaders(): { major: number; version: string; folder: string }[];
};

describe.skipIf(process.platform !== "linux")("headers of TensorRT that are too old for the addon", () => {
  const work = mkdtempSync(join(tmpdir(), "halfscope-headers-"));
  afterAll(() => rmSync(work, { recursive: true, force: true }));
  afterEach(() => vi.unstubAllEnvs());

  /** A folder that looks like NVIDIA's, of that version. */
  function headers(version: string): string {
    const folder = join(work, version);
    mkdirSync(folder, { recursive: true });
    const names = ["MAJOR", "MINOR", "PATCH"];
    const lines = version.split(".").map((number, i) => `#define NV_TENSORRT_${names[i]} ${number}\n`);
    writeFileSync(join(folder, "NvInferVersion.h"), lines.join(""));
    for (const file of ["NvInfer.h", "NvOnnxParser.h"]) writeFileSync(join(folder, file), "");
    return folder;
  }
  const given = (...versions: string[]) => {
    vi.stubEnv("HALFSCOPE_TENSORRT_INCLUDE", versions.map(headers).join(":"));
    const inWork = ({ folder }: { folder: string }) => folder.startsWith(work);
    return {
      used: tensorRtHeaders()
        .filter(inWork)
        .map(({ version }) => version),
      lines: headersPassedOver().filter((line) => line.includes(work)),
    };
  };

  it("are passed over, and a line says so", () => {
    const { used, lines } = given("8.5.2", "10.0.1");
    expect(used).toEqual([]);
    expect(lines).toEqual([
      `The headers of TensorRT 8.5.2 in ${join(work, "8.5.2")} are not used; 8.6 or newer is needed.`,
      `The headers of TensorRT 10.0.1 in ${join(work, "10.0.1")} are not used; 10.1 or newer is needed.`,
    ]);
  });
  it("do not hide newer ones that are found after them", () => {
    expect(given("8.5.2", "8.6.0", "10.0.1", "10.1.0", "11.0.0").used).toEqual(["8.6.0", "10.1.0", "11.0.0"]);
  });
  it("are not those of other major versions, of which nothing is said", () => {
    expect(given("9.3.0", "8.6.1")).toEqual({ used: ["8.6.1"], lines: [] });
  });
});
