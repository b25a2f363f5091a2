"""Products with bias and GELU in one kernel, out = gelu(A W^T + b), against what PyTorch has for that."""

import torch

from timing import geometric_mean, side_by_side

NAME = "fused"
TITLE = "Matrix products with bias and GELU, f16"

SHAPES = [(4096, 4096, 4096), (1500, 5120, 1280), (1500, 1536, 384), (12000, 3840, 1280)]

functional = torch.nn.functional


def composed(a, w, b, activation):
    """PyTorch's ways: a product with bias and an activation after it, the same compiled, and for the tanh form cuBLASLt's
    own epilogue."""
    approximate = "tanh" if activation == "gelu_tanh" else "none"

    def plain(a, w, b):
        return functional.gelu(functional.linear(a, w, b), approximate=approximate)

    compiled = torch.compile(plain, dynamic=False)
    ways = {"torch": lambda: plain(a, w, b), "compiled": lambda: compiled(a, w, b)}
    if activation == "gelu_tanh":
        ways["cublaslt"] = lambda: torch._addmm_activation(b, a, w.t(), use_gelu=True)
    return ways


def measure(bench):
    library = bench.library("bench-gemm16")
    rows = []
    for activation in ("gelu", "gelu_tanh"):
        for m, n, k in SHAPES:
            half = torch.float16
            a, w, b = (t.to(half) for t in (bench.normal(m, k), bench.normal(n, k, scale=k**-0.5), bench.normal(n)))
            out = torch.full((m, n), float("nan"), device="cuda", dtype=half)
            kernel = bench.kernel(library, f"gemm_f16_{n}x{k}_{activation}")
            ways = composed(a, w, b, activation)
            if not bench.compiled:
                ways.pop("compiled")
            sides = {"ptxmill": (kernel.bind(bench.stream, a, w, b, out, m=m), bench.torch_stream), **ways}
            times = side_by_side(sides, bench.rounds)
            exact = functional.gelu(a.double() @ w.double().t() + b.double(),
                                    approximate="tanh" if activation == "gelu_tanh" else "none")
            errors = {"ptxmill": bench.error(out, exact), "torch": bench.error(ways["torch"](), exact)}
            peer = min(ways, key=times.get)
            rows.append(bench.row({"activation": activation, "m": m, "n": n, "k": k}, times, errors, peer, "ptxmill"))
    return rows


def summary(rows):
    def of(activation):
        ratios = [r["ratio"] for r in rows if r["activation"] == activation]
        return f"{activation} {geometric_mean(ratios):.3f}, least {min(ratios):.3f}"

    return "geometric mean of PyTorch's best over ours: " + "; ".join(of(a) for a in ("gelu", "gelu_tanh"))
