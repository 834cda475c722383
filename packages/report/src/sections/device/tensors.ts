import { type DeviceTensor, finitePairs, meanAbs, relativeL2 } from "@halfscope/core";
import { type AgreementPoint, agreementCharts } from "../../charts/agreement.js";
import type { DeviceView } from "../../device/device-view.js";
import { count, nameOf, number, numberCell, percent, plural } from "../../format.js";
import { html, type Markup, type Renderable } from "../../markup.js";
import { shortName } from "../../names.js";
import type { View } from "../../view.js";
import { folded, numeric, quoted, table, text } from "../section.js";

const mostNamed = 8;
const mostWorst = 12;

/** A tensor's errors, sorted out: what is not finite or has no error on one side cannot be divided. */
interface Compared {
  tensor: DeviceTensor;
  measured: number;
  predicted: number;
  /** predicted / measured. */
  ratio: number;
}

/** Prediction against measurement tensor by tensor, what marking changed, and what could not be observed. */
export function tensorsOnEngine(v: View, d: DeviceView): Markup {
  const { tensors = [], agreement, notObserved = [] } = d.device;
  return html`${tensors.length > 0 && html`<h3>Inside the engine, tensor by tensor</h3>${compared(tensors, agreement?.ratio, v.word)}`}${partly(tensors)}${marking(d)}${notObserved.length > 0 && html`<h3>Tensors that could not be observed</h3>${unobserved(notObserved)}`}`;
}

function compared(tensors: readonly DeviceTensor[], ratio: { p5: number; p95: number } | undefined, word: string): Markup {
  const broken = tensors.filter((t) => t.measured.nonFiniteMismatch > 0);
  const pairs = tensors.flatMap((tensor): Compared[] => {
    if (tensor.predicted === undefined || tensor.measured.nonFiniteMismatch > 0) return [];
    const measured = meanAbs(tensor.measured);
    const predicted = tensor.predicted.meanAbs;
    return isPositive(measured) && isPositive(predicted) ? [{ tensor, measured, predicted, ratio: predicted / measured }] : [];
  });
  const off = (c: Compared) => Math.abs(Math.log(c.ratio));
  const furthest = pairs.toSorted((a, b) => off(b) - off(a)).slice(0, mostNamed);
  const marks = new Map(furthest.map((c, i) => [c.tensor, String(i + 1)]));
  const { shown, beyond } = chartable(pairs);
  const points = shown.map(
    (c): AgreementPoint => ({
      measured: c.measured,
      predicted: c.predicted,
      mark: marks.get(c.tensor),
      title: `${shortName(c.tensor.tensor, 80)}: ${number(c.measured)} on the engine, ${number(c.predicted)} predicted`,
    }),
  );
  const oneSided = tensors.filter(
    (t) => t.predicted !== undefined && t.measured.nonFiniteMismatch === 0 && t.predicted.meanAbs > 0 !== meanAbs(t.measured) > 0,
  );
  const exact = tensors.filter((t) => t.measured.nonFiniteMismatch === 0 && t.measured.maxAbs === 0).length;
  const predictedBroken = tensors.filter((t) => t.predicted !== undefined && !Number.isFinite(t.predicted.meanAbs)).length;
  const unpredicted = tensors.filter((t) => t.predicted === undefined).length;
  const some = tensors.filter((t) => t.coverage !== undefined).length;
  const facts = [
    `${plural(tensors.length, "tensor")} of the engine with every layer in ${word} ${tensors.length === 1 ? "was" : "were"} observed`,
    `${count(exact)} exact`,
    ...(unpredicted > 0 ? [`${count(unpredicted)} without a prediction`] : []),
    ...(predictedBroken > 0 ? [`${count(predictedBroken)} predicted not to be finite`] : []),
    ...(some > 0 ? [`${count(some)} compared in some of the samples only`] : []),
    ...(oneSided.length > 0 ? [`${count(oneSided.length)} with an error on one side only`] : []),
  ].join(", ");
  return html`<p>${facts}${broken.length > 0 && html`, <strong class="alarm">${count(broken.length)} not finite</strong>`}.</p>${agreementCharts(points, ratio && [ratio.p5, ratio.p95])}${beyond.length > 0 && html`<p class="small">Not in the charts: ${plural(beyond.length, "tensor")} with mean errors from ${number(Math.min(...beyond.map((c) => c.measured)))} on, such as ${nameOf(beyond[0]?.tensor.tensor ?? "", 64)}; a mask constant beyond the range that was clamped looks like that.</p>`}${furthest.length > 0 && html`<h4>Where prediction and engine differ most</h4>${tensorTable(furthest.map((c, i) => ({ tensor: c.tensor, mark: String(i + 1) })))}`}<h4>Largest errors on the engine</h4>${worst(tensors)}${oneSided.length > 0 && html`<details><summary>${plural(oneSided.length, "tensor")} with an error on one side only</summary>${tensorTable(oneSided.slice(0, 200).map((tensor) => ({ tensor })))}</details>`}`;
}

/** Errors so far above all others that a chart of them would show nothing else. */
const farBeyond = 1e4;

function chartable(pairs: readonly Compared[]): { shown: readonly Compared[]; beyond: readonly Compared[] } {
  const sorted = pairs.map((c) => c.measured).sort((a, b) => a - b);
  const limit = farBeyond * (sorted[Math.floor(0.9 * sorted.length)] ?? 0);
  return { shown: pairs.filter((c) => c.measured <= limit), beyond: pairs.filter((c) => c.measured > limit) };
}

const isPositive = (n: number): boolean => Number.isFinite(n) && n > 0;

/** What is not finite first, then by relative L2. */
function worst(tensors: readonly DeviceTensor[]): Markup {
  const size = (t: DeviceTensor) => {
    const error = relativeL2(t.measured);
    return t.measured.nonFiniteMismatch > 0 || Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
  };
  const sorted = tensors
    .map((tensor) => ({ tensor, size: size(tensor) }))
    .toSorted((a, b) => (a.size === b.size ? 0 : b.size > a.size ? 1 : -1));
  return folded(sorted.slice(0, 200), mostWorst, "By error on the engine", (part) => tensorTable(part));
}

function tensorTable(list: readonly { tensor: DeviceTensor; mark?: string }[]): Markup {
  const numbered = list.some((t) => t.mark !== undefined);
  const head = [
    ...(numbered ? [numeric("no.", "in the chart")] : []),
    text("tensor"),
    numeric("relative L2", "on the engine"),
    numeric("predicted"),
    numeric("mean error", "on the engine"),
    numeric("predicted"),
    numeric("predicted / measured", "of the mean error"),
    numeric("band", "mean error over the kernels that the library may choose"),
  ];
  return table(
    head,
    list.map(({ tensor, mark }) => tensorRow(tensor, numbered && html`<td class="n">${mark}</td>`)),
  );
}

function tensorRow(t: DeviceTensor, first: Renderable): Markup {
  const { measured: m, predicted: p } = t;
  const some = finitePairs(m) > 0;
  const ratio = p === undefined || !some ? undefined : p.meanAbs / meanAbs(m);
  const errors =
    m.nonFiniteMismatch > 0
      ? html`<td class="n alarm" title="${m.nonFiniteMismatch} of ${m.count} elements">not finite</td>`
      : numberCell(relativeL2(m));
  const band = p?.band === undefined ? undefined : `${number(p.band[0])} … ${number(p.band[1])}`;
  return html`<tr>${first}<td>${nameOf(t.tensor, 64)}<br><span class="small">${nameOf(t.layer, 64)}${t.coverage !== undefined && `, ${count(t.coverage.compared)} of ${plural(t.coverage.of, "sample")}`}</span></td>${errors}${numberCell(p?.relativeL2)}${numberCell(some ? meanAbs(m) : undefined)}${numberCell(p?.meanAbs)}${numberCell(ratio !== undefined && Number.isFinite(ratio) ? ratio : undefined)}<td class="n">${band ?? "–"}</td></tr>`;
}

/** Beyond, marked tensors speak of another engine than the one that serves. */
const muchOther = 1.25;

function marking({ device }: DeviceView): Markup | false {
  const changes = device.marking ?? [];
  if (changes.length === 0) return false;
  const factor = (c: (typeof changes)[number]) => {
    if (!Number.isFinite(c.markedError) || !Number.isFinite(c.unmarkedError))
      return c.markedError === c.unmarkedError ? 1 : Number.POSITIVE_INFINITY;
    if (c.markedError === c.unmarkedError) return 1;
    const ratio = c.markedError / c.unmarkedError;
    return Math.max(ratio, 1 / ratio);
  };
  const most = Math.max(...changes.map(factor));
  const rows = changes.slice(0, 200).map((c) => {
    const loud = factor(c) > muchOther;
    return html`<tr><td>${nameOf(c.output, 64)}</td>${numberCell(c.difference.maxAbs)}${numberCell(finitePairs(c.difference) > 0 ? meanAbs(c.difference) : undefined)}${numberCell(c.markedError)}${numberCell(c.unmarkedError)}<td>${loud ? html`<strong class="alarm">another engine</strong>` : "alike"}</td></tr>`;
  });
  return html`<h3>What observing changed</h3><p>Tensors are observed by marking them as outputs, which changes what the engine fuses. ${
    most > muchOther
      ? html`<strong class="alarm">The errors of the final outputs with and without marked tensors lie ${Number.isFinite(most) ? `a factor of ${number(most)}` : "infinitely far"} apart: the figures of tensors above tell of the marked engine, not of the one that serves.</strong>`
      : `The errors of the final outputs with and without marked tensors lie ${percent(most - 1)} apart at most: the figures of tensors above tell of the engine that serves too.`
  }</p>${table(
    [
      text("output"),
      numeric("largest difference", "marked against unmarked engine"),
      numeric("mean difference"),
      numeric("error, marked"),
      numeric("error, unmarked"),
      text("verdict"),
    ],
    rows,
  )}`;
}

/** Figures of these tell of fewer samples than the others'. */
function partly(tensors: readonly DeviceTensor[]): Markup | false {
  const some = tensors.flatMap(({ tensor, coverage: c }) =>
    c === undefined ? [] : [{ tensor, reason: `compared in ${count(c.compared)} of ${plural(c.of, "sample")}: ${c.reason}` }],
  );
  return some.length > 0 && html`<h3>Tensors that were compared in some samples only</h3>${unobserved(some)}`;
}

function unobserved(list: readonly { tensor: string; reason: string }[]): Markup {
  const groups = new Map<string, string[]>();
  for (const { tensor, reason } of list) {
    const known = groups.get(reason);
    if (known === undefined) groups.set(reason, [tensor]);
    else known.push(tensor);
  }
  const rows = [...groups]
    .toSorted((a, b) => b[1].length - a[1].length)
    .slice(0, 50)
    .map(
      ([reason, tensors]) =>
        html`<tr><td class="prose">${quoted(reason)}</td>${numberCell(tensors.length, count(tensors.length))}<td class="prose"><span>${tensors.slice(0, 4).map((t, i) => html`${i > 0 && ", "}${nameOf(t, 56)}`)}</span>${tensors.length > 4 && ` and ${count(tensors.length - 4)} more`}</td></tr>`,
    );
  return table([text("reason"), numeric("tensors"), text("for instance")], rows);
}
