#!/usr/bin/env python3
"""Times ptxmill's kernels and blocks against PyTorch, in one process and one run.

Both sides are recorded into CUDA graphs that take turns; the times are medians. Errors are the largest against
float64, so that no side is fast by being wrong. `ratio` is the time of PyTorch's best over ours.
"""

import argparse
import json
import pathlib
import subprocess

import torch

import ptxmill
from suites import attention, encoder, few_rows, fused, gemm, gemm16, gemv, memory
from timing import side_by_side

SUITES = {suite.NAME: suite for suite in (memory, gemm, gemm16, fused, few_rows, gemv, attention, encoder)}


class Bench:
    """What the suites share: the device, PyTorch's stream and ours over it, libraries and inputs."""

    def __init__(self, generated, rounds, compiled):
        self.device = ptxmill.Device()
        self.torch_stream = torch.cuda.Stream()
        self.stream = self.device.stream(self.torch_stream)
        self.generated, self.rounds, self.compiled = generated, rounds, compiled
        self.read_rate = None
        self._libraries = {}
        self._random = torch.Generator(device="cuda").manual_seed(1)

    def library(self, name):
        if name not in self._libraries:
            found = [d / name for d in self.generated if (d / name).is_dir()]
            if not found:
                raise SystemExit(f"no library {name} in {', '.join(map(str, self.generated))}")
            self._libraries[name] = self.device.library(found[0])
        return self._libraries[name]

    def kernel(self, library, name):
        return ptxmill.Kernel(self.device, library, name)

    def normal(self, *shape, scale=1.0):
        return torch.randn(*shape, generator=self._random, device="cuda").mul_(scale)

    def over_reading(self, n_bytes, us):
        """Microseconds beyond those in which so many bytes are read at the ceiling of this run."""
        return round(us - 1e-6 * n_bytes / self.read_rate, 2)

    @staticmethod
    def error(result, exact):
        return (result.double() - exact).abs().max().item()

    @staticmethod
    def row(case, times, errors, peer, ours):
        row = dict(case)
        for name, us in times.items():
            row[f"{name} us"] = round(us, 2)
            if name in errors:
                row[f"{name} error"] = float(f"{errors[name]:.1e}")
        row["ratio"] = round(times[peer] / times[ours], 3)
        return row


def machine():
    driver = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"],
                            capture_output=True, text=True, check=False).stdout.strip()
    return {"gpu": torch.cuda.get_device_name(), "driver": driver, "cuda": torch.version.cuda,
            "torch": torch.__version__.split("+")[0], "tf32": False}


def ceilings(rounds):
    """TB/s of PyTorch's fastest pass over 4 GiB that only reads, and of its copy of 2 GiB, read and written."""
    x = torch.empty(1 << 30, device="cuda").normal_()
    half, other = x[: 1 << 29], torch.empty(1 << 29, device="cuda")
    us = side_by_side({"sum": lambda: torch.sum(x), "amax": lambda: torch.amax(x), "copy": lambda: other.copy_(half)}, rounds)
    rate = 4e-6 * x.numel()
    return {"read TB/s": round(rate / min(us["sum"], us["amax"]), 3), "copy TB/s": round(rate / us["copy"], 3)}


def table(rows):
    """A Markdown table of rows that may lack some of the columns."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [[str(row.get(column, "")) for column in columns] for row in rows]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(line) + " |" for line in cells])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suites", nargs="*", choices=[[], *SUITES], help="default: all")
    parser.add_argument("--generated", type=pathlib.Path, nargs="+",
                        default=[pathlib.Path("generated"), pathlib.Path("build/bench")])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--out", type=pathlib.Path, help="write a table and JSON for each suite into this directory")
    args = parser.parse_args()

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    bench = Bench(args.generated, args.rounds, not args.no_compile)
    about = machine() | ceilings(args.rounds)
    bench.read_rate = about["read TB/s"]
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    with torch.no_grad():
        for name in args.suites or SUITES:
            suite = SUITES[name]
            rows = suite.measure(bench)
            text = f"## {suite.TITLE}\n\n{table(rows)}\n\n{suite.summary(rows)}\n"
            print("\n" + text, flush=True)
            if args.out:
                args.out.mkdir(parents=True, exist_ok=True)
                (args.out / f"{name}.md").write_text(text)
                (args.out / f"{name}.json").write_text(json.dumps({"machine": about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
