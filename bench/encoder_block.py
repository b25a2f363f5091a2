#!/usr/bin/env python3
"""Times the f32 Whisper encoder block against PyTorch, both in CUDA graphs, alternating in one run.

PyTorch's side is its strongest plain composition: one product for Q, K and V, scaled_dot_product_attention,
and the same compiled by torch.compile. Both sides' errors against float64 are printed with their times, so that
neither is fast by being wrong.
"""

import argparse
import json
import pathlib
import statistics

import torch
import torch.nn.functional as F

import ptxmill

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


def graph_of(stream, work):
    """`work` recorded into a graph, after warm-up on the same stream."""
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        work()
    return graph


def alternate(graphs, rounds, replays):
    """Median microseconds of one replay of each graph, the graphs taking turns."""
    times = {name: [] for name in graphs}
    for _ in range(rounds + 1):
        for name, graph in graphs.items():
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            for _ in range(replays):
                graph.replay()
            end.record()
            end.synchronize()
            times[name].append(start.elapsed_time(end) * 1000 / replays)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def measure(device, model, batch, seq_len, args):
    d_model, heads, ffn_dim = MODELS[model]
    weights = random_weights(d_model, ffn_dim)
    x = torch.randn(batch, seq_len, d_model, generator=torch.Generator().manual_seed(2)).cuda()
    outputs = {}
    graphs = {}

    library = device.library(args.generated / f"whisper-{model}")
    block = ptxmill.Block(device, library, "encoder")
    torch_stream = torch.cuda.Stream()
    stream = device.stream(torch_stream)
    block.prepare(stream, weights, batch=batch, seq_len=seq_len)
    outputs["ptxmill"] = torch.full_like(x, float("nan"))
    forward = lambda: block.forward(stream, {"x": x}, {"out": outputs["ptxmill"]}, batch=batch, seq_len=seq_len)
    graphs["ptxmill"] = graph_of(torch_stream, forward)

    baselines = {"torch": torch_block(weights, d_model, heads)}
    if not args.no_compile:
        baselines["compiled"] = torch.compile(baselines["torch"])
    for name, baseline in baselines.items():
        def run(name=name, baseline=baseline):
            outputs[name] = baseline(x)

        graphs[name] = graph_of(torch.cuda.Stream(), run)

    times = alternate(graphs, args.rounds, args.replays)
    exact = torch_block({name: w.double() for name, w in weights.items()}, d_model, heads)(x.double())
    row = {"model": model, "batch": batch, "seq_len": seq_len}
    for name, microseconds in times.items():
        row[name] = {"us": round(microseconds, 1), "error": (outputs[name].double() - exact).abs().max().item()}
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generated", type=pathlib.Path, default=pathlib.Path("generated"))
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--seq-len", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--replays", type=int, default=20)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", type=pathlib.Path, help="also write the rows here")
    args = parser.parse_args()

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    print(f"encoder block, f32, us ({torch.cuda.get_device_name()}, torch {torch.__version__}); "
          f"median of {args.rounds} x {args.replays} graph replays; largest error against float64")
    device = ptxmill.Device()
    rows = []
    with torch.no_grad():
        for model in MODELS:
            for batch in args.batch:
                row = measure(device, model, batch, args.seq_len, args)
                rows.append(row)
                sides = "   ".join(f"{name} {side['us']:8.1f} ({side['error']:.1e})"
                                   for name, side in row.items() if isinstance(side, dict))
                print(f"  {model:5} batch {batch:2} seq_len {args.seq_len}   {sides}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
