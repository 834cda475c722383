"""FP16 products as PyTorch runs them on a GPU, with sums in FP32 (its default) and in FP16, against the FP64 product of the same inputs.

    python3 pytorch-products.py OUT.json

Per product: kernels that ran, mean and largest absolute error over the whole result, and the bits of a block of it (hash_values.block). Needs PyTorch 2.7
or later with CUDA, and numpy. Run it when another GPU or PyTorch is to be compared with test/hardware/products-h200."""

import json
import re
import sys

import numpy as np
import torch

from hash_values import block, convolutions, operands, products


def kernel_names(work) -> list[str]:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]) as profile:
        work()
        torch.cuda.synchronize()
    names = [e.name for e in profile.events() if e.device_type == torch.autograd.DeviceType.CUDA]
    # Template arguments of CUTLASS name the kernel, of others they are noise.
    short = [re.sub(r"^void (cutlass\w*::Kernel2?<(\w+).*|([\w:]+)<.*)$", lambda m: m[2] or m[3], n) for n in names]
    return [n for n in dict.fromkeys(short) if not n.startswith(("Memcpy", "Memset"))]


def errors(result: torch.Tensor, exact: torch.Tensor) -> dict:
    error = (result.double() - exact).abs()
    return dict(meanAbs=float(error.mean()), maxAbs=float(error.max()), rmsExact=float(exact.square().mean().sqrt()))


def measure(case: dict, variant: str, half_sums: bool, work, exact: torch.Tensor) -> dict:
    torch.backends.cuda.matmul.allow_fp16_accumulation = half_sums
    result = work()
    names = kernel_names(work)
    return dict(case, variant=variant, sums="float16" if half_sums else "float32", kernels=names, **errors(result, exact), block=block(case, result.cpu().numpy()))


def main(path: str) -> None:
    measured = []
    for case in products():
        a, b = (torch.from_numpy(np.ascontiguousarray(x)).cuda() for x in operands(case))
        exact = a.double() @ b.double()
        for half_sums in (True, False):
            if case["weights"]:
                # A weight as ONNX's MatMul has it, [k, n], and as torch.nn.Linear has it, [n, k].
                row, column = b[0].contiguous(), b[0].T.contiguous()
                measured.append(measure(case, "k-by-n", half_sums, lambda: a @ row, exact))
                measured.append(measure(case, "n-by-k", half_sums, lambda: torch.nn.functional.linear(a, column), exact))
            else:
                measured.append(measure(case, "k-by-n", half_sums, lambda: torch.matmul(a, b.contiguous()), exact))
    for case in convolutions():
        x, w = (torch.from_numpy(np.ascontiguousarray(v)).cuda() for v in operands(case))
        pad = case["kernel"] // 2
        exact = torch.nn.functional.conv2d(x.double(), w.double(), padding=pad)
        last = dict(memory_format=torch.channels_last)
        measured.append(measure(case, "nchw", False, lambda: torch.nn.functional.conv2d(x, w, padding=pad), exact))
        measured.append(measure(case, "nhwc", False, lambda: torch.nn.functional.conv2d(x.to(**last), w.to(**last), padding=pad), exact))
    head = dict(
        schema="halfscope/products/1",
        engine=f"PyTorch {torch.__version__}",
        gpu=torch.cuda.get_device_name(),
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version(),
    )
    lines = ",\n    ".join(json.dumps(m) for m in measured)
    with open(path, "w") as file:
        file.write(json.dumps(head, indent=2)[:-2] + f',\n  "products": [\n    {lines}\n  ]\n}}\n')


if __name__ == "__main__":
    main(sys.argv[1])
