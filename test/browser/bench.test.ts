/** The page of a benchmark in a real browser; skipped visibly where Debian's Chromium is absent. */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ExampleBenchOptions, exampleBench, renderBenchHtml } from "@halfscope/report";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const executablePath = "/usr/bin/chromium";

describe.skipIf(!existsSync(executablePath))(`the page of a benchmark in a browser (needs ${executablePath})`, () => {
  let browser: Browser;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "halfscope-bench-page-"));
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const hostile = (n: string) =>
    `"><img src=http://x.invalid/ onerror=alert(1)></script><script>alert(2)</script>${n}${"W".repeat(300)}\u202e`;
  const cases: readonly (readonly [string, ExampleBenchOptions])[] = [
    ["a candidate beside its reference", {}],
    ["a model that mixes requests", { kind: "mixes" }],
    ["a model of one request at a time", { kind: "static" }],
    ["batches that are not finite", { kind: "broken" }],
    ["hostile names", { rename: hostile }],
  ];
  for (const [title, options] of cases)
    for (const width of [1280, 420])
      test(`of ${title} at ${width} px has no errors, no requests and no sideways scrolling`, async () => {
        const file = join(folder, "bench.html");
        await writeFile(file, renderBenchHtml(exampleBench(options)));
        const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: width === 420 ? "dark" : "light" });
        const complaints: string[] = [];
        const requests: string[] = [];
        page.on("console", (m) => complaints.push(m.text()));
        page.on("pageerror", (e) => complaints.push(String(e)));
        page.on("dialog", (d) => void d.dismiss().then(() => complaints.push("dialog")));
        page.on("request", (r) => requests.push(r.url()));
        await page.goto(pathToFileURL(file).href);
        await page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })");
        expect(complaints).toEqual([]);
        expect(requests.filter((r) => !r.startsWith("file:") && r !== "data:,")).toEqual([]);
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
        expect(await page.evaluate("document.querySelectorAll('img, iframe, object, embed, form').length")).toBe(0);
        await page.close();
      });

  test("draws marks that can be seen in light and dark: each tone differs from the paper", async () => {
    const file = join(folder, "tones.html");
    await writeFile(file, renderBenchHtml(exampleBench({ shapes: 4 })));
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await browser.newPage({ colorScheme });
      await page.goto(pathToFileURL(file).href);
      const colours = (await page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, ...[0, 1, 2, 3].map((t) => getComputedStyle(document.querySelector('.mark.tone-' + t)).fill)]",
      )) as string[];
      expect(new Set(colours).size).toBe(5);
      await page.close();
    }
  });
});
