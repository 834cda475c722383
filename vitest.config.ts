/** How tests run. `npm test` installs and builds first; `npx vitest run PATH` is enough after that. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { CountReporter } from "./test/setup/count-reporter.js";

const root = fileURLToPath(new URL(".", import.meta.url));

export default defineConfig({
  resolve: {
    // Tests see sources, so that a change needs no build before its test.
    alias: [
      { find: /^@halfscope\/([^/]+)$/, replacement: `${root}packages/$1/src/index.ts` },
      { find: /^halfscope$/, replacement: `${root}packages/halfscope/src/index.ts` },
    ],
  },
  test: {
    include: ["packages/*/src/**/*.test.ts", "scripts/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    // The addon keeps threads and mapped files: a process per test file ends with all of them.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", new CountReporter()],
  },
});
