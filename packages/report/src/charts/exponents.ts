import { exponentBias, exponentBins, type Measurements } from "@halfscope/core";
import { scaleLinear } from "d3-scale";
import { count } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { at, figure } from "./axis.js";

const frame = { width: 960, height: 190, left: 24, right: 24, top: 30, bottom: 34 };
/** Binary exponents of FP16: subnormal numbers from -24, normal ones from -14, the last is 15. */
const fp16 = { subnormal: -24, normal: -14, last: 15 } as const;

/** Where the reference's values lie, by binary exponent, over all measured tensors, against the range of FP16. Counts are drawn by their square root so that rare large values show. */
export function exponentChart(m: Measurements): Markup {
  const bins = Array.from({ length: exponentBins }, () => 0);
  for (const { stats } of m.tensors) for (const [i, n] of stats.exponents.entries()) bins[i] = (bins[i] ?? 0) + n;
  // Bin 0 holds zeros, which FP16 represents exactly.
  const filled = bins.flatMap((n, i) => (i > 0 && n > 0 ? [i] : []));
  const first = Math.min(filled[0] ?? exponentBins, fp16.subnormal - 4 + exponentBias);
  const last = Math.max(filled.at(-1) ?? 0, fp16.last + 4 + exponentBias);
  if (filled.length === 0) return nothing;
  const bottom = frame.height - frame.bottom;
  const x = scaleLinear([first, last + 1], [frame.left, frame.width - frame.right]);
  const y = scaleLinear([0, Math.sqrt(Math.max(...bins.slice(1)))], [bottom, frame.top + 14]);
  const edge = (exponent: number) => x(exponent + exponentBias);
  const zone = (from: number, to: number, kind: string, label: string) =>
    html`<rect class="${kind}" x="${at(from)}" y="${frame.top}" width="${at(to - from)}" height="${bottom - frame.top}"/><text class="tick" x="${at((from + to) / 2)}" y="${frame.top - 8}" text-anchor="middle">${label}</text>`;
  const beyond = bins.slice(fp16.last + 1 + exponentBias).reduce((a, b) => a + b, 0);
  const below = bins.slice(1, fp16.subnormal + exponentBias).reduce((a, b) => a + b, 0);
  const tiny = bins.slice(fp16.subnormal + exponentBias, fp16.normal + exponentBias).reduce((a, b) => a + b, 0);
  const content = html`${zone(edge(fp16.normal), edge(fp16.last + 1), "good-zone", "FP16, full precision")}${zone(edge(fp16.subnormal), edge(fp16.normal), "weak-zone", "FP16, reduced precision")}${html`<text class="tick" x="${at((edge(fp16.last + 1) + frame.width - frame.right) / 2)}" y="${frame.top - 8}" text-anchor="middle">overflow</text>`}${html`<text class="tick" x="${at((edge(fp16.subnormal) + frame.left) / 2)}" y="${frame.top - 8}" text-anchor="middle">becomes 0</text>`}${filled.map((i) => html`<rect class="${i - exponentBias > fp16.last ? "bar-alarm-fill" : "bar-one"}" x="${at(x(i) + 1)}" y="${at(y(Math.sqrt(bins[i] ?? 0)))}" width="${at(x(i + 1) - x(i) - 2)}" height="${at(bottom - y(Math.sqrt(bins[i] ?? 0)))}"><title>2^${i - exponentBias}: ${count(bins[i] ?? 0)} values</title></rect>`)}${[-24, -14, -4, 0, 6, 16].map((e) => html`<text class="tick" x="${at(edge(e))}" y="${bottom + 15}" text-anchor="middle">2${superscript(e)}</text>`)}`;
  return figure(
    frame,
    `Binary exponents of the reference's values: ${count(beyond)} beyond FP16, ${count(tiny)} of reduced precision, ${count(below)} too small`,
    content,
    html`Magnitudes of all values that the reference computes, by power of two; heights are square roots of counts. Beyond 65504: ${count(beyond)} values. Of reduced precision in FP16: ${count(tiny)}. Too small for it: ${count(below)}.`,
  );
}

const superscript = (e: number): Markup => html`<tspan dy="-4" font-size="8">${e}</tspan>`;
