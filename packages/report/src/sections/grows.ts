import { type ErrorSummary, relativeL2 } from "@halfscope/core";
import { growthChart } from "../charts/growth.js";
import { nameOf, number, numberCell } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { isBroken, type View } from "../view.js";
import { kindWord, notMeasured, numeric, type Section, table, text } from "./section.js";

const shownGrowths = 10;
/** Two independent errors of one size add up to 1.41 of it: that is no growth. */
const leastGrowth = 1.5;

export function growsSection(v: View): Section {
  const errors = new Map<string, ErrorSummary>();
  const repaired = v.result.accumulatedRepaired !== undefined;
  for (const [layer, r] of v.ranked) {
    const error = repaired ? r.repaired : r.accumulated;
    if (error !== undefined) errors.set(layer, error);
  }
  return {
    id: "grows",
    title: "Where does it grow?",
    intro: `Accumulated error: how far a layer's output is off when the whole candidate ran in ${v.word}, so everything that arose before it has arrived.`,
    body:
      errors.size === 0
        ? notMeasured("The accumulated error", v.commands.compare)
        : html`${repaired ? html`<p>Measured with the overflow origins above pinned and constants written finite: as it stands, the candidate is not finite and shows no growth.</p>` : nothing}${growthChart(v.result.layers, errors, v.tolerance)}${amplifiers(v, errors)}`,
  };
}

interface Growth {
  layer: string;
  before: number;
  after: number;
}

/** Layers that give out a larger relative error than any input has: where errors grow rather than arise. */
function amplifiers(v: View, errors: ReadonlyMap<string, ErrorSummary>): Markup {
  const tensors = new Map((v.result.accumulatedRepaired ?? v.result.accumulated)?.tensors.map((t) => [t.tensor, t.stats]));
  const final = Math.max(...[...errors.values()].filter((e) => !isBroken(e)).map((e) => e.relativeL2), 0);
  const growths = v.result.layers.flatMap((layer): Growth[] => {
    const out = errors.get(layer.id);
    if (out === undefined || isBroken(out)) return [];
    const before = Math.max(
      0,
      ...layer.inputs.flatMap((t) => {
        const stats = tensors.get(t);
        return stats === undefined || stats.nonFiniteMismatch > 0 ? [] : [relativeL2(stats)];
      }),
    );
    // What is small against the largest error of the model is of no interest, however fast it grew.
    const own = v.ranked.get(layer.id)?.isolated?.relativeL2 ?? 0;
    const carried = Math.sqrt(Math.max(0, out.relativeL2 ** 2 - own ** 2));
    return before > 0 && carried > leastGrowth * before && out.relativeL2 > 0.02 * final
      ? [{ layer: layer.id, before, after: out.relativeL2 }]
      : [];
  });
  if (growths.length === 0) return nothing;
  const rows = growths
    .toSorted((a, b) => b.after / b.before - a.after / a.before)
    .slice(0, shownGrowths)
    .map(
      (g) =>
        html`<tr><td>${nameOf(g.layer, 64)}</td><td>${kindWord(v.layers.get(g.layer)?.kind)}</td>${numberCell(g.before)}${numberCell(g.after)}${numberCell(g.after / g.before, `${number(g.after / g.before)} ×`)}${numberCell(v.ranked.get(g.layer)?.isolated?.relativeL2)}</tr>`,
    );
  return html`<h3>Layers that enlarge what arrives</h3><p>Relative error that leaves a layer against the largest that enters it. Where a layer has a small error of its own and enlarges what arrives, pinning it does not help: pin what comes before.</p>${table([text("layer"), text("kind"), numeric("enters"), numeric("leaves"), numeric("grows"), numeric("its own, isolated")], rows)}`;
}
