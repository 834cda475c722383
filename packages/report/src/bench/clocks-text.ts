import type { BenchClocks, GpuClocks } from "@halfscope/core";

/** The GPU's clocks before and after the timed rounds, without a full stop: "SM 1980 MHz before, 1965 MHz after, memory 2619 MHz, no throttling". */
export function clocksText(clocks: BenchClocks | undefined): string {
  const { before, after, reason } = clocks ?? {};
  const known = [before, after].filter((c) => c !== undefined);
  const [first] = known;
  if (first === undefined) return `not read${reason === undefined ? "" : `: ${reason}`}`;
  const at = (c: GpuClocks | undefined, when: string): string[] =>
    c === undefined ? [] : [`${mhz(c.smMHz)} ${when}${c.throttle.includes("idle") ? " (idle)" : ""}`];
  const memory = [...new Set(known.map((c) => mhz(c.memoryMHz)))].join(" and ");
  const last = after ?? first;
  const body = [
    ...(last.powerWatts === undefined ? [] : [`${Math.round(last.powerWatts)} W`]),
    ...(last.temperatureC === undefined ? [] : [`${Math.round(last.temperatureC)} °C`]),
  ];
  const held = heldBack(clocks);
  return [
    `SM ${[...at(before, "before"), ...at(after, "after")].join(", ")}`,
    `memory ${memory}`,
    ...(body.length === 0 ? [] : [`${body.join(" and ")} ${after === undefined ? "before" : "after"}`]),
    held.length === 0 ? "no throttling" : `held back by ${held.join(", ")}`,
    ...(known.length === 1 && reason !== undefined ? [`${after === undefined ? "after" : "before"} not read: ${reason}`] : []),
  ].join(", ");
}

/** What held the clock back at either reading; an idle GPU is not held back. */
export const heldBack = (clocks: BenchClocks | undefined): string[] => [
  ...new Set([clocks?.before, clocks?.after].flatMap((c) => c?.throttle ?? []).filter((reason) => reason !== "idle")),
];

const mhz = (x: number): string => `${Math.round(x)} MHz`;
