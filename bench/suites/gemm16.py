"""Products of rows with a weight matrix on the tensor cores, out = A W^T, against cuBLAS through PyTorch."""

import contextlib

import torch

from suites.gemm import SHAPES
from timing import geometric_mean, side_by_side

NAME = "gemm16"
TITLE = "Matrix products on the tensor cores"

# How ours multiplies, the operands' type, and whether PyTorch may round them to tf32.
KINDS = [("bf16", torch.bfloat16, False), ("f16", torch.float16, False), ("tf32", torch.float32, True),
         ("3xtf32", torch.float32, False)]


@contextlib.contextmanager
def tf32(allowed):
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def measure(bench, kinds=("bf16", "f16", "tf32", "3xtf32"), tiles=("auto",)):
    """`tiles` other than auto are in the library for bf16 only."""
    library = bench.library("bench-gemm16")
    rows = []
    for kind, dtype, allowed in KINDS:
        if kind not in kinds:
            continue
        for m, n, k in SHAPES:
            a, w = bench.normal(m, k).to(dtype), bench.normal(n, k, scale=k**-0.5).to(dtype)
            sides, outs = {}, {}
            for tile in tiles:
                name = "ptxmill" if tile == "auto" else tile
                outs[name] = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
                kernel = bench.kernel(library, f"gemm_{kind}_{n}x{k}" + ("" if tile == "auto" else "_" + tile))
                sides[name] = (kernel.bind(bench.stream, a, w, outs[name], m=m), bench.torch_stream)
            outs["torch"] = torch.empty(m, n, device="cuda", dtype=dtype)
            sides["torch"] = lambda: torch.matmul(a, w.t(), out=outs["torch"])
            with tf32(allowed):
                times = side_by_side(sides, bench.rounds)
            exact = a.double() @ w.double().t()
            row = bench.row({"type": kind, "m": m, "n": n, "k": k}, times,
                            {name: bench.error(outs[name], exact) for name in outs}, "torch", next(iter(sides)))
            row["TFLOP/s"] = round(2e-6 * m * n * k / min(us for name, us in times.items() if name != "torch"), 1)
            rows.append(row)
    return rows


def summary(rows):
    def of(kind):
        ratios = [r["ratio"] for r in rows if r["type"] == kind]
        return f"{kind} {geometric_mean(ratios):.3f}, least {min(ratios):.3f}"

    return "geometric mean of PyTorch's time over ours: " + "; ".join(of(k) for k in dict.fromkeys(r["type"] for r in rows))
