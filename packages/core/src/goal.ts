import type { Recommendation } from "./recommendation.js";

/** What was asked for in place of a tolerance, in words: "4 pins", "5 % of the work in FP32". */
export const goalWords = (goal: NonNullable<Recommendation["goal"]>): string =>
  goal.kind === "pins"
    ? `${goal.pins} ${goal.pins === 1 ? "pin" : "pins"}`
    : `${Number((100 * goal.fp32Share).toPrecision(6))} % of the work in FP32`;

/** How far the smallness of a set was shown, in one sentence; undefined where nothing was to be shown. */
export function minimalWords(minimal: Recommendation["minimal"]): string | undefined {
  if (minimal === undefined || minimal.of === 0) return undefined;
  const { proved, of } = minimal;
  if (proved >= of)
    return of === 1
      ? "A trial without the pin shows that it is needed."
      : `For each of the ${of} pins a trial without it shows that it is needed.`;
  return `Trials without them show that ${proved} of the ${of} pins are needed; for the others the trials did not suffice (--trials allows more).`;
}

/** What judged a recommendation and how far it reaches, one sentence each. `number` writes a number for people. */
export function judgedWords(
  r: Pick<Recommendation, "samples" | "unseenBound" | "confirmed" | "tolerance" | "goal">,
  number: (x: number) => string,
): string[] {
  const words: string[] = [];
  const { samples, unseenBound, confirmed } = r;
  if (samples !== undefined && samples > 1)
    words.push(
      `It was judged on ${samples} samples${unseenBound === undefined ? "." : `; by their spread, a sample that nobody has seen stays below ${number(unseenBound)} in 95 of 100 cases.`}`,
    );
  if (confirmed !== undefined && confirmed.samples > 0)
    words.push(
      confirmed.beyond === 0
        ? `${confirmed.samples} further samples, by which nothing was chosen, confirm it: ${number(confirmed.error)} at most.`
        : `Of ${confirmed.samples} further samples, by which nothing was chosen, ${confirmed.beyond} ${confirmed.beyond === 1 ? "is" : "are"} beyond the tolerance: ${number(confirmed.error)} at most. More --samples would find what they show.`,
    );
  return words;
}
