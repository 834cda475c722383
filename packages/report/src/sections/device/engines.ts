import type { EngineRecord, EngineRole } from "@halfscope/core";
import { finitePairs, meanAbs, relativeL2 } from "@halfscope/core";
import { type FrontPoint, latencyFrontChart } from "../../charts/latency-front.js";
import { hasFusedAttentions } from "../../device/attention-price.js";
import { type DeviceView, outcomeOf, samePins } from "../../device/device-view.js";
import { milliseconds, outcomeWords, pinsWords, roleWords, typingWords } from "../../device/device-words.js";
import { bytes, count, countCell, nameOf, number, numberCell, percent, plural, seconds } from "../../format.js";
import { html, type Markup } from "../../markup.js";
import { sentence, shorten } from "../../names.js";
import type { View } from "../../view.js";
import { folded, numeric, table, text } from "../section.js";

const mostEngines = 200;

/** Chart of error against latency, and every engine that was built. */
export function engines(v: View, d: DeviceView): Markup {
  const all = d.device.engines.slice(0, mostEngines);
  const attentions = hasFusedAttentions(all);
  const head = [
    text("engine"),
    numeric("error", "relative L2 of the worst final output against the FP32 engine, worst over samples"),
    text(`tolerance ${number(d.tolerance)}`),
    numeric("median", "latency of a request"),
    numeric("95 %", "95 of 100 requests are at least as quick"),
    numeric(`time in ${v.word}`, `share of the profiled time in engine layers that compute in ${v.word}`),
    ...(attentions ? [numeric("fused attentions", "attentions that one kernel computes as a whole; a pin inside takes them apart")] : []),
    numeric("pins"),
    numeric("observed", "tensors given out besides the model's outputs: observing changes fusion, error and latency"),
    numeric("build"),
    numeric("plan", "size of the serialised engine"),
  ];
  return html`${latencyFrontChart(frontPoints(v, d), d.tolerance, v.word)}<h3>Engines</h3>${
    all.length === 0
      ? html`<p class="missing">No engine was built.</p>`
      : folded(all, 12, "Engines", (part) =>
          table(
            head,
            part.map((e) => row(v, d, e, attentions)),
          ),
        )
  }${failures(d)}${notCompared(all)}${all.some((e) => e.role === "guides") && html`<p class="small">Guides to FP16 advise to keep normalizations, Softmaxes and embeddings in FP32.</p>`}${latencies(all)}${outputs(all)}`;
}

function row(v: View, d: DeviceView, e: EngineRecord, attentions: boolean): Markup {
  const outcome = e.role === "reference" ? undefined : outcomeOf(e, d.tolerance);
  const verdict =
    e.failed !== undefined
      ? html`<td><strong class="alarm">not built</strong></td>`
      : outcome === undefined
        ? html`<td>${e.role === "reference" ? "reference" : "not compared"}</td>`
        : html`<td><strong class="${outcome === "within" ? "good" : "alarm"}">${outcomeWords(outcome)}</strong></td>`;
  const role = roleWords(e.role, v.word);
  const share = numberCell(e.halfTimeShare, e.halfTimeShare === undefined ? undefined : percent(e.halfTimeShare));
  const fused = attentions && numberCell(e.fusedAttentions, e.fusedAttentions === undefined ? undefined : count(e.fusedAttentions));
  const cost = html`${fused}${countCell(e.pins.length)}${countCell(e.marked)}${numberCell(e.buildSeconds, seconds(e.buildSeconds))}${numberCell(e.planBytes, e.planBytes === undefined ? undefined : bytes(e.planBytes))}`;
  return html`<tr><td><bdi>${sentence(e.title)}</bdi><br><span class="small">${role === e.title ? "" : `${role}, `}${typingWords(e.typing, d.device.environment.backend)}</span></td>${numberCell(e.role === "reference" ? undefined : e.error)}${verdict}${timeCell(e.latency?.p50)}${timeCell(e.latency?.p95)}${share}${cost}</tr>`;
}

/** Each with the library's own words: in the table they would push the figures aside. */
const failures = (d: DeviceView): Markup | false =>
  d.failures.length > 0 &&
  html`<ul class="small">${d.failures.slice(0, mostEngines).map((e) => html`<li class="alarm"><bdi>${sentence(e.title)}</bdi> ${sentence(e.failed ?? "")}</li>`)}</ul>`;

/** Outputs of which figures say nothing, or tell of fewer samples. */
function notCompared(all: readonly EngineRecord[]): Markup | false {
  const items = all.flatMap((e) =>
    (e.notCompared ?? []).map(
      (n) =>
        html`<li class="alarm"><bdi>${sentence(e.title)}</bdi>: output ${nameOf(n.output, 64)} was compared in ${count(n.compared)} of ${plural(n.of, "sample")}: ${sentence(n.reason)}</li>`,
    ),
  );
  const more = items.length - mostEngines;
  return (
    items.length > 0 && html`<ul class="small">${items.slice(0, mostEngines)}${more > 0 && html`<li>and ${count(more)} more</li>`}</ul>`
  );
}

const timeCell = (t: number | undefined): Markup => numberCell(t, t === undefined ? undefined : milliseconds(t));

/** How the latencies were come by: a median says nothing without its spread. */
function latencies(all: readonly EngineRecord[]): Markup | false {
  const timed = all.filter((e) => e.latency !== undefined);
  if (timed.length === 0) return false;
  const head = [
    text("engine"),
    numeric("requests"),
    numeric("warm-up"),
    numeric("mean"),
    numeric("median"),
    numeric("95 %"),
    numeric("99 %"),
    numeric("least"),
    numeric("most"),
    numeric("variation", "standard deviation over mean"),
    numeric("engine alone", "median between events on its stream, without copies"),
  ];
  const rows = timed.map(({ title, latency: l }) =>
    l === undefined
      ? html``
      : html`<tr><td class="prose"><bdi>${sentence(title)}</bdi></td>${countCell(l.requests)}${countCell(l.warmup)}${[l.mean, l.p50, l.p95, l.p99, l.min, l.max].map(timeCell)}${numberCell(l.variation, percent(l.variation))}${timeCell(l.deviceP50)}</tr>`,
  );
  return html`<details><summary>Latency in detail (${plural(timed.length, "engine")})</summary><p class="small">One request: inputs copied in, the engine run, outputs copied out, and waited for.</p>${table(head, rows)}</details>`;
}

function outputs(all: readonly EngineRecord[]): Markup | false {
  const rows = all.flatMap((e) =>
    Object.entries(e.outputs ?? {})
      .slice(0, 100)
      .map(([name, s]) => {
        const some = finitePairs(s) > 0;
        return html`<tr><td>${nameOf(name, 64)}</td><td class="prose"><bdi>${sentence(e.title)}</bdi></td><td>${e.role === "reference" ? "FP32 on the CPU" : "the FP32 engine"}</td>${[relativeL2(s), s.maxAbs, meanAbs(s)].map((x) => numberCell(some ? x : undefined))}${numberCell(s.nonFiniteMismatch, count(s.nonFiniteMismatch))}${countCell(s.count)}</tr>`;
      }),
  );
  if (rows.length === 0) return false;
  return html`<details><summary>Final outputs one by one (${plural(rows.length, "row")})</summary>${table([text("output"), text("engine"), text("against"), numeric("relative L2"), numeric("largest difference"), numeric("mean difference"), numeric("not comparable", "NaN, or infinite on one side only"), numeric("elements")], rows.slice(0, 1000))}<p class="small">That the FP32 engine differs little from FP32 on the CPU shows that both compute the same model.</p></details>`;
}

const roles: ReadonlySet<string> = new Set<EngineRole>(["reference", "all-half", "recommended", "guides", "trial"]);
const knownRole = (role: EngineRole): EngineRole => (roles.has(role) ? role : "trial");

/** Unobserved engines that were timed, and sets that were tried on the engine. */
function frontPoints(v: View, d: DeviceView): FrontPoint[] {
  const { device } = d;
  interface Point extends Omit<FrontPoint, "front" | "title" | "label"> {
    pins: readonly string[];
    name: string;
  }
  const built = device.engines.slice(0, mostEngines).flatMap((e): Point[] =>
    e.latency === undefined || e.marked > 0 || (e.error === undefined && e.role !== "reference")
      ? []
      : [
          {
            role: knownRole(e.role),
            pins: e.pins,
            error: e.role === "reference" ? undefined : brokenAsNaN(d, e),
            milliseconds: e.latency.p50,
            name: sentence(e.title),
          },
        ],
  );
  const tried = (device.trials ?? []).flatMap((t, i): Point[] =>
    t.milliseconds === undefined || built.some((b) => b.role !== "reference" && samePins(b.pins, t.pins))
      ? []
      : [{ role: "trial", pins: t.pins, error: t.error, milliseconds: t.milliseconds, name: `trial ${i + 1}` }],
  );
  const points = [...built, ...tried];
  const front = device.front;
  const onFront = (p: Point) =>
    p.role !== "reference" &&
    (front === undefined
      ? !points.some((o) => o !== p && beats(o, p))
      : front.some((f) => samePins(f.pins, p.pins) && f.error === p.error && f.milliseconds === p.milliseconds));
  return points.map((p) => ({
    role: p.role,
    error: p.error,
    milliseconds: p.milliseconds,
    front: onFront(p),
    label: labelOf(p, tried.length, v.word),
    title: `${p.name}: ${p.role === "reference" ? "" : `${pinsWords(p.pins, v.word)}, ${p.error === undefined ? "" : Number.isFinite(p.error) ? `error ${number(p.error)}` : "not finite"}, `}${milliseconds(p.milliseconds)}`,
  }));
}

/** Trials have numbers, and none where there are many. */
function labelOf(p: { role: EngineRole; name: string; pins: readonly string[] }, trials: number, word: View["word"]): string {
  if (p.role === "trial") return trials > 12 ? "" : shorten(p.name, 30);
  if (p.role === "guides") return shorten(p.name, 40);
  return p.role === "recommended" ? `${roleWords(p.role, word)} (${pinsWords(p.pins, word)})` : roleWords(p.role, word);
}

const brokenAsNaN = (d: DeviceView, e: EngineRecord): number | undefined =>
  outcomeOf(e, d.tolerance) === "not-finite" ? Number.NaN : e.error;

const beats = (a: { role: EngineRole; error: number | undefined; milliseconds: number }, b: typeof a): boolean =>
  a.role !== "reference" &&
  a.error !== undefined &&
  b.error !== undefined &&
  Number.isFinite(a.error) &&
  a.milliseconds <= b.milliseconds &&
  (a.error <= b.error || Number.isNaN(b.error)) &&
  (a.milliseconds < b.milliseconds || a.error < b.error);
