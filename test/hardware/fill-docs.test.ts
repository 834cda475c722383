/** docs/tensorrt.md shows what its commands said, or that nobody has run them yet: never anything else. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bin } from "../e2e/run-cli.js";

const root = join(import.meta.dirname, "../..");
const script = join(root, "scripts/hardware/fill-docs.mjs");
const page = readFileSync(join(root, "docs/tensorrt.md"), "utf8");

const fill = (args: readonly string[]) => spawnSync(process.execPath, [script, ...args], { encoding: "utf8" });
/** Commands of the page, continued lines joined. */
const commands = page
  .replaceAll("\\\n", " ")
  .split("\n")
  .flatMap((l) => (l.startsWith("    $ ") ? [l.slice(6)] : []));

describe("docs/tensorrt.md", () => {
  test("holds what was captured, or says that nothing was", () => {
    const checked = fill(["--check"]);
    expect(checked.stderr).toBe("");
    expect(checked.status).toBe(0);
  });

  test("has a placeholder under every command, and output nowhere else", () => {
    const names = [...page.matchAll(/^<!-- output: ([a-z0-9-]+)/gm)].map((m) => m[1]);
    expect(names.length).toBeGreaterThan(10);
    expect(commands.length).toBe(names.length);
    expect(page.match(/^```+text$/gm)?.length).toBe(names.length);
  });

  test("names options that the commands have", () => {
    const known = new Map<string, string>();
    for (const command of commands.filter((c) => c.startsWith("halfscope "))) {
      const name = command.split(/\s+/)[1] ?? "";
      if (!known.has(name))
        known.set(
          name,
          execFileSync(process.execPath, [bin, name, "--help"], { encoding: "utf8", env: { ...process.env, COLUMNS: "200" } }),
        );
      for (const [option] of command.matchAll(/--[a-z][a-z-]*/g)) {
        // yargs lists an option that is on by default under its own name.
        const listed = option.replace(/^--no-/, "--");
        expect(known.get(name), `${name} ${option}`).toMatch(new RegExp(`${listed}(?![a-z-])`));
      }
    }
    expect([...known.keys()].sort()).toEqual(["bench", "debug", "doctor", "export", "verify"]);
  });

  test("links to files that are there", () => {
    for (const [, link = ""] of page.matchAll(/\]\(([^)#]+)\)/g)) expect(() => readFileSync(join(root, "docs", link)), link).not.toThrow();
  });
});

describe("fill-docs", () => {
  let folder: string;
  let file: string;
  const at = () => ["--page", file, "--from", join(folder, "captured")];
  const write = (text: string) => writeFileSync(file, text);
  const read = () => readFileSync(file, "utf8");
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "halfscope-docs-"));
    file = join(folder, "page.md");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const sample = "# A\n\n    $ echo 'one\n    two'; \\\n        exit 3\n\n<!-- output: said exit=3 -->\nmade up\n<!-- /output -->\nEnd\n";

  test("replaces what was made up, and fills what a command said with its exit code", () => {
    write(sample);
    expect(fill([...at(), "--check"]).status).toBe(1);
    expect(fill(at()).status).toBe(0);
    expect(read()).toContain("<!-- output: said exit=3 -->\n```text\nnot captured yet\n```\n<!-- /output -->\nEnd\n");
    expect(fill([...at(), "--check"]).status).toBe(0);
    expect(fill([...at(), "--capture", "--in", join(folder, "work")]).stderr).toMatch(/^said: exit code 3/);
    fill(at());
    expect(read()).toContain("```text\none\ntwo\n(exit code 3)\n```\n<!-- /output -->\nEnd\n");
    fill(at());
    expect(fill([...at(), "--check"]).status).toBe(0);
  });

  test("keeps nothing of a command that went wrong", () => {
    write(sample.replace("exit=3", "exit=0or1"));
    expect(fill([...at(), "--capture", "--in", join(folder, "work")]).stderr).toMatch(/^said: NOT KEPT, exit code 3 where 0or1/);
    fill(at());
    expect(read()).toContain("not captured yet");
  });

  test("forgets output of a command that has changed", () => {
    write(sample);
    fill([...at(), "--capture", "--in", join(folder, "work")]);
    write(sample.replaceAll(/exit([ =])3/g, "exit$14"));
    fill(at());
    expect(read()).toContain("not captured yet");
  });

  test("keeps what is there unless it is asked again, and runs what the machine is for", () => {
    write(sample.replace("said exit", "said on=cpu exit"));
    expect(fill([...at(), "--capture", "--in", join(folder, "work")]).stderr).toBe("");
    expect(fill([...at(), "--capture", "--in", join(folder, "work"), "--on", "cpu"]).stderr).toMatch(/exit code 3/);
    expect(fill([...at(), "--capture", "--in", join(folder, "work"), "--on", "cpu"]).stderr).toBe("said: kept\n");
    expect(fill([...at(), "--capture", "--in", join(folder, "work"), "--only", "said", "--again"]).stderr).toMatch(/exit code 3/);
  });

  test("cuts long output, takes out colours and folders, and fences what holds fences", () => {
    const work = join(folder, "work");
    mkdirSync(work);
    write("    $ printf '\\033[31mred\\033[0m in %s/x\\n```\\n' \"$PWD\"; seq 30\n\n<!-- output: said lines=5 -->\n<!-- /output -->\n");
    fill([...at(), "--capture", "--in", work]);
    fill(at());
    expect(read()).toContain("````text\nred in x\n```\n1\n2\n3\n... (27 lines more)\n````\n");
  });

  test("refuses placeholders without a command, without an end, or of one name", () => {
    for (const [text, why] of [
      ["text\n<!-- output: a -->\n<!-- /output -->", "no command"],
      ["    $ true\n<!-- output: a -->\n", "no end"],
      [`${"    $ true\n<!-- output: a -->\n<!-- /output -->\n".repeat(2)}`, "two placeholders"],
      ["    $ true\n<!-- output: A B -->\n<!-- /output -->", "cannot be read"],
    ] as const) {
      write(text);
      const ended = fill(at());
      expect(ended.status).not.toBe(0);
      expect(ended.stderr).toContain(why);
    }
  });
});
