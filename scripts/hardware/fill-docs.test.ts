/** The limit of a whole capture. More of fill-docs is in test/hardware/fill-docs.test.ts. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-docs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const captured = (name: string) => join(folder, "captured", `${name}.json`);
function capture(page: Readonly<Record<string, string>>, ...args: string[]) {
  const text = Object.entries(page).map(([name, command]) => `    $ ${command}\n\n<!-- output: ${name} -->\n<!-- /output -->\n`);
  writeFileSync(join(folder, "page.md"), text.join("\n"));
  const program = join(import.meta.dirname, "fill-docs.mjs");
  const all = ["--page", join(folder, "page.md"), "--from", join(folder, "captured"), "--capture", "--in", join(folder, "work"), ...args];
  return spawnSync(process.execPath, [program, ...all], { encoding: "utf8" });
}

test("a command that does not fit in what is left is not begun, shorter ones behind it are, and what is left is named", () => {
  const page = { first: "echo 1", "long seconds=90": "echo 2", last: "echo 3" };
  const { stderr, status } = capture(page, "--limit", "60");
  expect(status).toBe(0);
  expect(stderr).toBe("first: exit code 0, 0 s\nlast: exit code 0, 0 s\nleft, for want of time: long\n");
  expect(existsSync(captured("long"))).toBe(false);
  // Captured once, it is known to be short.
  expect(capture(page).stderr).toBe("first: kept\nlong: exit code 0, 0 s\nlast: kept\n");
  expect(capture(page, "--again", "--limit", "60").stderr).toContain("long: exit code 0");
});

test("a command that nobody knows is ended with the whole limit, and its output is not kept", () => {
  const { stderr } = capture({ slow: "exec sleep 30", next: "echo 2" }, "--limit", "3");
  expect(stderr).toMatch(/^slow: stopped after [23] s \(its limit\)\nleft, for want of time: next\n$/);
  expect(existsSync(captured("slow"))).toBe(false);
});

test("a limit that is none is refused", () => {
  expect(capture({ a: "true" }, "--limit", "soon").stderr).toContain("--limit takes seconds, found soon");
});
