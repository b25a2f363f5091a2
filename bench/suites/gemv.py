"""Products of one row with a weight matrix, out = W x, in 16 bits, against cuBLAS through PyTorch.

The weights are cold (cold.py).
"""

import json
import pathlib

import torch

from cold import add_rates, copies_of, in_turns
from timing import geometric_mean, side_by_side

NAME = "gemv"
TITLE = "Products with one row, 16-bit weights read from memory"

DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16}
SPEC = pathlib.Path(__file__).resolve().parent.parent / "specs/bench-gemv.json"


def measure(bench):
    library = bench.library("bench-gemv")
    rows = []
    for kernel in json.loads(SPEC.read_text())["kernels"]:
        dtype, n, k = kernel["dtype"], kernel["n"], kernel["k"]
        x = bench.normal(k).to(DTYPES[dtype])
        first = bench.normal(n, k, scale=k**-0.5).to(DTYPES[dtype])
        copies = copies_of(first)
        out = torch.full((n,), float("nan"), dtype=DTYPES[dtype], device="cuda")
        entry = bench.kernel(library, kernel["name"])
        sides = {"ptxmill": (in_turns([entry.bind(bench.stream, x, w, out) for w in copies]), bench.torch_stream)}
        outs = {"ptxmill": out, "mv": torch.empty(n, dtype=DTYPES[dtype], device="cuda")}
        row, outs["linear"] = x[None], torch.empty(1, n, dtype=DTYPES[dtype], device="cuda")
        sides["mv"] = in_turns([lambda w=w: torch.mv(w, x, out=outs["mv"]) for w in copies])
        # What F.linear does, into a tensor that is there.
        sides["linear"] = in_turns([lambda w=w: torch.matmul(row, w.t(), out=outs["linear"]) for w in copies])
        times = side_by_side(sides, bench.rounds, most=max(200, len(copies)))
        exact = first.double() @ x.double()
        errors = {name: bench.error(out.flatten(), exact) for name, out in outs.items()}
        peer = min(("mv", "linear"), key=times.get)
        line = bench.row({"type": dtype, "n": n, "k": k}, times, errors, peer, "ptxmill")
        add_rates(bench, line, first)
        rows.append(line)
        bench.device.forget()
        del copies
        torch.cuda.empty_cache()
    return rows


def summary(rows):
    return f"geometric mean of PyTorch's time over ours: {geometric_mean([r['ratio'] for r in rows]):.3f}, " \
           f"least {min(r['ratio'] for r in rows):.3f}"
