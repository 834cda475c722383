import { numberFromDtype, type PrecisionPlan } from "@halfscope/core";
import { buildPairGraph, floatOutputs, OrtSession } from "@halfscope/engine";
import { switchesFromPlan } from "@halfscope/precision";
import type { Workbench } from "halfscope";
import proto from "onnx-proto";
import type { Outputs } from "./bench.js";

const { onnx } = proto;

/**
 * Runs the pair's graph with every rounding written as Cast to FP16 (or what the plan speaks of) and Cast back, which ONNX Runtime computes by itself: no operator of ours is left.
 * Gives the candidate's outputs, and how many roundings were replaced.
 */
export async function runWithCastPairs(bench: Workbench, plan: PrecisionPlan): Promise<{ outputs: Outputs; rounds: number }> {
  const subject = await bench.subject();
  const { roundings } = subject;
  const graph = buildPairGraph({
    ...subject,
    placements: roundings.placements,
    switches: switchesFromPlan(plan, roundings),
    mode: "accumulated",
    layerOfSite: new Map(),
    observe: () => false,
  });
  const model = onnx.ModelProto.decode(graph.bytes);
  let rounds = 0;
  const cast = (from: string, to: string, type: number): proto.onnx.INodeProto => ({
    opType: "Cast",
    name: `${to} by Cast`,
    input: [from],
    output: [to],
    attribute: [{ name: "to", type: onnx.AttributeProto.AttributeType.INT, i: type }],
  });
  model.graph!.node = model.graph!.node!.flatMap((node) => {
    if (node.domain !== "halfscope") return [node];
    const attributes = new Map(node.attribute!.map((a) => [a.name, a]));
    // A product that sums as ONNX Runtime does and rounds its weight as it packs it.
    if (node.opType === "Product" && !attributes.has("switch") && Number(attributes.get("kind")?.i ?? 0) === 0) {
      rounds++;
      const [a, b] = node.input!;
      const [y] = node.output!;
      const rounded = `${y}#weight`;
      return [
        cast(b!, `${rounded}#half`, numberFromDtype(bench.precision)),
        cast(`${rounded}#half`, rounded, 1),
        { opType: "MatMul", name: `${y} by MatMul`, input: [a!, rounded], output: [y!] },
      ];
    }
    if (node.opType !== "Round") throw new Error(`no pair of Casts stands for ${node.opType}`);
    rounds++;
    const [from] = node.input!;
    const [to] = node.output!;
    return [cast(from!, `${to}#half`, numberFromDtype(bench.precision)), cast(`${to}#half`, to!, 1)];
  });
  const names = floatOutputs(bench.view, subject.types);
  using session = await OrtSession.create({
    model: onnx.ModelProto.encode(model).finish(),
    folder: bench.model.folder,
    threads: bench.threads,
    optimization: "disabled",
    prepacking: false,
    switchCount: 0,
    slotCount: 0,
  });
  for (const [name, tensor] of bench.feeds[0].tensors) session.setFeed(name, tensor);
  const run = await session.run({ fetch: [...new Set(names.map(graph.candidateName))] });
  return { outputs: new Map(names.map((n) => [n, run.outputs.get(graph.candidateName(n))!])), rounds };
}
