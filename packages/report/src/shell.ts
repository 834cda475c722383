import { createHash } from "node:crypto";
import { basename, dirname } from "node:path/posix";
import { clientScript } from "./client-script.js";
import { html, type Markup, type Renderable, trusted } from "./markup.js";
import { shortName } from "./names.js";
import type { Section } from "./sections/section.js";
import { styleSheet } from "./theme.js";

export interface PageParts {
  /** Of the browser's tab. */
  title: string;
  /** Version of halfscope that measured. */
  version: string;
  /** Above the heading: what kind of page it is. */
  over: Renderable;
  heading: Renderable;
  /** Below it. */
  facts: Renderable;
  sections: readonly Section[];
  footer: Markup;
}

/**
 * A page that needs nothing else: no network, no file beside it. Names from models are untrusted; they are escaped, and a content security policy by hash
 * forbids every script, style and request but the page's own, should one slip through.
 */
export function renderPage(p: PageParts): string {
  return `<!doctype html>\n${
    html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="halfscope ${shortName(p.version, 40)}">
<link rel="icon" href="data:,">
<title>${p.title}</title>
<style>${trusted(styleSheet)}</style>
</head>
<body>
<div class="page">
<header>
<p class="over">${p.over}</p>
<h1>${p.heading}</h1>
<p class="small">${p.facts}</p>
<nav aria-label="Contents"><ol>${p.sections.map((s) => html`<li><a href="#${s.id}">${s.title}</a></li>`)}</ol></nav>
</header>
<main>
${p.sections.map(renderSection)}
</main>
${p.footer}
</div>
<script>${trusted(clientScript)}</script>
</body>
</html>
`.text
  }`;
}

const renderSection = (s: Section): Markup => html`<section id="${s.id}">
<h2>${s.title}</h2>
<p class="intro">${s.intro}</p>
${s.body}
</section>
`;

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const policy = `default-src 'none'; style-src ${hashOf(styleSheet)}; script-src ${hashOf(clientScript)}; img-src data:; base-uri 'none'; form-action 'none'`;

/** The file's name; with its folder where the name says nothing. */
export function fileName(path: string): string {
  const slashes = path.replaceAll("\\", "/");
  const name = basename(slashes) || path;
  const folder = basename(dirname(slashes));
  return /^(model|graph|network)\.onnx$/i.test(name) && /\w/.test(folder) ? `${folder}/${name}` : name;
}
