#!/usr/bin/env python3
"""Makes the files that the whisper encoder oracle test compares with.

A WhisperEncoderLayer of `transformers` gets seeded random weights (biases and norms too, so that no term is
trivially 0 or 1) and runs on random input, in float32 and in float64. Written to DIR, as safetensors:

  whisper-<model>.weights.safetensors        the layer's weights, f32, named as in checkpoints after
                                             `model.encoder.layers.N.`
  whisper-<model>.b<batch>_s<seq>.safetensors  `input` (f32), `output_f32`, `output_f64`, all
                                             [batch, seq_len, d_model]

`mini` is a small layer of the same kind; tests/oracle/data holds its files, made with
  make_whisper_encoder.py tests/oracle/data --model mini --seq-len 1 --seq-len 7 --seq-len 33 --batch 1 --batch 2 --device cpu

Needs torch, transformers and safetensors, and no network.
"""

import argparse
import inspect
import pathlib
import sys

import safetensors
import safetensors.torch
import torch
import transformers
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

MODELS = {
    "mini": {"d_model": 64, "heads": 2, "ffn_dim": 128},
    "tiny": {"d_model": 384, "heads": 6, "ffn_dim": 1536},
    "base": {"d_model": 512, "heads": 8, "ffn_dim": 2048},
}
SEQ_LENS = [1, 7, 100, 733, 1500]
BATCHES = [1, 3]


def make_layer(model, generator):
    """One encoder layer in float32 with weights drawn from `generator`."""
    shape = MODELS[model]
    config = WhisperConfig(
        d_model=shape["d_model"],
        encoder_attention_heads=shape["heads"],
        encoder_ffn_dim=shape["ffn_dim"],
        activation_function="gelu",
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
    )
    # The plain composition of matrix products and softmax: what "the same computation by PyTorch" means.
    config._attn_implementation = "eager"
    layer = WhisperEncoderLayer(config).float().eval()
    with torch.no_grad():
        for name, parameter in sorted(layer.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "layer_norm.weight" in name:
                parameter.copy_(1.0 + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.2 * noise)
            else:
                parameter.copy_(noise * parameter.shape[-1] ** -0.5)
    return layer


def run_layer(layer, hidden_states):
    """The layer's output, whatever this version of transformers wants to be passed and returns."""
    accepted = inspect.signature(layer.forward).parameters
    optional = {"attention_mask": None, "layer_head_mask": None, "output_attentions": False}
    with torch.no_grad():
        output = layer(hidden_states, **{k: v for k, v in optional.items() if k in accepted})
    return output[0] if isinstance(output, (tuple, list)) else output


def save(tensors, path):
    safetensors.torch.save_file(tensors, path)
    path.chmod(0o644)


def write_model(model, directory, device, seq_lens, batches, seed):
    generator = torch.Generator().manual_seed(seed)
    layer = make_layer(model, generator)
    weights = {name: parameter.detach().clone().contiguous() for name, parameter in layer.named_parameters()}
    save(weights, directory / f"whisper-{model}.weights.safetensors")

    in_f32 = layer.to(device)
    cases = []
    for batch in batches:
        for seq_len in seq_lens:
            x = torch.randn(batch, seq_len, MODELS[model]["d_model"], generator=generator)
            cases.append((batch, seq_len, x, run_layer(in_f32, x.to(device)).cpu()))
    in_f64 = in_f32.double()
    for batch, seq_len, x, output_f32 in cases:
        output_f64 = run_layer(in_f64, x.to(device).double()).cpu()
        error = (output_f32.double() - output_f64).abs().max().item()
        print(f"whisper-{model} batch {batch} seq_len {seq_len}: max |f32 - f64| {error:.3g}")
        save(
            {"input": x, "output_f32": output_f32.contiguous(), "output_f64": output_f64.contiguous()},
            directory / f"whisper-{model}.b{batch}_s{seq_len}.safetensors",
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--model", action="append", choices=sorted(MODELS), help="default: tiny and base")
    parser.add_argument("--seq-len", action="append", type=int, help=f"default: {SEQ_LENS}")
    parser.add_argument("--batch", action="append", type=int, help=f"default: {BATCHES}")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    print(
        f"python {sys.version.split()[0]}, torch {torch.__version__}, transformers {transformers.__version__}, "
        f"safetensors {safetensors.__version__}, device {args.device}"
    )
    # Plain f32: no TF32 in products.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    args.directory.mkdir(parents=True, exist_ok=True)
    for model in args.model or ["tiny", "base"]:
        write_model(model, args.directory, args.device, args.seq_len or SEQ_LENS, args.batch or BATCHES, args.seed)


if __name__ == "__main__":
    main()
