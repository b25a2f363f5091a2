"""Attention over whole sequences, against the backends of PyTorch's scaled_dot_product_attention."""

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from timing import side_by_side

NAME = "attention"
TITLE = "Attention, f32"

# batch, heads, length, head_dim, causal: Whisper tiny, base and large, and their batches.
SHAPES = [
    (1, 6, 1500, 64, False), (1, 8, 1500, 64, False), (1, 20, 1500, 64, False), (8, 6, 1500, 64, False),
    (8, 20, 1500, 64, False), (1, 6, 448, 64, True), (8, 20, 448, 64, True), (4, 16, 2048, 64, True),
    (4, 16, 2048, 128, False),
]
BACKENDS = {"efficient": SDPBackend.EFFICIENT_ATTENTION, "math": SDPBackend.MATH}


def measure(bench):
    library = bench.library("core")
    rows = []
    for batch, heads, length, head_dim, causal in SHAPES:
        q, k, v = (bench.normal(batch, heads, length, head_dim) for _ in range(3))
        outs = {"ptxmill": torch.full_like(q, float("nan"))}
        lse = torch.empty(batch, heads, length, device="cuda")
        kernel = bench.kernel(library, f"attention_{'causal_' if causal else ''}{head_dim}")
        ours = kernel.bind(bench.stream, q, k, v, outs["ptxmill"], lse, batch=batch, heads=heads, kv_heads=heads,
                           q_len=length, kv_len=length)
        sides = {"ptxmill": (ours, bench.torch_stream)}
        for name, backend in BACKENDS.items():
            def theirs(name=name, backend=backend):
                with sdpa_kernel(backend):
                    outs[name] = F.scaled_dot_product_attention(q, k, v, is_causal=causal)

            sides[name] = theirs
        times = side_by_side(sides, bench.rounds)
        with sdpa_kernel(SDPBackend.MATH):
            exact = torch.cat([F.scaled_dot_product_attention(*(t[b : b + 1].double() for t in (q, k, v)), is_causal=causal)
                               for b in range(batch)])
        best = min(BACKENDS, key=lambda name: times[name])
        row = bench.row({"batch": batch, "heads": heads, "length": length, "head_dim": head_dim, "causal": causal}, times,
                        {name: bench.error(out, exact) for name, out in outs.items()}, best, "ptxmill")
        flops = 4 * batch * heads * length * length * head_dim * (0.5 if causal else 1)
        row["TFLOP/s"] = round(flops / times["ptxmill"] / 1e6, 1)
        rows.append(row)
        del q, k, v, exact
        torch.cuda.empty_cache()
    return rows


def summary(rows):
    return f"PyTorch's best backend over ours: least {min(r['ratio'] for r in rows):.3f}"
