/**
 * Counts what a test run did, names why tests were skipped, and leaves the counts for `scripts/bootstrap.mjs`, which prints
 * them as the last line. Vitest's own JSON reporter drops the reasons of skips.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Reporter, TestModule, Vitest } from "vitest/node";

/** What one run did. A file that failed to load, and an error outside any test, each count as one failed. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Skipped tests by the reason they gave. */
  readonly skippedBecause: Readonly<Record<string, number>>;
}

/** Where the counts of the latest run lie, relative to the repository root. */
export const COUNTS_FILE = ".cache/test-counts.json";

export const NO_REASON = "no reason given (test.skip, or not matched by -t)";

export function countTests(modules: readonly TestModule[], unhandledErrors: number): TestCounts {
  let passed = 0;
  let failed = unhandledErrors;
  let skipped = 0;
  const skippedBecause: Record<string, number> = {};
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const result = test.result();
      if (result.state === "passed") passed++;
      else if (result.state === "skipped") {
        skipped++;
        const reason = result.note ?? NO_REASON;
        skippedBecause[reason] = (skippedBecause[reason] ?? 0) + 1;
      } else failedHere++; // "failed", or "pending" where the run broke off
    }
    if (failedHere === 0 && module.state() === "failed") failedHere = 1;
    failed += failedHere;
  }
  return { passed, failed, skipped, skippedBecause };
}

export class CountReporter implements Reporter {
  #root = process.cwd();

  onInit(vitest: Vitest): void {
    this.#root = vitest.config.root;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = countTests(modules, unhandledErrors.length);
    const file = join(this.#root, COUNTS_FILE);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(counts));
    const reasons = Object.entries(counts.skippedBecause).sort((a, b) => b[1] - a[1]);
    if (reasons.length > 0) console.log(`\nSkipped ${counts.skipped}:`);
    for (const [reason, count] of reasons) console.log(`  ${count} x ${reason}`);
  }
}
