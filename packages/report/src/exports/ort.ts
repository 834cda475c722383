import { wordOf } from "../view.js";
import { address, addressPins, type ExportedFormat, type ExportSubject } from "./subject.js";

/**
 * The plan for ONNX Runtime's and onnxconverter-common's `convert_float_to_float16`: `node_block_list.json`, and `convert.py`, which runs either with it.
 * Constants that pinned nodes read are blocked too: both tools round the value of every other Constant. Initializers follow their readers.
 */
export function exportOrt(subject: ExportSubject): ExportedFormat {
  const { nodes, lost } = addressPins(subject);
  const pinned = new Set(nodes);
  const constants = address(
    subject,
    subject.nodes.filter((n) => n.readByPinned === true && !pinned.has(n)),
  );
  const casts = address(
    subject,
    subject.nodes.filter((n) => n.castsToFloat === true && !n.pinned),
  );
  const document = {
    model: subject.modelPath,
    modelDigest: subject.plan.modelDigest,
    node_block_list: [...nodes, ...constants.nodes].map((n) => n.name),
    casts_to_float: casts.nodes.map((n) => n.name),
  };
  const notes = [
    ...(wordOf(subject.result) === "FP16"
      ? []
      : [
          "The plan is for BF16, and neither tool converts to it: convert.py makes FP16, which was not measured. Use the model that `halfscope apply` writes.",
        ]),
    "Both tools keep a list of operator types in FP32 besides (op_block_list), because they lack FP16 kernels.",
    ...(constants.lost.length === 0
      ? []
      : [`${constants.lost.length} constants of pinned nodes cannot be named and are rounded to FP16: their values change.`]),
    ...(casts.lost.length === 0
      ? []
      : [
          `${casts.lost.length} Casts to FP32 cannot be named: onnxconverter-common leaves them as they are, and ONNX Runtime may refuse its output.`,
        ]),
  ];
  return {
    files: [
      { path: "node_block_list.json", content: `${JSON.stringify(document, null, 2)}\n` },
      { path: "convert.py", content: script, executable: true },
    ],
    addressed: nodes.length,
    lost,
    notes,
  };
}

/** Names are read from the file beside it, so that none of them is ever Python. */
const script = `#!/usr/bin/env python3
"""Converts a model to FP16 and leaves the nodes of node_block_list.json in FP32.

python3 convert.py MODEL OUTPUT [onnxruntime | onnxconverter-common]

Check the outcome with: halfscope verify MODEL OUTPUT
"""
import json
import pathlib
import sys

import onnx

if len(sys.argv) not in (3, 4):
    sys.exit(__doc__)
lists = json.loads(pathlib.Path(__file__).with_name("node_block_list.json").read_text(encoding="utf-8"))
blocked = lists["node_block_list"]
if len(sys.argv) == 4 and sys.argv[3] == "onnxconverter-common":
    from onnxconverter_common.float16 import convert_float_to_float16

    # It leaves Casts to FLOAT as they are while their readers become FP16, and ONNX Runtime refuses that: block those Casts.
    blocked = blocked + lists["casts_to_float"]
else:
    from onnxruntime.transformers.float16 import convert_float_to_float16

model = onnx.load(sys.argv[1])
names_before = {node.name for node in model.graph.node}
converted = convert_float_to_float16(
    model,
    # The range of FP16; onnxconverter-common's own limits (1e-7 and 1e4) change weights that FP16 can hold.
    min_positive_val=5.96e-08,
    max_finite_val=65504.0,
    keep_io_types=True,
    node_block_list=blocked,
)


def added_cast(node, to):
    return node.op_type == "Cast" and node.name not in names_before and node.attribute[0].i == to


# onnxruntime's converter passes values between two pinned nodes through FP16 and back, where they may overflow: take such pairs out.
graph = converted.graph
before_half = {node.output[0]: node.input[0] for node in graph.node if added_cast(node, 10)}
direct = {node.output[0]: before_half[node.input[0]] for node in graph.node if added_cast(node, 1) and node.input[0] in before_half}
direct = {name: full for name, full in direct.items() if name not in {output.name for output in graph.output}}
for node in graph.node:
    for i, name in enumerate(node.input):
        if name in direct:
            node.input[i] = direct[name]
# It also adds the same Cast again for every pinned reader of a tensor, and then refuses its own file.
once = {node.SerializeToString(): node for node in graph.node if not (node.output and node.output[0] in direct)}
nodes = [onnx.NodeProto.FromString(text) for text in once]
del graph.node[:]
graph.node.extend(nodes)
onnx.save(converted, sys.argv[2])
`;
