"""Puts what tensorrt-tensors wrote into one compact file: its table, and the kernel that TensorRT chose for each product of the marked and the unmarked engine.

    python3 tensorrt-store.py RUN_FOLDER OUT.json

Run it after tensorrt-tensors, to store a measurement under test/hardware/."""

import json
import os
import re
import sys

PRODUCTS = re.compile(r"gemm|fprop|conv|mha", re.IGNORECASE)


def kernels(path: str) -> dict:
    """Per kernel of a product, the ONNX nodes that it computes; per type of number, how many engine layers give it."""
    with open(path) as file:
        layers = json.load(file)["Layers"]
    found: dict[str, list[str]] = {}
    types: dict[str, int] = {}
    for layer in layers:
        for output in layer.get("Outputs", [])[:1]:
            kind = output["Format/Datatype"].split()[-1] if "FP" not in output["Format/Datatype"] else re.search(r"FP\d+", output["Format/Datatype"])[0]
            types[kind] = types.get(kind, 0) + 1
        tactic = layer.get("TacticName") or ""
        nodes = re.findall(r"\[ONNX Layer: ([^\]]*)\]", layer.get("Metadata", ""))
        if PRODUCTS.search(tactic) and "Reformat" not in layer["LayerType"]:
            found.setdefault(re.sub(r"_0x[0-9a-f]+$", "", tactic), []).append(" + ".join(nodes))
    return dict(layers=len(layers), types=types, products=found)


def main(folder: str, path: str) -> None:
    with open(f"{folder}/tensors.json") as file:
        run = json.load(file)
    tensors, outputs = run.pop("tensors"), run.pop("outputsUnmarked")
    found = {name: f"{folder}/layers-{file}.json" for name, file in (("marked", "fp16-marked"), ("unmarked", "fp16"))}
    run["kernels"] = {name: kernels(layers) for name, layers in found.items() if os.path.exists(layers)}
    rows = lambda table: ",\n    ".join(json.dumps(row) for row in table)
    with open(path, "w") as file:
        file.write(json.dumps(run, indent=1)[:-2])
        file.write(f',\n  "outputsUnmarked": [\n    {rows(outputs)}\n  ],\n  "tensors": [\n    {rows(tensors)}\n  ]\n}}\n')


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
