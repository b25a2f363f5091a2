"""Products of a few rows with a weight matrix, bf16, against cuBLAS through PyTorch; the weights are cold (cold.py)."""

import torch

from cold import add_rates, copies_of, in_turns
from timing import geometric_mean, side_by_side

NAME = "few_rows"
TITLE = "Matrix products of few rows, bf16 weights read from memory"

WEIGHTS = [(6144, 2048), (2048, 2048), (8192, 2048), (2048, 8192), (128256, 2048), (51864, 1280), (14336, 4096)]
ROWS = [2, 8, 16, 32, 64]


def measure(bench):
    library = bench.library("bench-gemm16")
    rows = []
    for n, k in WEIGHTS:
        first = bench.normal(n, k, scale=k**-0.5).to(torch.bfloat16)
        copies = copies_of(first)
        entry = bench.kernel(library, f"gemm_bf16_{n}x{k}")
        for m in ROWS:
            a = bench.normal(m, k).to(torch.bfloat16)
            outs = {side: torch.full((m, n), float("nan"), dtype=torch.bfloat16, device="cuda")
                    for side in ("ptxmill", "torch")}
            sides = {
                "ptxmill": (in_turns([entry.bind(bench.stream, a, w, outs["ptxmill"], m=m) for w in copies]),
                            bench.torch_stream),
                "torch": in_turns([lambda w=w: torch.matmul(a, w.t(), out=outs["torch"]) for w in copies]),
            }
            times = side_by_side(sides, bench.rounds, most=max(200, len(copies)))
            exact = a.double() @ first.double().t()
            row = bench.row({"m": m, "n": n, "k": k}, times, {s: bench.error(o, exact) for s, o in outs.items()},
                            "torch", "ptxmill")
            add_rates(bench, row, first)
            rows.append(row)
        bench.device.forget()
        del copies
        torch.cuda.empty_cache()
    return rows


def summary(rows):
    return f"geometric mean of PyTorch's time over ours: {geometric_mean([r['ratio'] for r in rows]):.3f}, " \
           f"least {min(r['ratio'] for r in rows):.3f}"
