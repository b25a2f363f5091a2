"""Products of rows with a weight matrix, out = A W^T, against cuBLAS through PyTorch."""

import torch

from timing import geometric_mean, side_by_side

NAME = "gemm"
TITLE = "Matrix products, f32"

# m, n, k: the layers of Whisper tiny and large at 1500 positions, batches of 8, and square ones.
SHAPES = [
    (4096, 4096, 4096), (1500, 3840, 1280), (1500, 1280, 1280), (1500, 5120, 1280), (1500, 1280, 5120),
    (12000, 3840, 1280), (1500, 1152, 384), (1500, 384, 384), (1500, 1536, 384), (1500, 384, 1536),
    (2048, 6144, 4096),
]


def measure(bench, tiles=("auto",)):
    library = bench.library("bench-gemm")
    rows = []
    for m, n, k in SHAPES:
        a, w = bench.normal(m, k), bench.normal(n, k, scale=k**-0.5)
        sides, outs = {}, {}
        for tile in tiles:
            name = "ptxmill" if tile == "auto" else tile
            outs[name] = torch.full((m, n), float("nan"), device="cuda")
            kernel = bench.kernel(library, f"gemm_{n}x{k}" + ("" if tile == "auto" else "_" + tile))
            sides[name] = (kernel.bind(bench.stream, a, w, outs[name], m=m), bench.torch_stream)
        outs["torch"] = torch.empty(m, n, device="cuda")
        sides["torch"] = lambda: torch.matmul(a, w.t(), out=outs["torch"])
        times = side_by_side(sides, bench.rounds)
        exact = a.double() @ w.double().t()
        rows.append(bench.row({"m": m, "n": n, "k": k}, times, {name: bench.error(outs[name], exact) for name in outs},
                              "torch", "ptxmill"))
    return rows


def summary(rows):
    return f"geometric mean of PyTorch's time over ours: {geometric_mean([r['ratio'] for r in rows]):.3f}, " \
           f"least {min(r['ratio'] for r in rows):.3f}"
