/** The report in a real browser. Runs where Debian's Chromium is installed (`apt-get install chromium`), and is skipped visibly elsewhere. */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type ExampleDeviceOptions, type ExampleOptions, exampleDevice, exampleResult, renderHtml } from "@halfscope/report";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const executablePath = "/usr/bin/chromium";
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

describe.skipIf(!existsSync(executablePath))(`the report in a browser (needs ${executablePath})`, () => {
  let browser: Browser;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "halfscope-report-"));
    browser = await chromium.launch({ executablePath, args });
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  interface Opened {
    page: Page;
    complaints: string[];
    requests: string[];
  }

  async function open(
    options: ExampleOptions,
    width: number,
    more: { dark?: boolean; script?: boolean; device?: ExampleDeviceOptions | undefined } = {},
  ): Promise<Opened> {
    const file = join(folder, "report.html");
    const device = more.device && exampleDevice(more.device);
    await writeFile(file, renderHtml({ ...exampleResult(options), ...(device && { device }) }));
    const page = await browser.newPage({
      viewport: { width, height: 900 },
      colorScheme: more.dark ? "dark" : "light",
      javaScriptEnabled: more.script ?? true,
    });
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on("console", (m) => complaints.push(m.text()));
    page.on("pageerror", (e) => complaints.push(String(e)));
    page.on("dialog", (d) => {
      complaints.push(`dialog ${d.message()}`);
      void d.dismiss();
    });
    page.on("request", (r) => requests.push(r.url()));
    await page.goto(pathToFileURL(file).href);
    return { page, complaints, requests: requests.filter((r) => !r.startsWith("file:") && r !== "data:,") };
  }

  const hostile = (n: string) =>
    `"><img src=http://x.invalid/ onerror=alert(1)></script><script>alert(2)</script>${n}${"W".repeat(300)}\u202e`;
  const cases: readonly (readonly [string, ExampleOptions, ExampleDeviceOptions?])[] = [
    ["BERT-large with faults", {}],
    ["a healthy model", { blocks: 2, faults: false }],
    ["a model that was only inspected", { blocks: 2, upTo: "inspected" }],
    ["hostile names", { blocks: 2, rename: hostile }],
    ["a real engine", { blocks: 2 }, { pins: ["a/b", "c"] }],
    ["a real engine that refutes the prediction", { blocks: 2 }, { pins: ["a/b", "c"], story: "refuted" }],
    [
      "hostile names on a real engine",
      { blocks: 2, rename: hostile },
      { pins: ["a", "b"].map(hostile), rename: hostile, story: "refuted" },
    ],
  ];
  for (const [title, options, device] of cases)
    for (const width of [1280, 420])
      test(`of ${title} at ${width} px has no errors, no requests and no sideways scrolling`, async () => {
        const { page, complaints, requests } = await open(options, width, { dark: width === 420, device });
        await page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })");
        expect(complaints).toEqual([]);
        expect(requests).toEqual([]);
        expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
        expect(await page.evaluate("document.querySelectorAll('img, iframe, object, embed, form').length")).toBe(0);
        expect(await page.evaluate("document.scripts.length")).toBe(1);
        await page.close();
      });

  test("can be read without JavaScript", async () => {
    const { page } = await open({ blocks: 2 }, 1280, { script: false });
    expect(await page.locator(".headline").textContent()).toMatch(/^Yes, with/);
    expect(await page.locator("#layers tbody tr").count()).toBe(50);
    await page.close();
  });

  test("sorts by the exact value with what is not finite on top, and filters by words", async () => {
    const { page } = await open({ blocks: 2 }, 1280);
    const head = page.locator("#layers thead button", { hasText: "isolated" });
    await head.click();
    const column = async () =>
      (await page.locator("#layers tbody tr:not([hidden]) td:nth-child(4)").allTextContents()).map((t) => t.trim());
    const descending = await column();
    expect(descending[0]).toBe("not finite");
    const numbers = descending.map(Number).filter((n) => !Number.isNaN(n));
    expect(numbers).toEqual(numbers.toSorted((a, b) => b - a));
    expect(await head.locator("xpath=..").getAttribute("aria-sort")).toBe("descending");
    await head.click();
    expect((await column()).at(-1)).toBe("not finite");
    await page.locator("#layers input").fill("layer.1 softmax");
    expect(await column()).toHaveLength(1);
    await page.close();
  });

  test("prints with everything unfolded and no table cut off", async () => {
    const { page } = await open({ blocks: 1 }, 1280);
    await page.emulateMedia({ media: "print" });
    await page.evaluate("dispatchEvent(new Event('beforeprint'))");
    expect(await page.evaluate("document.querySelectorAll('details:not([open])').length")).toBe(0);
    expect((await page.pdf({ format: "A4" })).length).toBeGreaterThan(20_000);
    await page.close();
  });
});
