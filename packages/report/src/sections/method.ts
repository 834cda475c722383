import type { FeedSummary, Measurements, ResultDocument, TensorStatus } from "@halfscope/core";
import { bytes, count, countCell, millions, nameOf, number, plural, seconds } from "../format.js";
import { html, type Markup, type Renderable } from "../markup.js";
import { longName, sentence, shortName } from "../names.js";
import { rangeEnd, type View } from "../view.js";
import { folded, notMeasured, numeric, quoted, type Section, table, text } from "./section.js";

export function methodSection(v: View): Section {
  const { result } = v;
  return {
    id: "method",
    title: "How was it measured?",
    intro: "What was run, on what, and what could not be compared: figures are worth as much as the inputs behind them.",
    body: html`${result.warnings.length > 0 && html`<h3>Warnings</h3><ul>${result.warnings.slice(0, 200).map((w) => html`<li class="loud">${quoted(w)}</li>`)}</ul>`}<div class="columns">${model(v)}${run(v)}</div>${result.options.profile !== undefined && html`<h3>Engine</h3>${profile(result.options.profile)}`}<h3>Inputs</h3>${feeds(result.feeds)}<h3>Coverage</h3>${coverage(v)}`,
  };
}

const facts = (title: string, rows: readonly (readonly [string, Renderable])[]): Markup =>
  html`<div><h3>${title}</h3><dl>${rows.map(([term, value]) => html`<dt>${term}</dt><dd>${value}</dd>`)}</dl></div>`;

function model(v: View): Markup {
  const { model: m } = v.result;
  return facts("Model", [
    ["file", nameOf(m.path, 200)],
    ["size", bytes(m.sizeBytes)],
    ["parameters", millions(m.parameters)],
    ["graph", `${plural(m.nodes, "node")} in ${plural(v.result.layers.length, "layer")}`],
    ["written by", m.producer === "" ? "not stated" : html`<bdi>${shortName(m.producer)}</bdi>`],
    [
      "operator sets",
      Object.entries(m.opsets)
        .slice(0, 20)
        .map(([domain, version]) => `${shortName(domain === "" ? "ai.onnx" : domain, 40)} ${version}`)
        .join(", "),
    ],
    ["digest", html`<code title="${longName(m.digest)}">${m.digest.slice(0, 16)}</code>`],
  ]);
}

function run(v: View): Markup {
  const { options: o, environment: e, timings, sensitivity: s } = v.result;
  const steps = Object.entries(timings).slice(0, 20);
  // A field of the sweep itself in files of earlier versions.
  const passes = s?.barePassesPerCandidate ?? (timings["sweep candidate"] ?? Number.NaN) / (timings["bare pass"] ?? Number.NaN);
  const perCandidate = Number.isFinite(passes) && `, ${number(passes)} bare passes each`;
  return facts("Run", [
    ["candidate", candidateWords(o)],
    ["samples", `${count(o.samples)}, seed ${o.seed}`],
    ["provider", shortName(e.provider)],
    ["machine", `${shortName(e.platform)}, ${plural(e.cores, "core")}, ${plural(o.threads, "thread")}, ${shortName(e.instructionSet)}`],
    ["versions", `halfscope ${shortName(e.halfscope)}, ONNX Runtime ${shortName(e.onnxruntime)}, Node ${shortName(e.node)}`],
    ...(s === undefined
      ? []
      : [["sweep", html`${plural(s.candidates, "candidate")} in ${plural(s.sites.length, "group")} of roundings${perCandidate}`] as const]),
    ...(steps.length === 0 ? [] : [["time", steps.map(([name, t]) => `${shortName(name, 30)} ${seconds(t)}`).join(", ")] as const]),
  ]);
}

const sumWords: Readonly<Record<string, string>> = {
  float32: "sums in FP32",
  float16: "sums products in FP16",
  "float16-exact": "sums products in FP16, exact to the bit",
  "tensor-core": "sums products in FP32 as tensor cores cut it",
};

function candidateWords(o: ResultDocument["options"]): string {
  const changed = o.likeChanges === undefined ? "" : ", with parts set by hand";
  const node = o.granularity === "node" ? "ONNX node" : o.granularity;
  return `behaves like ${shortName(o.like)}${changed}: rounds at every ${node}, ${sumWords[o.accumulation] ?? shortName(o.accumulation)}`;
}

/** What the engine's name stands for. */
function profile(entries: NonNullable<ResultDocument["options"]["profile"]>): Markup {
  return folded(
    entries.slice(0, 50),
    0,
    "What the candidate takes over from that engine, and on what evidence",
    (part) =>
      html`${table(
        [text("part"), text("taken as"), text("evidence")],
        part.map(
          (e) =>
            html`<tr><td>${shortName(e.part, 80)}</td><td class="prose">${sentence(e.value)}</td><td class="prose">${sentence(e.evidence)}</td></tr>`,
        ),
      )}`,
  );
}

function feeds(samples: readonly (readonly FeedSummary[])[]): Markup {
  if (samples.length === 0) return html`<p class="missing">No inputs were fed.</p>`;
  return folded(
    samples.map((feed, i) => ({ feed, i })).slice(0, 100),
    1,
    "Samples",
    (part) =>
      html`${part.map(({ feed, i }) =>
        table(
          [text(`sample ${i + 1}`), text("type"), text("shape"), text("where the values came from")],
          feed.map(
            (f) =>
              html`<tr><td>${nameOf(f.name, 64)}</td><td>${f.dtype}</td><td>${f.dims.length === 0 ? "scalar" : f.dims.join(" × ")}</td><td class="prose"><bdi>${sentence(f.origin)}</bdi></td></tr>`,
          ),
        ),
      )}`,
  );
}

const statusWords: Readonly<Record<TensorStatus, string>> = {
  compared: "compared",
  "not-float": "not float",
  constant: "constant",
  "not-executed": "not executed",
  "not-supported": "not supported",
};

function coverage(v: View): Markup {
  const measured = [v.result.isolated, v.result.accumulated].filter((m): m is Measurements => m !== undefined);
  if (measured.length === 0) return notMeasured("No tensor", v.commands.compare);
  const statuses = Object.keys(statusWords) as TensorStatus[];
  const rows = measured.map(
    (m) =>
      html`<tr><td>${m.mode}</td>${statuses.map((s) => countCell(m.coverage[s] ?? 0))}${countCell(statuses.reduce((n, s) => n + (m.coverage[s] ?? 0), 0))}<td>${m.constants === "overflow" ? "become infinite (plain cast)" : "stay finite"}</td></tr>`,
  );
  const unsupported = new Map(measured.flatMap((m) => m.notSupported.map((n) => [n.tensor, n.reason] as const)));
  return html`<p>Every tensor of the model is in exactly one column.</p>${table([text("mode"), ...statuses.map((s) => numeric(statusWords[s])), numeric("all"), text(`constants beyond ${rangeEnd[v.word]}`)], rows)}${
    unsupported.size > 0 &&
    folded([...unsupported].slice(0, 1000), 10, "Not supported", (part) =>
      table(
        [text("not supported"), text("reason")],
        part.map(([tensor, reason]) => html`<tr><td>${nameOf(tensor, 64)}</td><td class="prose">${quoted(reason)}</td></tr>`),
      ),
    )
  }`;
}
