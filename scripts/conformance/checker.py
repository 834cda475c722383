"""The ONNX checker with full checks (strict shape inference) as a service: reads one path per line, answers each with one JSON object per line."""
import json
import sys

import onnx


def problem_of(path):
    try:
        onnx.checker.check_model(path, full_check=True)
        onnx.shape_inference.infer_shapes(onnx.load(path), check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:  # whatever is wrong is the answer
        return f"{type(error).__name__}: {error}"
    return None


print(json.dumps({"version": onnx.__version__}), flush=True)
for line in sys.stdin:
    path = json.loads(line)
    print(json.dumps({"path": path, "problem": problem_of(path)}), flush=True)
