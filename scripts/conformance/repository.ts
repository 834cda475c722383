import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The checkout: the folder above this file with pnpm-workspace.yaml. Tests run this file from its source, the command from dist. */
export const repository: string = (() => {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "pnpm-workspace.yaml")) || dirname(folder) === folder) return folder;
  }
})();
