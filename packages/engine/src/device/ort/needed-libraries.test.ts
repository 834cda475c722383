import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { addonInfo } from "../../addon.js";
import { neededLibraries } from "./needed-libraries.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "halfscope-needed-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.runIf(process.platform === "linux")("names of a real library, none of a file that is cut off, damaged or something else", () => {
  const { library } = addonInfo();
  expect(neededLibraries(library)).toEqual(expect.arrayContaining(["libc.so.6", "libstdc++.so.6"]));
  const bytes = readFileSync(library);
  for (const [name, content] of [
    ["cut", bytes.subarray(0, 100)],
    ["damaged", Buffer.concat([bytes.subarray(0, 32), Buffer.alloc(40, 0xff)])],
    ["text", Buffer.from("no library at all, but longer than the header of one would be, to be sure of it")],
    ["empty", Buffer.alloc(0)],
  ] as const) {
    writeFileSync(join(folder, name), content);
    expect(neededLibraries(join(folder, name)), name).toBeUndefined();
  }
  expect(neededLibraries(join(folder, "nowhere"))).toBeUndefined();
});
