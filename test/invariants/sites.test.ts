/** Sites are disjoint and complete, and a plan's switches say what `roundedUses` says, on random graphs and plans. */

import type { Subject } from "@halfscope/analysis";
import { switchOff, switchRound, switchRoundFinite } from "@halfscope/core";
import { activeSites, allHalf, halfNodes, roundedUses, switchesFromPlan, withPins } from "@halfscope/precision";
import { describe, expect, it, type TestContext } from "vitest";
import { sharedModel } from "../shared-models.js";
import { openBench, randomPlan } from "../support/bench.js";
import { temporaryFolder } from "../support/model-file.js";
import { randomModel } from "../support/random-model.js";

const folder = temporaryFolder();

function expectSitesSound({ roundings, layers, types, view }: Subject): void {
  const { sites, placements, floats } = roundings;
  const ids = sites.map((s) => s.id);
  expect(new Set(ids).size).toBe(ids.length);
  const known = new Set(ids);
  expect(placements.filter((p) => !known.has(p.site))).toEqual([]);
  // Every rounding sits in one place only.
  const places = placements.map((p) => (p.at === "tensor" ? p.tensor : `${p.consumer?.node}#${p.consumer?.input}`));
  expect(new Set(places).size).toBe(places.length);
  // Everything that FP16 could compute and that is FP32 has its own site.
  const computing = view.order.filter((n) => !floats.movers.has(n.index) && !floats.fixedNodes.has(n.index) && !view.bodies.has(n));
  const outputs = computing.flatMap((n) => n.outputs).filter((t) => types.get(t)?.dtype === "float32");
  const isConstant = (t: string) => /^Constant/.test(view.producer.get(t)?.opType ?? "");
  const activations = sites.filter((s) => s.kind === "activation").map((s) => s.tensor);
  // What comes out of a node that stays in FP32 (an If, a call) is rounded where FP16 reads it.
  const fixed = activations.filter((t) => floats.fixedNodes.has(view.producer.get(t)?.index ?? -1));
  expect(activations.filter((t) => !fixed.includes(t)).sort()).toEqual(outputs.filter((t) => !isConstant(t)).sort());
  // A mover hands on what others rounded.
  for (const site of sites) expect(floats.movers.has(view.producer.get(site.tensor)?.index ?? -1), site.id).toBe(false);
  const layerIds = new Set(layers.map((l) => l.id));
  for (const site of sites)
    for (const l of [...site.touching, ...(site.layer === undefined ? [] : [site.layer])]) expect(layerIds).toContain(l);
}

/**
 * What each reader sees, told from the switches alone: a use is rounded if its root's own placement is on, or if the edge's is (where a tensor
 * has no placement of its own for gathered tables, its carriers').
 */
function usesFromSwitches({ roundings }: Subject, switches: Uint8Array): ReadonlySet<string> {
  const { placements, floats } = roundings;
  const onSites = new Set(placements.filter((p, i) => p.at === "tensor" && switches[i] !== switchOff).map((p) => p.site));
  const onEdges = new Set(
    placements.flatMap((p, i) => (p.consumer && switches[i] !== switchOff ? [`${p.consumer.node}:${p.consumer.input}`] : [])),
  );
  const uses = new Set<string>();
  for (const edge of floats.edges)
    for (const root of edge.roots)
      if (onSites.has(`${root.kind}:${root.tensor}`) || onEdges.has(`${edge.node.index}:${edge.input}`))
        uses.add(`${root.tensor} > ${edge.node.outputs.find((o) => o !== "")}#${edge.input}`);
  return uses;
}

function expectSwitchesSound(subject: Subject, plan: ReturnType<typeof allHalf>): void {
  const { roundings } = subject;
  const switches = switchesFromPlan(plan, roundings);
  expect(switches).toHaveLength(roundings.placements.length);
  expect([...usesFromSwitches(subject, switches)].sort()).toEqual([...roundedUses(plan, roundings)].sort());
  roundings.placements.forEach((p, i) => {
    const values = [switchOff, p.site.startsWith("weight:") && plan.constants === "finite" ? switchRoundFinite : switchRound];
    expect(values, p.site).toContain(switches[i]);
  });
  const pinned = new Set(plan.pins.map((p) => p.layer));
  for (const site of roundings.sites) {
    const gone = site.touching.every((l) => pinned.has(l));
    // A site vanishes when all that touches it is pinned; then nothing of it may round.
    if (gone) expect(activeSites(plan, roundings), site.id).not.toContain(site.id);
  }
}

describe("of random graphs", () => {
  it("sites are disjoint and complete, and switches agree with the uses they round", { timeout: 120_000 }, async () => {
    for (let seed = 1; seed <= 25; seed++) {
      using bench = await openBench(randomModel(folder, seed, 30));
      const subject = await bench.subject();
      expectSitesSound(subject);
      for (const share of [0, 0.1, 0.3, 0.5, 0.8, 1])
        expectSwitchesSound(subject, randomPlan(bench, share, share < 0.4 ? "finite" : "overflow", seed));
    }
  });
});

for (const name of ["yolox-nano-op11", "gpt2-pt-op11", "silero-vad-mini-op11", "deberta-v2-dynamo", "paddle-ppocr-cls-op11"])
  it(`of ${name} too`, async (context: TestContext) => {
    using bench = await openBench(sharedModel(context, name, "model.onnx"));
    const subject = await bench.subject();
    expectSitesSound(subject);
    for (const share of [0, 0.3, 0.8]) expectSwitchesSound(subject, randomPlan(bench, share, "finite", 5));
  });

it("with everything pinned or FP32 by default nothing is rounded, and with nothing pinned every site is active", async () => {
  using bench = await openBench(randomModel(folder, 40, 30));
  const { roundings, layers } = await bench.subject();
  const half = allHalf(bench.model.digest, "finite");
  for (const plan of [
    withPins(
      half,
      layers.map((l) => l.id),
    ),
    { ...half, defaultPrecision: "float32" as const },
  ]) {
    expect(switchesFromPlan(plan, roundings).every((s) => s === switchOff)).toBe(true);
    expect(roundedUses(plan, roundings).size).toBe(0);
    expect(activeSites(plan, roundings).size).toBe(0);
    expect(layers.some((l) => l.nodes.some(halfNodes(plan, roundings.floats)))).toBe(false);
  }
  expect([...activeSites(half, roundings)].sort()).toEqual(roundings.sites.map((s) => s.id).sort());
});

it("a pin more never adds a rounded use", async () => {
  for (let seed = 50; seed < 56; seed++) {
    using bench = await openBench(randomModel(folder, seed, 30));
    const { roundings, layers } = await bench.subject();
    let plan = allHalf(bench.model.digest, "finite");
    let before = roundedUses(plan, roundings);
    for (const layer of layers) {
      plan = withPins(plan, [layer.id]);
      const after = roundedUses(plan, roundings);
      expect([...after].filter((u) => !before.has(u))).toEqual([]);
      before = after;
    }
  }
});
