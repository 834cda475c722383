/** If: what branches take from outside, define for themselves and give back. */
import { bool, float, floats, graph, int64s, model, node } from "../build.js";
import { boolValue, floatValue, noise, type Torture } from "../torture.js";

const face = [2, 3];
const square = (name: string, seed: number) => floats(name, [3, 3], noise(9, seed));
const feedOf = (flags: Readonly<Record<string, boolean>>, seed = 1) => ({
  x: floatValue(face, noise(6, seed)),
  ...Object.fromEntries(Object.entries(flags).map(([name, on]) => [name, boolValue(on)])),
});

/**
 * An If inside an If whose branches read the graph's input, a tensor of the main graph and one of the branch around, while all four branches use the
 * same names for their own.
 */
function nested(outer: boolean, inner: boolean): Torture {
  const innerBranch = (opType: string, activation: string) =>
    graph({
      nodes: [node(opType, ["a", "h"], ["r"]), node("Add", ["r", "x"], ["q"]), node(activation, ["q"], ["s"])],
      outputs: [float("s", face)],
    });
  const bytes = model({
    nodes: [
      node("MatMul", ["x", "w0"], ["h"]),
      node("If", ["outer"], ["y"], {
        then_branch: graph({
          nodes: [
            node("Add", ["h", "b"], ["a"]),
            node("If", ["inner"], ["z"], { then_branch: innerBranch("Mul", "Tanh"), else_branch: innerBranch("Sub", "Sigmoid") }),
            node("Mul", ["z", "a"], ["o"]),
          ],
          outputs: [float("o", face)],
        }),
        else_branch: graph({ nodes: [node("Sub", ["h", "b"], ["a"]), node("Exp", ["a"], ["o"])], outputs: [float("o", face)] }),
      }),
      node("MatMul", ["y", "w1"], ["out"]),
    ],
    inputs: [float("x", face), bool("outer"), bool("inner")],
    outputs: [float("out", face)],
    initializers: [square("w0", 2), square("w1", 3), floats("b", [3], noise(3, 4))],
  });
  const inlined = (opType: string, activation: string) => [
    node(opType, ["a", "h"], ["r"]),
    node("Add", ["r", "x"], ["q"]),
    node(activation, ["q"], ["s"]),
    node("Identity", ["s"], ["z"]),
    node("Mul", ["z", "a"], ["o"]),
  ];
  const twin = model({
    nodes: [
      node("MatMul", ["x", "w0"], ["h"]),
      node(outer ? "Add" : "Sub", ["h", "b"], ["a"]),
      ...(outer ? (inner ? inlined("Mul", "Tanh") : inlined("Sub", "Sigmoid")) : [node("Exp", ["a"], ["o"])]),
      node("Identity", ["o"], ["y"]),
      node("MatMul", ["y", "w1"], ["out"]),
    ],
    inputs: [float("x", face), bool("outer"), bool("inner")],
    outputs: [float("out", face)],
    initializers: [square("w0", 2), square("w1", 3), floats("b", [3], noise(3, 4))],
  });
  // Names that a branch repeats get a number behind them: first come those of the outer then_branch, then its inner ones, then the else_branch.
  const taken = (on: boolean, name: string, own: string) => ({ [name]: on ? [own] : [] });
  const of = {
    ...taken(outer, "a", "a"),
    ...taken(outer, "o", "o"),
    ...taken(outer, "z", "z"),
    ...Object.assign({}, ...["r", "q", "s"].flatMap((t) => [taken(outer && inner, t, t), taken(outer && !inner, `${t}_2`, t)])),
    ...taken(!outer, "a_2", "a"),
    ...taken(!outer, "o_2", "o"),
  };
  return { bytes, feed: feedOf({ outer, inner }), twin: { bytes: twin, of } };
}

/** Branches that do nothing but hand outer values on, one of them an initializer and one the graph's input. */
function handedOn(flag: boolean): Torture {
  const identity = (from: string) => graph({ nodes: [node("Identity", [from], ["v"])], outputs: [float("v", face)] });
  const head = [node("MatMul", ["x", "w"], ["h"]), node("Tanh", ["h"], ["t"])];
  const tail = [node("Add", ["y", "h"], ["s"]), node("MatMul", ["s", "w"], ["out"])];
  const parts = {
    inputs: [float("x", face), bool("flag")],
    outputs: [float("out", face), float("y", face)],
    initializers: [square("w", 5), floats("c", face, noise(6, 6))],
  };
  return {
    bytes: model({
      ...parts,
      nodes: [...head, node("If", ["flag"], ["y"], { then_branch: identity("t"), else_branch: identity("c") }), ...tail],
    }),
    feed: feedOf({ flag }),
    twin: {
      bytes: model({ ...parts, nodes: [...head, node("Identity", [flag ? "t" : "c"], ["v"]), node("Identity", ["v"], ["y"]), ...tail] }),
      of: { v: flag ? ["v"] : [], v_2: flag ? [] : ["v"] },
    },
  };
}

/** An initializer that the main graph reads, both branches read, and that has namesakes inside the branches; integer ones too. */
function initializers(flag: boolean): Torture {
  const branch = (seed: number, activation: string) =>
    graph({
      nodes: [
        node("MatMul", ["h", "own"], ["p"]),
        node("MatMul", ["p", "w"], ["q"]),
        node("Reshape", ["q", "shape"], ["f"]),
        node(activation, ["f"], ["o"]),
      ],
      outputs: [float("o", [6])],
      initializers: [square("own", seed), int64s("shape", [1], [6])],
    });
  const parts = { inputs: [float("x", face), bool("flag")], outputs: [float("out", [6])] };
  const seed = flag ? 7 : 8;
  return {
    bytes: model({
      ...parts,
      nodes: [
        node("MatMul", ["x", "w"], ["h"]),
        node("If", ["flag"], ["y"], { then_branch: branch(7, "Sigmoid"), else_branch: branch(8, "Softplus") }),
        node("Tanh", ["y"], ["out"]),
      ],
      initializers: [square("w", 9)],
    }),
    feed: feedOf({ flag }),
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("MatMul", ["x", "w"], ["h"]),
          node("MatMul", ["h", "own"], ["p"]),
          node("MatMul", ["p", "w"], ["q"]),
          node("Reshape", ["q", "shape"], ["f"]),
          node(flag ? "Sigmoid" : "Softplus", ["f"], ["o"]),
          node("Identity", ["o"], ["y"]),
          node("Tanh", ["y"], ["out"]),
        ],
        initializers: [square("w", 9), square("own", seed), int64s("shape", [1], [6])],
      }),
      of: Object.fromEntries(
        ["own", "p", "q", "f", "o"].flatMap((t) => [
          [t, flag ? [t] : []],
          [`${t}_2`, flag ? [] : [t]],
        ]),
      ),
    },
  };
}

/** Nodes of the main graph and of branches under one name, and nodes without any. (ONNX Runtime refuses a name twice within one graph.) */
function repeatedNodeNames(): Torture {
  const same = { name: "same" };
  const branch = (opType: string, name: string) =>
    graph({
      nodes: [node(opType, ["h", "x"], ["a"], {}, { name }), node("Tanh", ["a"], ["o"], {}, { name: "" })],
      outputs: [float("o", face)],
    });
  const parts = {
    inputs: [float("x", face), bool("flag")],
    outputs: [float("out", face)],
    initializers: [square("w", 10)],
  };
  return {
    bytes: model({
      ...parts,
      nodes: [
        node("MatMul", ["x", "w"], ["h"], {}, same),
        node("If", ["flag"], ["y"], { then_branch: branch("Add", "same"), else_branch: branch("Sub", "") }, { name: "choice" }),
        node("If", ["flag"], ["y2"], { then_branch: branch("Mul", "same"), else_branch: branch("Max", "choice") }, { name: "" }),
        node("Add", ["y", "y2"], ["s"], {}, { name: "" }),
        node("MatMul", ["s", "w"], ["out"], {}, { name: "" }),
      ],
    }),
    feed: feedOf({ flag: true }),
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("MatMul", ["x", "w"], ["h"]),
          node("Add", ["h", "x"], ["a"]),
          node("Tanh", ["a"], ["o"]),
          node("Identity", ["o"], ["y"]),
          node("Mul", ["h", "x"], ["a_3"]),
          node("Tanh", ["a_3"], ["o_3"]),
          node("Identity", ["o_3"], ["y2"]),
          node("Add", ["y", "y2"], ["s"]),
          node("MatMul", ["s", "w"], ["out"]),
        ],
      }),
      of: { a_2: [], o_2: [], a_4: [], o_4: [] },
    },
  };
}

/** A branch whose own tensors have the names of tensors of the main graph that it does not read. */
function shadowed(): Torture {
  const parts = { inputs: [float("x", face), bool("flag")], outputs: [float("out", face)], initializers: [square("w", 11)] };
  return {
    bytes: model({
      ...parts,
      nodes: [
        node("MatMul", ["x", "w"], ["h"]),
        node("If", ["flag"], ["y"], {
          then_branch: graph({ nodes: [node("Tanh", ["h"], ["t"]), node("Mul", ["t", "x"], ["out"])], outputs: [float("out", face)] }),
          else_branch: graph({ nodes: [node("Exp", ["h"], ["t"]), node("Neg", ["t"], ["out"])], outputs: [float("out", face)] }),
        }),
        node("Sigmoid", ["y"], ["t"]),
        node("Add", ["t", "h"], ["out"]),
      ],
    }),
    feed: feedOf({ flag: true }),
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("MatMul", ["x", "w"], ["h"]),
          node("Tanh", ["h"], ["t_2"]),
          node("Mul", ["t_2", "x"], ["out_2"]),
          node("Identity", ["out_2"], ["y"]),
          node("Sigmoid", ["y"], ["t"]),
          node("Add", ["t", "h"], ["out"]),
        ],
      }),
      of: { t_3: [], out_3: [] },
    },
  };
}

export const branches: Readonly<Record<string, Torture>> = {
  "an If inside an If, then and then": nested(true, true),
  "an If inside an If, then and else": nested(true, false),
  "an If inside an If, else": nested(false, true),
  "an If whose branches hand outer values on, an activation": handedOn(true),
  "an If whose branches hand outer values on, an initializer": handedOn(false),
  "an If with initializers of its own beside a shared one, then": initializers(true),
  "an If with initializers of its own beside a shared one, else": initializers(false),
  "node names that are empty or repeated, in branches too": repeatedNodeNames(),
  "branches that repeat names of the graph around them": shadowed(),
};
