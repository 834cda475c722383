/** What bodies give back without computing it: their own inputs, initializers, one tensor several times. */
import { bool, bools, float, floats, graph, int64, int64s, model, node } from "../build.js";
import { boolValue, floatValue, noise, rounds, type Torture } from "../torture.js";

const face = [2, 3];
const x = floatValue(face, noise(6, 180));
const w = floats("w", [3, 3], noise(9, 181));
const axes = int64s("axes", [1], [0]);
const collected = (tensors: readonly string[], to: string) => [
  ...tensors.map((t) => node("Unsqueeze", [t, "axes"], [`${t}/${to}`])),
  node(
    "Concat",
    tensors.map((t) => `${t}/${to}`),
    [to],
    { axis: 0 },
  ),
];
const stack = (name: string) => float(name, ["rounds", ...face]);
const three = [0, 1, 2];

/**
 * The condition goes through as it came; one state is handed on as it is, another is replaced by an initializer. Two tensors are collected, or the new state
 * is, twice.
 */
function loop(collects: readonly [string, string]): Torture {
  const body = graph({
    inputs: [int64("i"), bool("go"), float("a", face), float("kept", face), float("c", face)],
    nodes: [node("MatMul", ["a", "w"], ["p"]), node("Add", ["p", "kept"], ["q"]), node("Sub", ["q", "c"], ["next"])],
    outputs: [bool("go"), float("next", face), float("kept", face), float("own", face), ...collects.map((t) => float(t, face))],
    initializers: [floats("own", face, noise(6, 182))],
  });
  const parts = {
    inputs: [float("x", face), float("x2", face)],
    outputs: [float("last", face), float("keptLast", face), float("cLast", face), stack("s1"), stack("s2"), float("out", face)],
  };
  const tail = [node("Mul", ["last", "keptLast"], ["m"]), node("Tanh", ["m"], ["out"])];
  const a = (k: number) => (k === 0 ? "x" : `next@${k - 1}`);
  return {
    bytes: model({
      ...parts,
      nodes: [node("Loop", ["count", "yes", "x", "x2", "x2"], ["last", "keptLast", "cLast", "s1", "s2"], { body }), ...tail],
      initializers: [w, int64s("count", [], [3]), bools("yes", [], [true])],
    }),
    feed: { x, x2: floatValue(face, noise(6, 183)) },
    weightCrosses: true,
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          ...three.flatMap((k) => [
            node("MatMul", [a(k), "w"], [`p@${k}`]),
            node("Add", [`p@${k}`, "x2"], [`q@${k}`]),
            node("Sub", [`q@${k}`, k === 0 ? "x2" : "own"], [`next@${k}`]),
          ]),
          node("Identity", ["next@2"], ["last"]),
          node("Identity", ["x2"], ["keptLast"]),
          node("Identity", ["own"], ["cLast"]),
          ...collected(rounds(collects[0], 3), "s1"),
          ...collected(rounds(collects[1], 3), "s2"),
          ...tail,
        ],
        initializers: [w, axes, floats("own", face, noise(6, 182))],
      }),
      of: Object.fromEntries(["p", "q", "next"].map((t) => [t, rounds(t, 3)])),
    },
  };
}

/** Branches that give an initializer, and two tensors or one tensor twice. */
function branch(flag: boolean, second: "t" | "u"): Torture {
  const side = (opType: string, seed: number) =>
    graph({
      nodes: [node(opType, ["h"], ["t"]), node("Cos", ["t"], ["u"])],
      outputs: [float("t", face), float(second, face), float("own", face)],
      initializers: [floats("own", face, noise(6, seed))],
    });
  const parts = { inputs: [float("x", face), bool("flag")], outputs: [float("out", face), float("b", face)] };
  const tail = [node("MatMul", ["a", "w"], ["p"]), node("Add", ["p", "b"], ["q"]), node("Mul", ["q", "c"], ["out"])];
  return {
    bytes: model({
      ...parts,
      nodes: [
        node("MatMul", ["x", "w"], ["h"]),
        node("If", ["flag"], ["a", "b", "c"], { then_branch: side("Tanh", 184), else_branch: side("Sin", 185) }),
        ...tail,
      ],
      initializers: [w],
    }),
    feed: { x, flag: boolValue(flag) },
    weightCrosses: true,
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("MatMul", ["x", "w"], ["h"]),
          node(flag ? "Tanh" : "Sin", ["h"], ["t"]),
          node("Identity", ["t"], ["a"]),
          node("Cos", ["t"], ["u"]),
          node("Identity", [second], ["b"]),
          node("Identity", ["own"], ["c"]),
          ...tail,
        ],
        initializers: [w, floats("own", face, noise(6, flag ? 184 : 185))],
      }),
      of: {
        t: flag ? ["t"] : [],
        t_2: flag ? [] : ["t"],
        u: flag ? ["u"] : [],
        u_2: flag ? [] : ["u"],
        own: flag ? ["own"] : [],
        own_2: flag ? [] : ["own"],
      },
    },
  };
}

export const borders: Readonly<Record<string, Torture>> = {
  "a Loop that hands states through": loop(["p", "q"]),
  "a Loop that collects its state, twice": loop(["next", "next"]),
  "an If whose branches give an initializer, then": branch(true, "u"),
  "an If whose branches give an initializer, else": branch(false, "u"),
};

/** Branches that list an output twice. ONNX Runtime 1.30 fills only the last of them. */
export const twice = branch(true, "t");
