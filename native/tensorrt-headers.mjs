// Finds TensorRT's headers: which major versions the addon is built for. None is needed; scripts/tensorrt-headers.mjs fetches some.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const multiarch = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch];
export const headersCache = join(root, ".cache", "tensorrt-headers");

const listed = (folder) => (existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []);

/** Where headers may lie, the first of a major version wins. */
function candidates() {
  const { HALFSCOPE_TENSORRT_INCLUDE, TENSORRT_ROOT } = process.env;
  return [
    ...(HALFSCOPE_TENSORRT_INCLUDE ?? "").split(":").filter(Boolean),
    ...(TENSORRT_ROOT ? [join(TENSORRT_ROOT, "include")] : []),
    ...(multiarch ? [join("/usr/include", multiarch)] : []),
    "/usr/local/tensorrt/include",
    ...listed(headersCache),
  ];
}

/** "10.16.1"; undefined for a folder without TensorRT's headers. From 10.16 on the numbers are named by other names. */
export function headersVersion(folder) {
  const path = join(folder, "NvInferVersion.h");
  if (!existsSync(path) || !existsSync(join(folder, "NvInfer.h")) || !existsSync(join(folder, "NvOnnxParser.h"))) return undefined;
  const defined = new Map([...readFileSync(path, "utf8").matchAll(/^#define (\w+) +(\w+)/gm)].map(([, name, value]) => [name, value]));
  const numbers = ["NV_TENSORRT_MAJOR", "NV_TENSORRT_MINOR", "NV_TENSORRT_PATCH"].map((name) => {
    const value = defined.get(name);
    return Number(value === undefined ? undefined : (defined.get(value) ?? value));
  });
  return numbers.every(Number.isSafeInteger) ? numbers.join(".") : undefined;
}

/** Major versions, and the lowest minor version of each; native/tensorrt/module/headers.h says what is newer than older ones. */
const lowestMinor = new Map([
  [8, 6],
  [10, 1],
  [11, 0],
]);

/** Headers of the major versions that the addon can be built for, wherever they lie. None but on Linux: TensorRT runs there. */
function headersThere() {
  if (process.platform !== "linux") return [];
  return candidates().flatMap((folder) => {
    const version = headersVersion(folder);
    const [major, minor] = (version ?? "").split(".").map(Number);
    const lowest = lowestMinor.get(major);
    return lowest === undefined ? [] : [{ major, version, folder, lowest: `${major}.${lowest}`, tooOld: minor < lowest }];
  });
}

/** One entry per major version, in ascending order. */
export function tensorRtHeaders() {
  const found = new Map();
  for (const { major, version, folder, tooOld } of headersThere())
    if (!tooOld && !found.has(major)) found.set(major, { major, version, folder });
  return [...found.values()].sort((a, b) => a.major - b.major);
}

/** A line for each folder of headers that are passed over because they are too old. */
export const headersPassedOver = () =>
  headersThere()
    .filter(({ tooOld }) => tooOld)
    .map(({ version, folder, lowest }) => `The headers of TensorRT ${version} in ${folder} are not used; ${lowest} or newer is needed.`);

/** For cmake: "10=/folder;11=/folder". */
export const tensorRtDefinition = () =>
  tensorRtHeaders()
    .map(({ major, folder }) => `${major}=${folder}`)
    .join(";");
