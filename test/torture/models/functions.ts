/** Local functions: calls inside calls, overloads, attribute references with and without defaults, bodies that call, functions that branch. */
import { attribute, attributeTypes, bool, elementType, float, floats, fn, graph, int64, model, node, raw, tensor } from "../build.js";
import { boolValue, floatValue, noise, rounds, type Torture } from "../torture.js";

const face = [2, 3];
const x = floatValue(face, noise(6, 40));
const w = floats("w", [3, 3], noise(9, 41));
const local = (name = "", overload = "") => ({ domain: "local", name, overload });
const opsets = { "": 17, local: 1, other: 1 };

/** LeakyRelu with the call's slope or 0.125, and an overload of the same name that is a Sigmoid. */
const act = fn({
  ...local("Act"),
  inputs: ["X"],
  outputs: ["Y"],
  defaults: [attribute("slope", { float: 0.125 })],
  nodes: [node("LeakyRelu", ["X"], ["Y"], { alpha: { ref: "slope", type: attributeTypes.float } }, { name: "leaky" })],
  opsets: { "": 17 },
});
const smoothAct = fn({
  ...local("Act", "smooth"),
  inputs: ["X"],
  outputs: ["Y"],
  nodes: [node("Sigmoid", ["X"], ["Y"], {}, { name: "leaky" })],
  opsets: { "": 17 },
});
/** Calls another function twice and hands its own attribute on; `T` is a name that its callers have too. */
const block = fn({
  ...local("Block"),
  inputs: ["X", "W"],
  outputs: ["Y", "T"],
  attributes: ["slope"],
  nodes: [
    node("MatMul", ["X", "W"], ["T"], {}, { name: "product" }),
    node("Act", ["T"], ["A"], { slope: { ref: "slope", type: attributeTypes.float } }, { name: "first", domain: "local" }),
    node("Act", ["A"], ["B"], {}, { name: "second", domain: "local" }),
    node("Add", ["B", "T"], ["Y"], {}, { name: "sum" }),
  ],
  opsets: { "": 17, local: 1 },
});

/** Three calls of a function that calls functions, one of them without a name and one whose name repeats in the function. */
function callsInCalls(): Torture {
  const parts = { inputs: [float("x", face)], outputs: [float("out", face), float("T", face)], initializers: [w], opsets };
  const inlined = (call: string, input: string, slope: number, y: string, t: string) => [
    node("MatMul", [input, "w"], [t]),
    node("LeakyRelu", [t], [`${call}/A`], { alpha: { float: slope } }),
    node("LeakyRelu", [`${call}/A`], [`${call}/B`], { alpha: { float: 0.125 } }),
    node("Add", [`${call}/B`, t], [y]),
  ];
  const call = (inputs: string[], outputs: string[], slope: number, name: string) =>
    node("Block", inputs, outputs, { slope: { float: slope } }, { domain: "local", name });
  return {
    bytes: model({
      ...parts,
      nodes: [
        call(["x", "w"], ["a", ""], 0.3, "call"),
        call(["a", "w"], ["b", "T"], 0.7, "again"),
        call(["b", "w"], ["c", ""], 0.9, ""),
        node("Act", ["c"], ["d"], {}, { domain: "local", overload: "smooth" }),
        node("Act", ["d"], ["e"], {}, { domain: "local" }),
        node("Tanh", ["e"], ["out"]),
      ],
      functions: [block, act, smoothAct],
    }),
    feed: { x },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          ...inlined("call", "x", 0.3, "a", "call/T"),
          ...inlined("again", "a", 0.7, "b", "T"),
          ...inlined("c", "b", 0.9, "c", "c/T"),
          node("Sigmoid", ["c"], ["d"]),
          node("LeakyRelu", ["d"], ["e"], { alpha: { float: 0.125 } }),
          node("Tanh", ["e"], ["out"]),
        ],
      }),
      of: {},
    },
  };
}

/** The overload is called from inside a function. */
function overloadInside(): Torture {
  const outer = fn({
    ...local("Outer"),
    inputs: ["X"],
    outputs: ["Y"],
    nodes: [
      node("Act", ["X"], ["T"], {}, { name: "plain", domain: "local" }),
      node("Act", ["T"], ["Y"], {}, { name: "smooth", domain: "local", overload: "smooth" }),
    ],
    opsets: { "": 17, local: 1 },
  });
  const parts = { inputs: [float("x", face)], outputs: [float("out", face)], opsets };
  return {
    bytes: model({
      ...parts,
      nodes: [node("Outer", ["x"], ["y"], {}, { domain: "local", name: "call" }), node("Tanh", ["y"], ["out"])],
      functions: [outer, act, smoothAct],
    }),
    feed: { x },
    runtimeDiffers: "it calls the function without overload",
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("LeakyRelu", ["x"], ["call/T"], { alpha: { float: 0.125 } }),
          node("Sigmoid", ["call/T"], ["y"]),
          node("Tanh", ["y"], ["out"]),
        ],
      }),
      of: {},
    },
  };
}

/** A function of another domain, called inside a branch with an outer tensor, and one that holds an If of its own with an attribute reference inside. */
function inBranches(flag: boolean): Torture {
  const gate = fn({
    ...local("Gate"),
    inputs: ["X", "F"],
    outputs: ["Y"],
    attributes: ["slope"],
    nodes: [
      node("Abs", ["X"], ["T"], {}, { name: "" }),
      node(
        "If",
        ["F"],
        ["Y"],
        {
          then_branch: graph({
            nodes: [
              node("LeakyRelu", ["X"], ["S"], { alpha: { ref: "slope", type: attributeTypes.float } }),
              node("Act", ["S"], ["R"], { slope: { ref: "slope", type: attributeTypes.float } }, { domain: "local" }),
              node("Sub", ["R", "T"], ["Q"]),
            ],
            outputs: [float("Q", face)],
          }),
          else_branch: graph({ nodes: [node("Exp", ["T"], ["S"]), node("Sub", ["S", "X"], ["Q"])], outputs: [float("Q", face)] }),
        },
        { name: "choice" },
      ),
    ],
    opsets: { "": 17, local: 1 },
  });
  const double = fn({
    domain: "other",
    name: "Double",
    inputs: ["V"],
    outputs: ["D"],
    nodes: [node("Add", ["V", "V"], ["S"], {}, { name: "" }), node("Tanh", ["S"], ["D"], {}, { name: "" })],
    opsets: { "": 17 },
  });
  const parts = {
    inputs: [float("x", face), bool("flag")],
    outputs: [float("out", face)],
    initializers: [w],
    opsets,
  };
  const head = node("MatMul", ["x", "w"], ["h"]);
  return {
    bytes: model({
      ...parts,
      nodes: [
        head,
        node("Gate", ["h", "flag"], ["g"], { slope: { float: 0.41 } }, { domain: "local", name: "gate" }),
        node("If", ["flag"], ["y"], {
          then_branch: graph({
            nodes: [node("Double", ["g"], ["S"], {}, { domain: "other", name: "call" }), node("Mul", ["S", "h"], ["o"])],
            outputs: [float("o", face)],
          }),
          else_branch: graph({
            nodes: [node("Double", ["h"], ["S"], {}, { domain: "other", name: "call" }), node("Mul", ["S", "g"], ["o"])],
            outputs: [float("o", face)],
          }),
        }),
        node("Sin", ["y"], ["out"]),
      ],
      functions: [gate, double, act],
    }),
    feed: { x, flag: boolValue(flag) },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          head,
          node("Abs", ["h"], ["gate/T"]),
          ...(flag
            ? [
                node("LeakyRelu", ["h"], ["gate/S"], { alpha: { float: 0.41 } }),
                node("LeakyRelu", ["gate/S"], ["gate/R"], { alpha: { float: 0.41 } }),
                node("Sub", ["gate/R", "gate/T"], ["gate/Q"]),
              ]
            : [node("Exp", ["gate/T"], ["gate/S"]), node("Sub", ["gate/S", "h"], ["gate/Q"])]),
          node("Identity", ["gate/Q"], ["g"]),
          node("Add", [flag ? "g" : "h", flag ? "g" : "h"], ["call/S"]),
          node("Tanh", ["call/S"], ["S"]),
          node("Mul", ["S", flag ? "h" : "g"], ["o"]),
          node("Identity", ["o"], ["y"]),
          node("Sin", ["y"], ["out"]),
        ],
      }),
      of: Object.fromEntries([
        ["gate/R", flag ? ["gate/R"] : []],
        ...["gate/S", "gate/Q", "call/S", "S", "o"].flatMap((t) => [
          [t, flag ? [t] : []],
          [`${t}_2`, flag ? [] : [t]],
        ]),
      ]),
    },
  };
}

/** A function called with its input in the middle left out, of whose outputs nobody takes the first and the last. */
function partlyTaken(): Torture {
  const parts = { inputs: [float("x", face)], outputs: [float("out", face)], opsets };
  const weights = [w, floats("high", [], [0.31])];
  const clipped = fn({
    ...local("Clipped"),
    inputs: ["A", "Low", "High"],
    outputs: ["Unused", "Y", "AlsoUnused"],
    nodes: [
      node("Clip", ["A", "Low", "High"], ["Y"], {}, { name: "" }),
      node("Exp", ["Y"], ["Unused"], {}, { name: "" }),
      node("Sin", ["Y"], ["AlsoUnused"], {}, { name: "" }),
    ],
    opsets: { "": 17 },
  });
  return {
    bytes: model({
      ...parts,
      nodes: [
        node("MatMul", ["x", "w"], ["h"]),
        node("Clipped", ["h", "", "high"], ["", "y", ""], {}, { domain: "local", name: "t" }),
        node("Tanh", ["y"], ["out"]),
      ],
      initializers: weights,
      functions: [clipped],
    }),
    feed: { x },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("MatMul", ["x", "w"], ["h"]),
          node("Clip", ["h", "", "high"], ["y"]),
          node("Exp", ["y"], ["t/Unused"]),
          node("Sin", ["y"], ["t/AlsoUnused"]),
          node("Tanh", ["y"], ["out"]),
        ],
        initializers: weights,
      }),
      of: {},
    },
  };
}

/** A function whose nodes all have one name, called twice, beside a node that has the name which inlining would give. */
function repeatedNames(): Torture {
  const parts = { inputs: [float("x", face)], outputs: [float("out", face)], opsets };
  const same = fn({
    ...local("Same"),
    inputs: ["X"],
    outputs: ["Y"],
    nodes: [node("Sin", ["X"], ["T"], {}, { name: "same" }), node("Exp", ["T"], ["Y"], {}, { name: "same" })],
    opsets: { "": 17 },
  });
  return {
    bytes: model({
      ...parts,
      nodes: [
        node("Same", ["x"], ["a"], {}, { domain: "local", name: "call" }),
        node("Same", ["a"], ["b"], {}, { domain: "local", name: "again" }),
        node("Tanh", ["b"], ["call/T"], {}, { name: "call/same" }),
        node("Mul", ["call/T", "a"], ["out"]),
      ],
      functions: [same],
    }),
    feed: { x },
    runtimeDiffers: "it gives two inlined nodes one name and refuses them",
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("Sin", ["x"], ["call/T_2"]),
          node("Exp", ["call/T_2"], ["a"]),
          node("Sin", ["a"], ["again/T"]),
          node("Exp", ["again/T"], ["b"]),
          node("Tanh", ["b"], ["call/T"]),
          node("Mul", ["call/T", "a"], ["out"]),
        ],
      }),
      of: {},
    },
  };
}

/** A function with a Loop inside that captures the function's own tensor; the count is an attribute of the call, in a Constant. */
function loopInside(): Torture {
  const n = 3;
  const power = fn({
    ...local("Power"),
    inputs: ["X"],
    outputs: ["Y"],
    attributes: ["times"],
    nodes: [
      node("Constant", [], ["N"], { value_int: { ref: "times", type: attributeTypes.int } }, { name: "n" }),
      node("Sigmoid", ["X"], ["H"], {}, { name: "h" }),
      node(
        "Loop",
        ["N", "", "X"],
        ["Y"],
        {
          body: graph({
            inputs: [int64("i"), bool("go"), float("a", face)],
            nodes: [node("Identity", ["go"], ["going"]), node("Mul", ["a", "H"], ["p"]), node("Sin", ["p"], ["next"])],
            outputs: [bool("going"), float("next", face)],
          }),
        },
        { name: "rounds" },
      ),
    ],
    opsets: { "": 17 },
  });
  const parts = { inputs: [float("x", face)], outputs: [float("out", face)], opsets };
  const a = (k: number) => (k === 0 ? "x" : `call/next@${k - 1}`);
  return {
    bytes: model({
      ...parts,
      nodes: [node("Power", ["x"], ["y"], { times: n }, { domain: "local", name: "call" }), node("Cos", ["y"], ["out"])],
      functions: [power],
    }),
    feed: { x },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("Sigmoid", ["x"], ["call/H"]),
          ...Array.from({ length: n }, (_, k) => [
            node("Mul", [a(k), "call/H"], [`call/p@${k}`]),
            node("Sin", [`call/p@${k}`], [`call/next@${k}`]),
          ]).flat(),
          node("Identity", [`call/next@${n - 1}`], ["y"]),
          node("Cos", ["y"], ["out"]),
        ],
      }),
      of: { "call/p": rounds("call/p", n), "call/next": rounds("call/next", n) },
    },
  };
}

/** A function written in another version of the standard operators than the model. */
function otherOpset(): Torture {
  const old = fn({
    ...local("Total"),
    inputs: ["X"],
    outputs: ["Y"],
    nodes: [node("Exp", ["X"], ["E"], {}, { name: "e" }), node("Sigmoid", ["E"], ["Y"], {}, { name: "s" })],
    opsets: { "": 16 },
  });
  return {
    bytes: model({
      inputs: [float("x", face)],
      outputs: [float("out", face)],
      nodes: [
        node("MatMul", ["x", "w"], ["h"]),
        node("Total", ["h"], ["t"], {}, { domain: "local", name: "call" }),
        node("Div", ["h", "t"], ["out"]),
      ],
      initializers: [w],
      functions: [old],
      opsets,
    }),
    feed: { x: floatValue(face, noise(6, 42).map(Math.abs)) },
  };
}

/** A Constant in a function whose tensor is an attribute of the call. */
function tensorAttribute(): Torture {
  const scaled = fn({
    ...local("Scaled"),
    inputs: ["X"],
    outputs: ["Y"],
    attributes: ["by"],
    nodes: [
      node("Constant", [], ["C"], { value: { ref: "by", type: attributeTypes.tensor } }, { name: "c" }),
      node("Mul", ["X", "C"], ["Y"], {}, { name: "m" }),
    ],
    opsets: { "": 17 },
  });
  const by = (seed: number) => ({ tensor: tensor("by", elementType.float, [3], raw(Float32Array.from(noise(3, seed)))) });
  const parts = { inputs: [float("x", face)], outputs: [float("out", face)], opsets };
  const call = (input: string, output: string, seed: number) =>
    node("Scaled", [input], [output], { by: by(seed) }, { domain: "local", name: "" });
  return {
    bytes: model({ ...parts, nodes: [call("x", "a", 43), call("a", "b", 44), node("Tanh", ["b"], ["out"])], functions: [scaled] }),
    feed: { x },
    twin: {
      bytes: model({
        ...parts,
        nodes: [
          node("Constant", [], ["a/C"], { value: by(43) }),
          node("Mul", ["x", "a/C"], ["a"]),
          node("Constant", [], ["b/C"], { value: by(44) }),
          node("Mul", ["a", "b/C"], ["b"]),
          node("Tanh", ["b"], ["out"]),
        ],
      }),
      of: {},
    },
  };
}

export const functions: Readonly<Record<string, Torture>> = {
  "functions that call functions, with overloads and attributes": callsInCalls(),
  "an overload that is called inside a function": overloadInside(),
  "functions inside branches and branches inside functions, then": inBranches(true),
  "functions inside branches and branches inside functions, else": inBranches(false),
  "a function of which only a part is taken": partlyTaken(),
  "node names that repeat in functions and around them": repeatedNames(),
  "a function with a Loop inside": loopInside(),
  "a function with a tensor as attribute": tensorAttribute(),
  "a function of another opset": otherOpset(),
};

/** Two functions that call each other: nothing can run this. */
export const recursive: Uint8Array = model({
  inputs: [float("x", face)],
  outputs: [float("out", face)],
  nodes: [node("A", ["x"], ["out"], {}, { domain: "local" })],
  functions: ["A", "B"].map((name, i) =>
    fn({
      ...local(name),
      inputs: ["X"],
      outputs: ["Y"],
      nodes: [node("Exp", ["X"], ["T"]), node("AB"[1 - i] ?? "", ["T"], ["Y"], {}, { domain: "local" })],
      opsets: { "": 17, local: 1 },
    }),
  ),
  opsets,
});
