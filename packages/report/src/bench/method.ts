import type { BenchDocument, BenchEngine } from "@halfscope/core";
import { bytes, nameOf, number, plural, seconds } from "../format.js";
import { html, type Markup, type Renderable } from "../markup.js";
import { sentence, shortName } from "../names.js";
import { folded, quoted, type Section, table, text } from "../sections/section.js";
import { clocksText } from "./clocks-text.js";

/** What was run, on what, with which requests. */
export function methodOfBench(d: BenchDocument): Section {
  return {
    id: "method",
    title: "How was it measured?",
    intro: "What served, what was sent, and what is known of the machine: times are worth as much as the quiet they were taken in.",
    body: html`${d.warnings.length > 0 && html`<h3>Warnings</h3><ul>${d.warnings.slice(0, 100).map((w) => html`<li class="loud">${quoted(w)}</li>`)}</ul>`}<h3>Notes</h3><ul>${d.notes.slice(0, 100).map((n) => html`<li>${quoted(n)}</li>`)}</ul><div class="columns">${serving(d)}${machine(d)}</div>${d.engines.map(engine)}<h3>Requests</h3>${requests(d)}`,
  };
}

const facts = (title: string, rows: readonly (readonly [string, Renderable])[]): Markup =>
  html`<div><h3>${title}</h3><dl>${rows.map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}</dl></div>`;

function serving({ environment: e, options: o }: BenchDocument): Markup {
  return facts("Serving", [
    ["library", `${shortName(e.library, 80)} ${shortName(e.version, 40)}`],
    ["GPU", e.gpu === undefined ? "none" : shortName(e.gpu, 80)],
    ...(e.driver === undefined ? [] : [["driver", shortName(e.driver, 40)] as const]),
    ...(e.computeCapability === undefined ? [] : [["compute capability", shortName(e.computeCapability, 20)] as const]),
    ["FP16 arithmetic", e.capabilities.realHalf ? "real" : "none: FP16 operators compute in FP32"],
    ["contexts", o.contexts.join(", ")],
    ...(o.threads === undefined ? [] : [["threads in an operator", String(o.threads)] as const]),
    ...Object.entries(o.build ?? {})
      .slice(0, 50)
      .map(([name, value]) => [shortName(name, 60), shortName(String(value), 80)] as const),
    ...(o.profiles?.length
      ? [["profiles", html`${o.profiles.slice(0, 20).map((p) => html`<code>${shortName(p, 200)}</code> `)}`] as const]
      : []),
  ]);
}

function machine({ machine: m, halfscope, clocks }: BenchDocument): Markup {
  return facts("Machine", [
    ["processor", `${m.processor === "" ? "not stated" : shortName(m.processor, 80)}, ${plural(m.cores, "core")}`],
    ["memory", bytes(m.memoryBytes)],
    ...(m.instructionSet === undefined ? [] : [["kernels of halfscope", shortName(m.instructionSet, 40)] as const]),
    [
      "load",
      m.load === undefined
        ? "not told by the system"
        : `${number(m.load[0])} before, ${number(m.load[1])} after (processes, mean of a minute)`,
    ],
    [
      "clocks",
      `${shortName(clocksText(clocks), 300)}${clocks?.before === undefined && clocks?.after === undefined ? "; the drift between rounds tells what they did" : ""}`,
    ],
    ["system", `${shortName(m.platform, 40)}, Node ${shortName(m.node, 40)}, halfscope ${shortName(halfscope, 40)}`],
  ]);
}

function engine(e: BenchEngine): Markup {
  const { pins = [] } = e;
  const file = e.path === undefined ? "made for the measurement" : nameOf(e.path, 200);
  const typing = { full: "FP32, TF32 off", typed: "types as the file states them", weak: "weakly typed: a flag and constraints per layer" }[
    e.typing
  ];
  const said = e.messages.filter((m) => m.severity !== "info").slice(0, 200);
  const rows: (readonly [string, Renderable])[] = [
    ["engine", shortName(e.title, 120)],
    ["file", html`${file}, ${bytes(e.sizeBytes)}`],
    ["digest", html`<code>${shortName(e.digest, 16)}</code>`],
    ["precision", typing],
    ["built in", seconds(e.buildSeconds)],
    ...(e.planBytes === undefined ? [] : [["engine's size", bytes(e.planBytes)] as const]),
    ...(pins.length === 0
      ? []
      : [
          [
            "in FP32",
            html`${pins.slice(0, 20).map((p) => html`${nameOf(p, 80)} `)}${pins.length > 20 && `and ${pins.length - 20} more`}`,
          ] as const,
        ]),
    ...(e.placement ?? []).map((p) => [`nodes on ${shortName(p.provider, 60)}`, String(p.nodes)] as const),
  ];
  const messages =
    said.length > 0 &&
    folded(said, 3, "Messages of the library", (part) =>
      table(
        [text("severity"), text("message")],
        part.map(
          (m) =>
            html`<tr><td>${m.severity}</td><td class="prose"><bdi>${sentence(m.text)}</bdi>${m.count > 1 && ` (${m.count} times)`}</td></tr>`,
        ),
      ),
    );
  return html`${facts(e.role === "reference" ? "Reference" : "Candidate", rows)}${messages}`;
}

function requests(d: BenchDocument): Markup {
  const shapes = d.shapes
    .slice(0, 100)
    .map(
      (s) =>
        html`<tr><td>${shortName(s.name, 80)}</td><td class="n">${s.requests}</td><td class="prose">${Object.entries(s.inputs).map(([name, dims]) => html`${nameOf(name, 64)} ${dims.length === 0 ? "scalar" : dims.join(" × ")} `)}</td></tr>`,
    );
  const head = [text("shape"), { label: "different requests", numeric: true }, text("inputs of one")];
  return html`${table(head, shapes)}${table(
    [text("first request"), text("type"), text("shape"), text("where the values came from")],
    d.feeds
      .slice(0, 200)
      .map(
        (f) =>
          html`<tr><td>${nameOf(f.name, 64)}</td><td>${f.dtype}</td><td>${f.dims.length === 0 ? "scalar" : f.dims.join(" × ")}</td><td class="prose"><bdi>${sentence(f.origin)}</bdi></td></tr>`,
      ),
  )}`;
}
