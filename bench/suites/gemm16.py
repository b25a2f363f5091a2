"""Products of rows with a weight matrix on the tensor cores, out = A W^T, against cuBLAS through PyTorch."""

import contextlib

import torch

from suites import gemm
from timing import geometric_mean, side_by_side

NAME = "gemm16"
TITLE = "Matrix products on the tensor cores"

SHAPES = [*gemm.SHAPES, (8192, 8192, 8192)]

# How ours multiplies, the operands' type, and whether PyTorch may round them to tf32. 3xtf32 is held against cuBLAS's f32.
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


def measure(bench, kinds=("bf16", "f16", "tf32", "3xtf32")):
    """bf16 is also timed in the form for sm_80 and later."""
    rows = []
    for kind, dtype, allowed in KINDS:
        if kind not in kinds:
            continue
        libraries = {"ptxmill": "bench-gemm16"} | ({"sm_80": "bench-gemm16-sm80"} if kind == "bf16" else {})
        for m, n, k in SHAPES:
            a, w = bench.normal(m, k).to(dtype), bench.normal(n, k, scale=k**-0.5).to(dtype)
            sides, outs = {}, {}
            for side, name in libraries.items():
                outs[side] = torch.full((m, n), float("nan"), device="cuda", dtype=dtype)
                kernel = bench.kernel(bench.library(name), f"gemm_{kind}_{n}x{k}")
                sides[side] = (kernel.bind(bench.stream, a, w, outs[side], m=m), bench.torch_stream)
            outs["torch"] = torch.empty(m, n, device="cuda", dtype=dtype)
            sides["torch"] = lambda: torch.matmul(a, w.t(), out=outs["torch"])
            with tf32(allowed):
                times = side_by_side(sides, bench.rounds)
            # Half a second of f64 arithmetic for the largest one.
            exact = a.double() @ w.double().t()
            row = bench.row({"type": kind, "m": m, "n": n, "k": k}, times,
                            {name: bench.error(outs[name], exact) for name in outs}, "torch", "ptxmill")
            row["TFLOP/s"] = round(2e-6 * m * n * k / times["ptxmill"], 1)
            rows.append(row)
    return rows


def summary(rows):
    def of(kind):
        ratios = [r["ratio"] for r in rows if r["type"] == kind]
        return f"{kind} {geometric_mean(ratios):.3f}, least {min(ratios):.3f}"

    words = "geometric mean of PyTorch's time over ours: " + "; ".join(of(k) for k in dict.fromkeys(r["type"] for r in rows))
    forms = [r["ptxmill us"] / r["sm_80 us"] for r in rows if "sm_80 us" in r]
    if forms:
        words += f"; the form for sm_80 has {geometric_mean(forms):.3f} of the speed of that for sm_90a, least {min(forms):.3f}"
    return words
