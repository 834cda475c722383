"""Inputs of the product measurements, the same on every machine: FP16 numbers from a hash of an index, as mma/cases.h has them (kinds kBell and kSmall),
and the list of products that are measured. test/hardware/hash-values.ts is the same in TypeScript. Needs numpy."""

import numpy as np

BELL, SMALL = 0, 7


def hash_of(seed: int, index: np.ndarray) -> np.ndarray:
    """32 well mixed bits of (seed, index): the finaliser of MurmurHash3 (Austin Appleby, public domain)."""
    x = index.astype(np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x


def values(kind: int, operand: int, index: np.ndarray) -> np.ndarray:
    """FP16. BELL: the sum of four bytes less 510, over 256; SMALL: an integer in [-1024, 1024) over 16384."""
    h = hash_of(1 + kind * 4 + operand, index)
    if kind == SMALL:
        return (((h >> np.uint32(21)).astype(np.float32) - 1024) / 16384).astype(np.float16)
    total = sum(((h >> np.uint32(s)) & np.uint32(255)).astype(np.int32) for s in (0, 8, 16, 24))
    return ((total - 510).astype(np.float32) / 256).astype(np.float16)


def _index(rows: int, columns: int) -> np.ndarray:
    return (np.arange(rows, dtype=np.uint32)[:, None] * np.uint32(65536)) + np.arange(columns, dtype=np.uint32)[None, :]


def left(batch: int, m: int, k: int) -> np.ndarray:
    """A, [batch, m, k]: element (row, column) of matrix b has index (b * m + row) * 65536 + column."""
    return values(BELL, 0, _index(batch * m, k)).reshape(batch, m, k)


def right(batch: int, k: int, n: int, kind: int) -> np.ndarray:
    """B, [batch, k, n]: element (row, column) of matrix b has index (b * n + column) * 65536 + row."""
    return values(kind, 1, _index(batch * n, k)).reshape(batch, n, k).swapaxes(1, 2)


def image(channels: int, size: int) -> np.ndarray:
    """[1, channels, size, size]: index channel * 65536 + y * size + x."""
    return values(BELL, 0, _index(channels, size * size)).reshape(1, channels, size, size)


def kernels(outputs: int, inputs: int, size: int) -> np.ndarray:
    """[outputs, inputs, size, size]: index output * 65536 + (input * size + ky) * size + kx."""
    return values(SMALL, 1, _index(outputs, inputs * size * size)).reshape(outputs, inputs, size, size)


def products() -> list[dict]:
    """Matrix products. `weights`: B is a constant of small values, else it is an activation."""
    cases = [dict(batch=1, m=128, k=k, n=1024, weights=True) for k in (64, 128, 256, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192)]
    for m in (128, 512, 1536):
        cases += [dict(batch=1, m=m, k=k, n=n, weights=True) for k, n in ((1024, 1024), (1024, 4096), (4096, 1024)) if (m, n) != (128, 1024)]
    for batch, length in ((16, 128), (64, 384)):
        cases += [dict(batch=batch, m=length, k=64, n=length, weights=False), dict(batch=batch, m=length, k=length, n=64, weights=False)]
    for case in cases:
        case["name"] = "x".join(str(case[d]) for d in ("batch", "m", "k", "n"))
    return cases


def convolutions() -> list[dict]:
    """3x3 and 1x1, stride 1, padded to the same size."""
    cases = [(16, 32, 104, 3), (64, 64, 56, 3), (128, 128, 28, 3), (256, 256, 14, 3), (64, 64, 52, 1)]
    return [dict(name=f"conv{size}x{size}-{i}x{o}-{s}", inputs=i, outputs=o, size=s, kernel=size) for i, o, s, size in cases]


def operands(case: dict) -> tuple[np.ndarray, np.ndarray]:
    """FP16 A and B of a product, image and kernels of a convolution."""
    if "kernel" in case:
        return image(case["inputs"], case["size"]), kernels(case["outputs"], case["inputs"], case["kernel"])
    kind = SMALL if case["weights"] else BELL
    return left(case["batch"], case["m"], case["k"]), right(case["batch"], case["k"], case["n"], kind)


def block(case: dict, result: np.ndarray) -> str:
    """Hex of the FP16 bits (big-endian digits) of four rows and up to 64 columns, row by row: rows and columns 0 on of the first matrix; of a convolution the
    pixels (1, 1) to (1, 4) as rows and its output channels as columns."""
    part = result[0, :64, 1, 1:5].T if "kernel" in case else result.reshape(-1, *result.shape[-2:])[0, :4, :64]
    return part.astype(np.float16).view(np.uint16).astype(">u2").tobytes().hex()
