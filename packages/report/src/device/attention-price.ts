import type { EngineRecord } from "@halfscope/core";
import { count, plural } from "../format.js";
import { shortName } from "../names.js";
import type { DeviceView } from "./device-view.js";
import { milliseconds, roleWords } from "./device-words.js";

const mostNamed = 4;

/** Whether any engine computes an attention in one kernel: else nothing is said of them. */
export const hasFusedAttentions = (engines: readonly EngineRecord[]): boolean => engines.some((e) => (e.fusedAttentions ?? 0) > 0);

/** What pins inside of fused attentions cost, a sentence per engine: how many are left of those that there are with every layer in FP16, and the time. */
export function attentionPrices(d: DeviceView, word: "FP16" | "BF16"): string[] {
  const whole = d.allHalf;
  const of = whole?.fusedAttentions ?? 0;
  if (whole === undefined || of === 0) return [];
  const apart = d.device.engines.filter(
    (e) => e !== whole && e.marked === 0 && e.role !== "reference" && e.fusedAttentions !== undefined && e.fusedAttentions < of,
  );
  const said = apart.slice(0, mostNamed).map((e) => {
    const left = e.fusedAttentions ?? 0;
    const name = e.role === "trial" ? shortName(e.title, 60) : roleWords(e.role, word);
    const time =
      e.latency === undefined || whole.latency === undefined
        ? ""
        : `; ${milliseconds(e.latency.p50)} against ${milliseconds(whole.latency.p50)} with every layer in ${word}`;
    return `${name.slice(0, 1).toUpperCase()}${name.slice(1)}: ${count(left)} of ${plural(of, "fused attention")} ${left === 1 ? "is" : "are"} left${time}.`;
  });
  return apart.length > mostNamed ? [...said, `${plural(apart.length - mostNamed, "more engine")} with fewer fused attentions.`] : said;
}
