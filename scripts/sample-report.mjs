#!/usr/bin/env node
/**
 * Renews the committed sample in reports/bert-large-sample/ from the demo's results: run `npm run demo` and then `node scripts/sample-report.mjs`. The page is
 * rendered anew with the model's path made relative to the checkout; the picture needs Debian's chromium.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { decodeJson } from "@halfscope/core";
import { renderHtml } from "@halfscope/report";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("..", import.meta.url));
const sample = join(root, "reports/bert-large-sample");
const result = decodeJson(readFileSync(join(root, "reports/bert-large/result.json"), "utf8"));
const page = join(sample, "report.html");
mkdirSync(sample, { recursive: true });
writeFileSync(page, renderHtml({ ...result, model: { ...result.model, path: relative(root, result.model.path) } }));
writeFileSync(
  join(sample, "README.md"),
  "The report of `npm run demo`: BERT-large with three planted faults. Made with `npm run demo && node scripts/sample-report.mjs`.\n",
);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const tab = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
await tab.goto(pathToFileURL(page).href);
await tab.screenshot({ path: join(sample, "report.png") });
await browser.close();
