/** Loop and Scan, and the same unrolled. */
import { bool, bools, elementType, float, floats, graph, int64, int64s, model, node, raw, tensor } from "../build.js";
import { floatValue, noise, rounds, type Torture } from "../torture.js";

const face = [2, 3];
const x = floatValue(face, noise(6, 20));
const count = (n: number) => int64s("count", [], [n]);
const scalar = (name: string, v: number) => floats(name, [], [v]);
const unrolled = <T>(n: number, round: (k: number) => readonly T[]): T[] => Array.from({ length: n }, (_, k) => k).flatMap(round);
const axes = (name: string) => int64s(name, [1], [0]);

/** A scan output as the unrolled chain gives it: rounds side by side on a new first axis. */
const collected = (tensors: readonly string[], to: string) => [
  ...tensors.map((t) => node("Unsqueeze", [t, "axes"], [`${t}/row`])),
  node(
    "Concat",
    tensors.map((t) => `${t}/row`),
    [to],
    { axis: 0 },
  ),
];

/**
 * A Loop whose body holds an If: branches read a tensor of the body, the body's own input, an initializer and a tensor of the main graph two levels up. It
 * carries one state, collects two tensors, and repeats names in both branches.
 */
function loopWithIf(): Torture {
  const n = 4;
  const weights = [floats("w", [3, 3], noise(9, 21)), scalar("scale", 0.731), axes("axes")];
  const branch = (opType: string, other: string) =>
    graph({ nodes: [node(opType, ["t", other], ["u"]), node("Add", ["u", "acc"], ["v"])], outputs: [float("v", face)] });
  const body = graph({
    inputs: [int64("i"), bool("go"), float("acc", face)],
    nodes: [
      node("Identity", ["go"], ["going"]),
      node("MatMul", ["acc", "w"], ["t"]),
      node("Mod", ["i", "two"], ["rest"]),
      node("Cast", ["rest"], ["odd"], { to: 9 }),
      node("If", ["odd"], ["chosen"], { then_branch: branch("Add", "h"), else_branch: branch("Mul", "scale") }),
      node("Tanh", ["chosen"], ["next"]),
      node("Mul", ["next", "next"], ["square"]),
    ],
    outputs: [bool("going"), float("next", face), float("t", face), float("square", face)],
    initializers: [int64s("two", [], [2])],
  });
  const parts = {
    inputs: [float("x", face)],
    outputs: [float("last", face), float("ts", ["rounds", ...face]), float("squares", ["rounds", ...face]), float("out", face)],
  };
  const head = node("Sigmoid", ["x"], ["h"]);
  const tail = [node("MatMul", ["last", "w"], ["m"]), node("Exp", ["m"], ["out"])];
  const acc = (k: number) => (k === 0 ? "h" : `next@${k - 1}`);
  return {
    bytes: model({
      ...parts,
      nodes: [head, node("Loop", ["count", "", "h"], ["last", "ts", "squares"], { body }), ...tail],
      initializers: [...weights, count(n)],
    }),
    feed: { x },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          head,
          ...unrolled(n, (k) => [
            node("MatMul", [acc(k), "w"], [`t@${k}`]),
            k % 2 === 1 ? node("Add", [`t@${k}`, "h"], [`u@${k}`]) : node("Mul", [`t@${k}`, "scale"], [`u@${k}`]),
            node("Add", [`u@${k}`, acc(k)], [`v@${k}`]),
            node("Identity", [`v@${k}`], [`chosen@${k}`]),
            node("Tanh", [`chosen@${k}`], [`next@${k}`]),
            node("Mul", [`next@${k}`, `next@${k}`], [`square@${k}`]),
          ]),
          node("Identity", [`next@${n - 1}`], ["last"]),
          ...collected(rounds("t", n), "ts"),
          ...collected(rounds("square", n), "squares"),
          ...tail,
        ],
        initializers: weights,
      }),
      of: {
        ...Object.fromEntries(["t", "chosen", "next", "square"].map((t) => [t, rounds(t, n)])),
        u: ["u@1", "u@3"],
        v: ["v@1", "v@3"],
        u_2: ["u@0", "u@2"],
        v_2: ["v@0", "v@2"],
        two: [],
      },
    },
  };
}

/** A Loop inside a Loop; the inner one reads both loops' states, a tensor of the main graph and both counters. */
function loopInLoop(): Torture {
  const [outer, inner] = [3, 2];
  const weights = [floats("w", [3, 3], noise(9, 22)), axes("axes")];
  const innerBody = graph({
    inputs: [int64("j"), bool("stay"), float("b", face)],
    nodes: [
      node("Identity", ["stay"], ["staying"]),
      node("Mul", ["b", "a"], ["p"]),
      node("Add", ["p", "h"], ["q"]),
      node("Sigmoid", ["q"], ["inward"]),
    ],
    outputs: [bool("staying"), float("inward", face)],
  });
  const body = graph({
    inputs: [int64("i"), bool("go"), float("a", face)],
    nodes: [
      node("Identity", ["go"], ["going"]),
      node("MatMul", ["a", "w"], ["m"]),
      node("Loop", ["inner", "", "m"], ["r"], { body: innerBody }),
      node("Sub", ["r", "a"], ["next"]),
    ],
    outputs: [bool("going"), float("next", face)],
    initializers: [int64s("inner", [], [inner])],
  });
  const parts = { inputs: [float("x", face)], outputs: [float("out", face)] };
  const a = (k: number) => (k === 0 ? "h" : `next@${k - 1}`);
  const b = (k: number, j: number) => (j === 0 ? `m@${k}` : `inward@${inner * k + j - 1}`);
  return {
    bytes: model({
      ...parts,
      nodes: [node("Tanh", ["x"], ["h"]), node("Loop", ["count", "", "h"], ["out"], { body })],
      initializers: [...weights, count(outer)],
    }),
    feed: { x },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("Tanh", ["x"], ["h"]),
          ...unrolled(outer, (k) => [
            node("MatMul", [a(k), "w"], [`m@${k}`]),
            ...unrolled(inner, (j) => {
              const at = inner * k + j;
              return [
                node("Mul", [b(k, j), a(k)], [`p@${at}`]),
                node("Add", [`p@${at}`, "h"], [`q@${at}`]),
                node("Sigmoid", [`q@${at}`], [`inward@${at}`]),
              ];
            }),
            node("Identity", [`inward@${inner * k + inner - 1}`], [`r@${k}`]),
            node("Sub", [`r@${k}`, a(k)], [`next@${k}`]),
          ]),
          node("Identity", [`next@${outer - 1}`], ["out"]),
        ],
        initializers: weights,
      }),
      of: {
        ...Object.fromEntries(["m", "r", "next"].map((t) => [t, rounds(t, outer)])),
        ...Object.fromEntries(["p", "q", "inward"].map((t) => [t, rounds(t, outer * inner)])),
        inner: [],
      },
    },
  };
}

/** Two states that change places every round, and one that nobody changes. */
function swapped(): Torture {
  const n = 3;
  const weights = [floats("w", [3, 3], noise(9, 23)), axes("axes")];
  const body = graph({
    inputs: [int64("i"), bool("go"), float("a", face), float("b", face), float("c", face)],
    nodes: [
      node("Identity", ["go"], ["going"]),
      node("MatMul", ["a", "w"], ["p"]),
      node("Identity", ["b"], ["newA"]),
      node("Add", ["p", "c"], ["newB"]),
      node("Identity", ["c"], ["newC"]),
    ],
    outputs: [bool("going"), float("newA", face), float("newB", face), float("newC", face)],
  });
  const parts = {
    inputs: [float("x", face), float("x2", face)],
    outputs: [float("a1", face), float("b1", face), float("c1", face), float("out", face)],
  };
  const tail = [node("Mul", ["a1", "b1"], ["ab"]), node("Sub", ["ab", "c1"], ["out"])];
  const a = (k: number) => (k === 0 ? "x" : `newA@${k - 1}`);
  const b = (k: number) => (k === 0 ? "x2" : `newB@${k - 1}`);
  const c = (k: number) => (k === 0 ? "x" : `newC@${k - 1}`);
  return {
    bytes: model({
      ...parts,
      nodes: [node("Loop", ["count", "yes", "x", "x2", "x"], ["a1", "b1", "c1"], { body }), ...tail],
      initializers: [...weights, count(n), bools("yes", [], [true])],
    }),
    feed: { x, x2: floatValue(face, noise(6, 24)) },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          ...unrolled(n, (k) => [
            node("MatMul", [a(k), "w"], [`p@${k}`]),
            node("Identity", [b(k)], [`newA@${k}`]),
            node("Add", [`p@${k}`, c(k)], [`newB@${k}`]),
            node("Identity", [c(k)], [`newC@${k}`]),
          ]),
          node("Identity", [`newA@${n - 1}`], ["a1"]),
          node("Identity", [`newB@${n - 1}`], ["b1"]),
          node("Identity", [`newC@${n - 1}`], ["c1"]),
          ...tail,
        ],
        initializers: weights,
      }),
      of: Object.fromEntries(["p", "newA", "newB", "newC"].map((t) => [t, rounds(t, n)])),
    },
  };
}

/** Ten rounds are allowed, but the sum reaches its limit in the fourth: the loop ends there. */
function earlyExit(): Torture {
  const n = 4;
  const weights = [floats("step", face, [0.101, 0.202, 0.303, 0.404, 0.505, 0.606]), scalar("limit", 8), axes("axes")];
  const body = graph({
    inputs: [int64("i"), bool("go"), float("a", face)],
    nodes: [
      node("Add", ["a", "step"], ["next"]),
      node("ReduceSum", ["next"], ["sum"], { keepdims: 0 }),
      node("Less", ["sum", "limit"], ["going"]),
      node("Mul", ["next", "step"], ["row"]),
    ],
    outputs: [bool("going"), float("next", face), float("row", face)],
  });
  const parts = { inputs: [float("x", face)], outputs: [float("last", face), float("rows", ["rounds", ...face])] };
  const start = floatValue(face, [0, 0, 0, 0, 0, 0]);
  const a = (k: number) => (k === 0 ? "x" : `next@${k - 1}`);
  return {
    bytes: model({
      ...parts,
      nodes: [node("Loop", ["count", "yes", "x"], ["last", "rows"], { body })],
      initializers: [...weights, count(10), bools("yes", [], [true])],
    }),
    feed: { x: start },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          ...unrolled(n, (k) => [
            node("Add", [a(k), "step"], [`next@${k}`]),
            node("ReduceSum", [`next@${k}`], [`sum@${k}`], { keepdims: 0 }),
            node("Less", [`sum@${k}`, "limit"], [`going@${k}`]),
            node("Mul", [`next@${k}`, "step"], [`row@${k}`]),
          ]),
          node("Identity", [`next@${n - 1}`], ["last"]),
          ...collected(rounds("row", n), "rows"),
        ],
        initializers: weights,
      }),
      of: Object.fromEntries(["next", "sum", "row", "going"].map((t) => [t, rounds(t, n)])),
    },
  };
}

/** A Loop without a single round: its results are the values that it started with, and nothing inside is executed. */
function noRound(): Torture {
  const body = graph({
    inputs: [int64("i"), bool("go"), float("a", face)],
    nodes: [node("Identity", ["go"], ["going"]), node("Exp", ["a"], ["next"])],
    outputs: [bool("going"), float("next", face)],
  });
  const parts = { inputs: [float("x", face)], outputs: [float("out", face)] };
  return {
    bytes: model({
      ...parts,
      nodes: [node("Sin", ["x"], ["h"]), node("Loop", ["count", "", "h"], ["last"], { body }), node("Cos", ["last"], ["out"])],
      initializers: [count(0)],
    }),
    feed: { x },
    twin: {
      bytes: model({ ...parts, nodes: [node("Sin", ["x"], ["h"]), node("Identity", ["h"], ["last"]), node("Cos", ["last"], ["out"])] }),
      of: { next: [] },
    },
  };
}

/** Doubled every round, 0.75 passes 65504 in the 17th of twenty. What starts the loop is an initializer, which a plan may write with finite values. */
export function overflowIn17th(start: "input" | "initializer"): Torture {
  const n = 20;
  const body = graph({
    inputs: [int64("i"), bool("go"), float("a", face)],
    nodes: [node("Identity", ["go"], ["going"]), node("Mul", ["a", "two"], ["next"]), node("Tanh", ["next"], ["row"])],
    outputs: [bool("going"), float("next", face), float("row", face)],
  });
  const values = [0.75, -0.5, 0.25, 0.125, 0.0625, 0.375];
  const first = start === "input" ? "x" : "first";
  const parts = {
    inputs: [float("x", face), float("two", [])],
    outputs: [float("out", face), float("rows", ["rounds", ...face])],
  };
  const weights = [...(start === "input" ? [] : [floats("first", face, values)]), scalar("small", 2 ** -20), axes("axes")];
  const a = (k: number) => (k === 0 ? first : `next@${k - 1}`);
  const tail = [node("Mul", ["last", "small"], ["scaled"]), node("Add", ["scaled", "x"], ["out"])];
  return {
    bytes: model({
      ...parts,
      nodes: [node("Loop", ["count", "", first], ["last", "rows"], { body }), ...tail],
      initializers: [...weights, count(n)],
    }),
    feed: { x: floatValue(face, values), two: floatValue([], [2]) },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          ...unrolled(n, (k) => [node("Mul", [a(k), "two"], [`next@${k}`]), node("Tanh", [`next@${k}`], [`row@${k}`])]),
          node("Identity", [`next@${n - 1}`], ["last"]),
          ...collected(rounds("row", n), "rows"),
          ...tail,
        ],
        initializers: weights,
      }),
      of: { next: rounds("next", n), row: rounds("row", n) },
    },
  };
}

/**
 * A Scan with two states and two inputs, the second of which runs backwards along its second axis; two outputs, the first collected backwards, the second on
 * its second axis.
 */
function scan(): Torture {
  const n = 4;
  const weights = [floats("w", [3, 3], noise(9, 25)), axes("axes"), int64s("second", [1], [1])];
  const body = graph({
    inputs: [float("s", [3]), float("t", [3]), float("e", [3]), float("f", [3])],
    nodes: [
      node("MatMul", ["s", "w"], ["p"]),
      node("Add", ["p", "e"], ["s1"]),
      node("Mul", ["t", "f"], ["q"]),
      node("Sub", ["q", "s1"], ["t1"]),
      node("Tanh", ["s1"], ["g"]),
      node("Sigmoid", ["t1"], ["k"]),
    ],
    outputs: [float("s1", [3]), float("t1", [3]), float("g", [3]), float("k", [3])],
  });
  const parts = {
    inputs: [float("s0", [3]), float("t0", [3]), float("es", [n, 3]), float("fs", [3, n])],
    outputs: [float("sLast", [3]), float("tLast", [3]), float("gs", [n, 3]), float("ks", [3, n])],
  };
  const state = (name: string, first: string, k: number) => (k === 0 ? first : `${name}@${k - 1}`);
  const position = (name: string, at: number) => tensor(name, elementType.int64, [], raw(BigInt64Array.of(BigInt(at))));
  return {
    bytes: model({
      ...parts,
      nodes: [
        node("Scan", ["s0", "t0", "es", "fs"], ["sLast", "tLast", "gs", "ks"], {
          body,
          num_scan_inputs: 2,
          scan_input_axes: [0, 1],
          scan_input_directions: [0, 1],
          scan_output_axes: [0, 1],
          scan_output_directions: [1, 0],
        }),
      ],
      initializers: [weights[0] as Uint8Array],
    }),
    feed: {
      s0: floatValue([3], noise(3, 26)),
      t0: floatValue([3], noise(3, 27)),
      es: floatValue([n, 3], noise(3 * n, 28)),
      fs: floatValue([3, n], noise(3 * n, 29)),
    },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          ...unrolled(n, (k) => [
            node("Gather", ["es", `at@${k}`], [`e@${k}`], { axis: 0 }),
            node("Gather", ["fs", `at@${n - 1 - k}`], [`f@${k}`], { axis: 1 }),
            node("MatMul", [state("s1", "s0", k), "w"], [`p@${k}`]),
            node("Add", [`p@${k}`, `e@${k}`], [`s1@${k}`]),
            node("Mul", [state("t1", "t0", k), `f@${k}`], [`q@${k}`]),
            node("Sub", [`q@${k}`, `s1@${k}`], [`t1@${k}`]),
            node("Tanh", [`s1@${k}`], [`g@${k}`]),
            node("Sigmoid", [`t1@${k}`], [`k@${k}`]),
          ]),
          node("Identity", [`s1@${n - 1}`], ["sLast"]),
          node("Identity", [`t1@${n - 1}`], ["tLast"]),
          ...collected(rounds("g", n).toReversed(), "gs"),
          ...rounds("k", n).map((t) => node("Unsqueeze", [t, "second"], [`${t}/column`])),
          node(
            "Concat",
            rounds("k", n).map((t) => `${t}/column`),
            ["ks"],
            { axis: 1 },
          ),
        ],
        initializers: [...weights, ...unrolled(n, (k) => [position(`at@${k}`, k)])],
      }),
      of: Object.fromEntries(["p", "s1", "q", "t1", "g", "k"].map((t) => [t, rounds(t, n)])),
    },
  };
}

export const loops: Readonly<Record<string, Torture>> = {
  "a Loop with an If inside": loopWithIf(),
  "a Loop inside a Loop": loopInLoop(),
  "a Loop whose states change places": swapped(),
  "a Loop that ends early by its condition": earlyExit(),
  "a Loop without a round": noRound(),
  "a Loop whose 17th round overflows": overflowIn17th("input"),
  "a Loop whose 17th round overflows, started by an initializer": overflowIn17th("initializer"),
  "a Scan with two states, two inputs and reversed directions": scan(),
};
