import type { AdaptiveSweep, NoiseFloor, OutputFigures, Sensitivity } from "@halfscope/core";
import { count, countCell, exactly, nameOf, numberCell, percent, plural } from "../format.js";
import { html, type Markup, type Renderable } from "../markup.js";
import { sentence, shortName } from "../names.js";
import type { View } from "../view.js";
import { numeric, table, text } from "./section.js";

/** What the numbers of a sweep rest on: how outputs were judged, on how many samples, what is noise, and what was not measured alone. */
export function judgedFacts(v: View, s: Sensitivity): Markup {
  const facts = [metric(s), padding(s), samples(s), noise(v, s), s.adaptive && adaptive(s.adaptive)].filter((f) => f !== undefined);
  return html`${facts.length > 0 && html`<ul class="small">${facts.map((f) => html`<li>${f}</li>`)}</ul>`}`;
}

function metric({ judgement, metric }: Sensitivity): Renderable | undefined {
  if (judgement?.figure !== "metric") return undefined;
  return html`The tolerance judges the number that <code>${shortName(judgement.metric?.path ?? "the user's module", 120)}</code> gives${metric !== undefined && html`: ${exactly(metric)} with all roundings together`}. Costs of layers are relative L2 all the same: they add up.`;
}

function padding({ judgement }: Sensitivity): Renderable | undefined {
  const found = judgement?.padding;
  if (found === undefined) return undefined;
  if (found.kept) return "Padded positions were judged like all others, as asked.";
  const masks = found.masks.map(
    (m, i) =>
      html`${i > 0 && "; "}${nameOf(m.input, 56)} leaves out ${count(m.leftOut)} of ${plural(m.of, "position")} of ${m.outputs.slice(0, 5).map((o, k) => html`${k > 0 && ", "}${nameOf(o, 56)}`)}`,
  );
  return html`Padded positions have no say: ${masks} (<span title="${sentence(found.rule)}">the rule</span>).`;
}

const samples = (s: Sensitivity): Renderable | undefined =>
  s.samples !== undefined && s.samples > 1
    ? `Swept on ${count(s.samples)} samples: every cost is the root of the mean square over them.`
    : undefined;

function noise(v: View, s: Sensitivity): Renderable | undefined {
  const found: NoiseFloor | undefined = s.noise;
  if (found === undefined) return undefined;
  const floor = found.perOutput.reduce((a, b) => Math.max(a, b), 0);
  const repeats =
    found.perturbations > 0
      ? `${plural(found.perturbations, "run")} ${found.relative === undefined ? "without a rounding that costs next to nothing, so that all behind it fall anew" : "with inputs moved by a millionth at most"}`
      : `the spread over ${plural(found.samples, "sample")}`;
  return html`Noise floor ${exactly(floor)}, from ${repeats}: ${plural(found.below, "group")} of ${count(s.sites.length)} cost${found.below === 1 && "s"} less. That such a one alone is in FP32 or in ${v.word} shows in no measurement of the outputs; many of them together may.`;
}

const adaptive = (a: AdaptiveSweep): Renderable =>
  html`Swept in ${plural(a.sets.length, "set")} first, and ${count(a.sets.filter((set) => set.opened).length)} of them opened: ${plural(a.estimated, "group")} of roundings ${a.estimated === 1 ? "was" : "were"} not measured alone, together ${percent(a.estimatedShare)} of the squared error. Measured over predicted, of the whole from its sets: ${exactly(a.additivity.blocks)}.`;

/** The whole candidate's outputs on the first sample, by every figure. */
export function figuresOf(v: View, s: Sensitivity): Markup | false {
  const found = Object.entries(s.figures ?? {});
  if (found.length === 0) return false;
  const classes = found.some(([, f]) => f.classes !== undefined);
  const head = [
    text("output"),
    numeric("relative L2"),
    numeric("largest"),
    numeric("mean"),
    numeric("cosine"),
    ...(classes
      ? [
          numeric("same class", "share of the decisions whose highest class stays the same"),
          numeric("divergence", "mean Kullback-Leibler divergence from the reference, in nats"),
        ]
      : []),
    numeric("elements"),
  ];
  const rule = s.judgement?.classRule;
  return html`<h3>The final outputs with all roundings together</h3>${table(
    head,
    found.slice(0, 100).map(([name, f]) => row(name, f, classes)),
  )}${classes && rule !== undefined && html`<p class="small">Read as classes: ${sentence(rule)}. On the first sample, every layer in ${v.word}${s.basePins.length > 0 && " but those that had to be pinned"}.</p>`}`;
}

function row(name: string, f: OutputFigures, classes: boolean): Markup {
  const { top1Agreement, klDivergence } = f.classes ?? {};
  const cosine = f.nonFinite > 0 ? undefined : f.cosine;
  return html`<tr><td>${nameOf(name, 64)}</td>${numberCell(f.relativeL2)}${numberCell(f.maxAbs)}${numberCell(f.meanAbs)}${numberCell(cosine, cosine === undefined ? undefined : cosine.toFixed(6))}${classes && html`${numberCell(top1Agreement, top1Agreement === undefined ? undefined : percent(top1Agreement))}${numberCell(klDivergence)}`}${countCell(f.count)}</tr>`;
}
