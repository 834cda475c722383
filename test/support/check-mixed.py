"""Checks mixed-precision models with the onnx package and loads them in ONNX Runtime: check-mixed.py MODEL... Prints one JSON object per model."""
import json
import sys

import onnx
import onnxruntime


def problems_of(path):
    model = onnx.load(path)
    onnx.checker.check_model(path, full_check=False)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return model


for path in sys.argv[1:]:
    found = {"path": path}
    try:
        model = problems_of(path)
        weights = {i.name for i in model.graph.initializer}
        found["inputs"] = {v.name: v.type.tensor_type.elem_type for v in model.graph.input if v.name not in weights}
        found["outputs"] = {v.name: v.type.tensor_type.elem_type for v in model.graph.output}
    except Exception as error:  # whatever is wrong is the answer
        found["problem"] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))
