"""The Whisper encoder block against PyTorch.

PyTorch's side is its strongest plain composition: one product for Q, K and V, scaled_dot_product_attention,
and the same compiled by torch.compile.
"""

import torch
import torch.nn.functional as F

import ptxmill
from timing import side_by_side

NAME = "encoder"
TITLE = "Whisper encoder block, f32, 1500 positions"

SEQ_LEN = 1500
MODELS = {"tiny": (384, 6, 1536), "base": (512, 8, 2048)}


def random_weights(d_model, ffn_dim):
    generator = torch.Generator().manual_seed(1)

    def normal(*shape, scale=1.0):
        return torch.randn(*shape, generator=generator).mul_(scale).cuda()

    weights = {}
    for norm in ("self_attn_layer_norm", "final_layer_norm"):
        weights[norm + ".weight"] = 1 + normal(d_model, scale=0.2)
        weights[norm + ".bias"] = normal(d_model, scale=0.2)
    shapes = {f"self_attn.{p}_proj": (d_model, d_model) for p in "qkv"}
    shapes |= {"self_attn.out_proj": (d_model, d_model), "fc1": (ffn_dim, d_model), "fc2": (d_model, ffn_dim)}
    for name, (rows, cols) in shapes.items():
        weights[name + ".weight"] = normal(rows, cols, scale=cols**-0.5)
        if name != "self_attn.k_proj":
            weights[name + ".bias"] = normal(rows, scale=0.2)
    return weights


def torch_block(weights, d_model, heads):
    """The block as a function of x, with Q, K and V packed."""
    w = weights
    zeros = torch.zeros_like(w["self_attn.q_proj.bias"])
    qkv_weight = torch.cat([w[f"self_attn.{p}_proj.weight"] for p in "qkv"])
    qkv_bias = torch.cat([w["self_attn.q_proj.bias"], zeros, w["self_attn.v_proj.bias"]])

    def forward(x):
        batch, seq_len, _ = x.shape
        h = F.layer_norm(x, (d_model,), w["self_attn_layer_norm.weight"], w["self_attn_layer_norm.bias"])
        qkv = F.linear(h, qkv_weight, qkv_bias).view(batch, seq_len, 3, heads, d_model // heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, seq_len, d_model)
        x = x + F.linear(attended, w["self_attn.out_proj.weight"], w["self_attn.out_proj.bias"])
        h = F.layer_norm(x, (d_model,), w["final_layer_norm.weight"], w["final_layer_norm.bias"])
        h = F.gelu(F.linear(h, w["fc1.weight"], w["fc1.bias"]))
        return x + F.linear(h, w["fc2.weight"], w["fc2.bias"])

    return forward


def measure(bench):
    rows = []
    for model in MODELS:
        for batch in (1, 8):
            rows.append(measure_block(bench, model, batch))
    return rows


def measure_block(bench, model, batch):
    d_model, heads, ffn_dim = MODELS[model]
    weights = random_weights(d_model, ffn_dim)
    x = bench.normal(batch, SEQ_LEN, d_model)
    outputs = {"ptxmill": torch.full_like(x, float("nan"))}
    block = ptxmill.Block(bench.device, bench.library(f"whisper-{model}"), "encoder")
    block.prepare(bench.stream, weights, batch=batch, seq_len=SEQ_LEN)
    baselines = {"torch": torch_block(weights, d_model, heads)}
    if bench.compiled:
        baselines["compiled"] = torch.compile(baselines["torch"])

    def ours():
        block.forward(bench.stream, {"x": x}, {"out": outputs["ptxmill"]}, batch=batch, seq_len=SEQ_LEN)

    sides = {"ptxmill": (ours, bench.torch_stream)}
    for name, baseline in baselines.items():
        def theirs(name=name, baseline=baseline):
            outputs[name] = baseline(x)

        sides[name] = theirs
    times = side_by_side(sides, bench.rounds)
    exact = torch_block({name: w.double() for name, w in weights.items()}, d_model, heads)(x.double())
    best = min(baselines, key=lambda name: times[name])
    return bench.row({"model": model, "batch": batch}, times,
                     {name: bench.error(out, exact) for name, out in outputs.items()}, best, "ptxmill")


def summary(rows):
    return "PyTorch's best over ours: " + ", ".join(f"{r['model']} x {r['batch']} {r['ratio']:.3f}" for r in rows)
