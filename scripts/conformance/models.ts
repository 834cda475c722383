/** The collections that the conformance command goes over, and the inputs and outputs that lie beside their models. */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { repository } from "./repository.js";

export interface ConformanceModel {
  id: string;
  collection: string;
  path: string;
}

export interface Collection {
  name: string;
  /** Where it lies, or undefined where it is absent. */
  folder: string | undefined;
  /** How to get it, or to say where it is. */
  hint: string;
  models: readonly ConformanceModel[];
}

/** Both collections; one that is absent has no models. `HALFSCOPE_ONNX_TESTDATA` and `HALFSCOPE_SHARED_MODELS` say where they lie. */
export const collections = (): Collection[] => [
  collection(
    "testdata",
    [process.env.HALFSCOPE_ONNX_TESTDATA, "/usr/share/libonnx-testdata/data"],
    "install Debian's libonnx-testdata, or name its data folder in HALFSCOPE_ONNX_TESTDATA",
  ),
  collection(
    "shared",
    [process.env.HALFSCOPE_SHARED_MODELS, join(repository, "../shared/models")],
    "put the collection beside the checkout, or name it in HALFSCOPE_SHARED_MODELS",
  ),
];

function collection(name: string, places: readonly (string | undefined)[], hint: string): Collection {
  const folder = places.find((place) => place !== undefined && place !== "" && existsSync(place));
  const paths = folder === undefined ? [] : modelsBelow(folder);
  const models = paths.map((path) => ({
    id: relative(folder ?? "", dirname(path))
      .split(sep)
      .join("/"),
    collection: name,
    path,
  }));
  return { name, folder, hint, models };
}

function modelsBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return modelsBelow(path);
      return entry.isFile() && entry.name.endsWith(".onnx") ? [path] : [];
    });
}

/** Folders with `input_N.pb` and `output_N.pb` beside a model: its upstream's own first, then runs that were saved. */
export function shippedSets(modelPath: string): string[] {
  const folder = dirname(modelPath);
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^(test_data_set_\d+|ort_fp32_run)$/.test(entry.name))
    .map((entry) => join(folder, entry.name))
    .filter((path) => readdirSync(path).some((name) => /^(input|output)_\d+\.pb$/.test(name)))
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
}
