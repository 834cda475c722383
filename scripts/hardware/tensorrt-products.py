"""The products of hash_values.py as one ONNX model for tensorrt-tensors, and what came out as a file like pytorch-products.py's.

    python3 tensorrt-products.py make FOLDER               writes model.onnx, run.txt, prepared.json and inputs
    tensorrt-tensors FOLDER/model.onnx FOLDER FOLDER --values
    python3 tensorrt-products.py collect FOLDER OUT.json

Needs numpy and onnx. Run it when another GPU or TensorRT is to be compared with test/hardware/products-h200."""

import json
import os
import re
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hash_values import block, convolutions, operands, products


def cases() -> list[dict]:
    return products() + convolutions()


def make(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    nodes, inputs, outputs, weights, lines = [], [], [], [], []

    def feed(name: str, value: np.ndarray) -> None:
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
        value.astype(np.float32).tofile(os.path.join(folder, name + ".bin"))
        lines.append(f"input {name}.bin {value.ndim} {' '.join(map(str, value.shape))} {name}")

    for case in cases():
        name = case["name"]
        a, b = operands(case)
        feed(f"a-{name}", a)
        if "kernel" in case or case["weights"]:
            value = b if "kernel" in case else b[0]
            weights.append(numpy_helper.from_array(np.ascontiguousarray(value.astype(np.float32)), f"b-{name}"))
        else:
            feed(f"b-{name}", np.ascontiguousarray(b))
        pads = dict(pads=[case["kernel"] // 2] * 4) if "kernel" in case else {}
        nodes.append(helper.make_node("Conv" if "kernel" in case else "MatMul", [f"a-{name}", f"b-{name}"], [name], name=name, **pads))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    graph = helper.make_graph(nodes, "products", inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), os.path.join(folder, "model.onnx"))
    with open(os.path.join(folder, "run.txt"), "w") as file:
        file.write("\n".join(lines + [f"tensor {case['name']}" for case in cases()]) + "\n")
    with open(os.path.join(folder, "prepared.json"), "w") as file:
        file.write(json.dumps(dict(model="products of hash_values.py")))


def exact_result(case: dict) -> np.ndarray:
    a, b = (x.astype(np.float64) for x in operands(case))
    if "kernel" not in case:
        return a @ b
    size, half = case["kernel"], case["kernel"] // 2
    padded = np.pad(a[0], ((0, 0), (half, half), (half, half)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return np.einsum("cyxij,ocij->oyx", windows, b, optimize=True)[None]


def kernels_of(layers: list, name: str) -> list[str]:
    """Kernels of the engine layers that compute a node."""
    found = [layer.get("TacticName") or "" for layer in layers if f"[ONNX Layer: {name}]" in layer.get("Metadata", "")]
    return [tactic for tactic in dict.fromkeys(found) if re.search("gemm|fprop", tactic)]


def collect(folder: str, path: str) -> None:
    with open(os.path.join(folder, "tensors.json")) as file:
        run = json.load(file)
    with open(os.path.join(folder, "layers-fp16-marked.json")) as file:
        layers = json.load(file).get("Layers", [])
    measured = []
    for i, case in enumerate(cases()):
        exact = exact_result(case)
        result = np.fromfile(os.path.join(folder, f"value-{i}.f32"), np.float32).reshape(exact.shape)
        error = np.abs(result - exact)
        numbers = dict(meanAbs=float(error.mean()), maxAbs=float(error.max()), rmsExact=float(np.sqrt(np.square(exact).mean())))
        measured.append(dict(case, kernels=kernels_of(layers, case["name"]), **numbers, block=block(case, result)))
    head = dict(schema="halfscope/products/1", engine=f"TensorRT {run['tensorrt']}", gpu=run["gpu"])
    lines = ",\n    ".join(json.dumps(m) for m in measured)
    with open(path, "w") as file:
        file.write(json.dumps(head, indent=2)[:-2] + f',\n  "products": [\n    {lines}\n  ]\n}}\n')


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    else:
        collect(sys.argv[2], sys.argv[3])
