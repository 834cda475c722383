"""Converts MODEL with other tools and says what ONNX Runtime's CPU provider makes of each file: one line of JSON per file.

usage: convert.py MODEL FEED.npz FOLDER NAME...   (names of `tools` below)
"""
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort


def common(**options):
    from onnxconverter_common import float16

    return float16.convert_float_to_float16(onnx.load(model), **options)


def runtime(**options):
    from onnxruntime.transformers import float16

    return float16.convert_float_to_float16(onnx.load(model), **options)


def mixed():
    from onnxconverter_common import auto_mixed_precision, float16

    # It converts with the defaults, so its own fault has to be kept from it by operator.
    float16.DEFAULT_OP_BLOCK_LIST.append("Cast")
    return auto_mixed_precision.auto_convert_mixed_precision(
        onnx.load(model), dict(np.load(feed)), rtol=3e-3, atol=1e-3, keep_io_types=True
    )


def autocast(*options):
    path = f"{folder}/autocast-work.onnx"
    command = [sys.executable, "-m", "modelopt.onnx.autocast", "--onnx_path", model, "--output_path", path, *options]
    subprocess.run(command, check=True, capture_output=True)
    return onnx.load(path)


def casts():
    return [n.name for n in onnx.load(model).graph.node if n.op_type == "Cast"]


normalisation = ["Pow", "ReduceMean", "Softmax"]
tools = {
    "common-default": lambda: common(),
    "common-keep-io": lambda: common(keep_io_types=True),
    "common-blocked-cast": lambda: common(keep_io_types=True, node_block_list=casts()),
    "common-mixed": mixed,
    "runtime-keep-io": lambda: runtime(keep_io_types=True),
    "runtime-half-io": lambda: runtime(keep_io_types=False),
    "runtime-blocked": lambda: runtime(keep_io_types=True, op_block_list=normalisation),
    "autocast": lambda: autocast("--keep_io_types"),
    "autocast-data": lambda: autocast("--keep_io_types", "--calibration_data", feed, "--providers", "cpu"),
}


def relative_error(path):
    """Relative L2 of the worst output on ONNX Runtime's CPU provider."""
    feeds = dict(np.load(feed))
    expected = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, feeds)
    found = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feeds)
    return max(float(np.linalg.norm(f.astype(np.float64) - e) / np.linalg.norm(e)) for f, e in zip(found, expected))


model, feed, folder, *names = sys.argv[1:]
stdout, sys.stdout = sys.stdout, sys.stderr  # the tools print
for name in names:
    path = f"{folder}/{name}.onnx"
    onnx.save(tools[name](), path)
    answer = {"name": name, "path": path}
    try:
        answer["cpuError"] = relative_error(path)
    except Exception as error:
        answer["refused"] = str(error)
    print(json.dumps(answer), file=stdout, flush=True)
