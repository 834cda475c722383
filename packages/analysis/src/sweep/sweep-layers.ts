import type { LayerSensitivity, SiteKind, SiteSensitivity } from "@halfscope/core";
import { worst } from "../judge/output-error.js";
import { predictError } from "./projection.js";

/** A layer's sensitivity: what its own sites predict together, and by cause. Worst first. */
export function layersFromSites(sites: readonly SiteSensitivity[]): LayerSensitivity[] {
  const byLayer = new Map<string, SiteSensitivity[]>();
  for (const s of sites) if (s.layer !== undefined) byLayer.set(s.layer, [...(byLayer.get(s.layer) ?? []), s]);
  return [...byLayer]
    .map(([layer, list]) => layerFrom(layer, list))
    .sort((a, b) => (a.outputError === b.outputError ? 0 : b.outputError > a.outputError ? 1 : -1));
}

function layerFrom(layer: string, list: readonly SiteSensitivity[]): LayerSensitivity {
  const of = (...kinds: SiteKind[]) => worst(predictError(list.filter((s) => kinds.includes(s.kind))));
  return {
    layer,
    outputError: worst(predictError(list)),
    activation: of("activation", "input"),
    weight: of("weight"),
    ...(list.some((s) => s.kind === "accumulation") && { accumulation: of("accumulation") }),
    overflow: list.some((s) => s.nonFinite),
    sites: list.reduce((n, s) => n + s.sites.length, 0),
    ...(list.some((s) => s.estimated) && { estimated: true }),
    ...(list.every((s) => s.belowFloor) && { belowFloor: true }),
  };
}
