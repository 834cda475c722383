/** Real data beside a model of a collection, as its tests have it. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** Folders of samples as `--feed` takes them; none where there is no real data. */
export function feedsBeside(path: string): readonly string[] {
  const folder = ["ort_fp32_run", "test_data_set_0"].map((f) => join(dirname(path), f)).find(existsSync);
  return folder === undefined ? [] : [folder];
}
