#!/usr/bin/env python3
"""Measures how fast each tile of gemm is, and writes which of them the generator should take: specs/tuning/TARGET.json.

For each weight matrix and a ladder of m, every tile is timed as the benchmarks time (bench/timing.py). Up to m = 64 the
weights come from memory, as a decoder finds them. The largest products are timed tile by tile (times_of). Which tile goes with
which m is then chosen so that the sum of time / best time over the ladder is least, where each change of tile and each tile,
which is a kernel more, costs 1/32.
"""

import argparse
import itertools
import json
import math
import pathlib

import torch

from cold import copies_of, in_turns
from side_by_side import Bench, machine
from suites import few_rows, gemm16
from timing import side_by_side

# How the spec multiplies, and the values of the spec's fields to which the choice applies.
KINDS = {
    "bf16": (torch.bfloat16, {"dtype": ["f16", "bf16"]}),
    "tf32": (torch.float32, {"dtype": "f32", "math": "tf32"}),
    "3xtf32": (torch.float32, {"dtype": "f32", "math": "3xtf32"}),
}
LADDER = [8, 16, 32, 64, 128, 256, 512, 1024, 1500, 2048, 3000, 4096, 6000, 8192, 12000]
COLD_ROWS = 64
MOST_WORK = 8192**3
ALONE_WORK, ALONE_S, NEAR = 4096**3, 0.15, 1.15
CHANGE, ONE_MORE = 1 / 32, 1 / 32
MOST_TILES = 5


def products():
    """n and k of every matrix that the benchmarks multiply with."""
    return sorted({(n, k) for _, n, k in gemm16.SHAPES} | set(few_rows.WEIGHTS))


def tiles_of(spec, kind):
    prefix = f"gemm_{kind}_"
    return [k["tile"] for k in spec["kernels"] if k["name"].startswith(prefix)]


def is_sensible(tile, tiles, m):
    """Tiles that swap the operands or stream are for few rows, and where there are such, the others not for the fewest."""
    if tile.startswith("s"):
        return m <= 32
    if tile.startswith("w"):
        return m <= 256
    return m >= 16 or not any(other.startswith(("s", "w")) for other in tiles)


def times_of(bench, sides, work, most, figures):
    """Microseconds of each side, after the figures of fewer rows.

    Large products run into the card's power limit. Sides that take turns share its power, and hide how much of it each
    takes: there each of those that were not far from the fastest before runs by itself.
    """
    if work < ALONE_WORK or not figures:
        return side_by_side(sides, bench.rounds, 600.0, most, 0.01)
    before = list(figures.values())[-1]
    near = [tile for tile in sides if before.get(tile, math.inf) <= NEAR * min(before.values())]
    return {tile: side_by_side({tile: sides[tile]}, bench.rounds, 600.0, most, ALONE_S)[tile] for tile in near}


def measure(bench, library, tiles, kind, n, k):
    """{m: {tile: microseconds}}"""
    dtype, _ = KINDS[kind]
    first = bench.normal(n, k, scale=k**-0.5).to(dtype)
    copies = copies_of(first)
    kernels = {tile: bench.kernel(library, f"gemm_{kind}_{tile}") for tile in tiles}
    figures = {}
    for m in LADDER:
        if m * n * k > MOST_WORK:
            break
        a = bench.normal(m, k).to(dtype)
        out = torch.empty(m, n, dtype=dtype, device="cuda")
        weights = copies if m <= COLD_ROWS else [first]
        sides = {tile: (in_turns([kernel.bind(bench.stream, a, w, out, m=m, n=n, k=k) for w in weights]), bench.torch_stream)
                 for tile, kernel in kernels.items() if is_sensible(tile, tiles, m)}
        times = times_of(bench, sides, m * n * k, max(60, len(weights)), figures)
        figures[m] = {tile: round(us, 2) for tile, us in times.items()}
    bench.device.forget()
    torch.cuda.empty_cache()
    return figures


def assign(figures, allowed):
    """The cheapest way through the ladder with these tiles, and what it costs."""
    ladder = sorted(figures)
    best = {m: min(figures[m].values()) for m in ladder}
    paths = {tile: (0.0, []) for tile in allowed}
    for m in ladder:
        least = min(paths.values(), key=lambda p: p[0])
        step = {}
        for tile, path in paths.items():
            cost, before = min((path, (least[0] + (CHANGE if least[1] else 0), least[1])), key=lambda p: p[0])
            step[tile] = (cost + figures[m].get(tile, math.inf) / best[m], before + [tile])
        paths = step
    cost, path = min(paths.values(), key=lambda p: p[0])
    return cost + ONE_MORE * len(allowed), path


def steps(figures):
    """The generator's list: each tile with the m from which it is used, the largest first."""
    # Of the tiles that are near the fastest for some m: all sets of all tiles would take minutes.
    near = 1 + CHANGE + ONE_MORE
    tiles = sorted({tile for us in figures.values() for tile, t in us.items() if t <= near * min(us.values())})
    sets = itertools.chain.from_iterable(itertools.combinations(tiles, count) for count in range(1, MOST_TILES + 1))
    _, path = min((assign(figures, allowed) for allowed in sets), key=lambda p: p[0])
    ladder = sorted(figures)
    found = []
    for i, tile in enumerate(path):
        # Between two measured m the tile turns after the lower one.
        if i == 0:
            found.append(tile)
        elif tile != path[i - 1]:
            found.append(f"{tile} from {ladder[i - 1] + 1}")
    return found[::-1]


def as_text(target, about, choices):
    """A line for each choice and for each m, so that a review sees what changed."""
    lines = ["{", '  "schema_version": 1,', f'  "target": "{target}",', f'  "measured": {json.dumps(about)},', '  "choices": [']
    for i, choice in enumerate(choices):
        figures = [f'        "{m}": {json.dumps(dict(sorted(us.items(), key=lambda f: f[1])))}' for m, us in choice["measured"].items()]
        lines += [f'    {{ "template": "gemm", "when": {json.dumps(choice["when"])},', f'      "set": {json.dumps(choice["set"])},',
                  '      "measured": {', ",\n".join(figures), "      } }" + ("," if i + 1 < len(choices) else "")]
    return "\n".join(lines + ["  ]", "}"]) + "\n"


def measure_all(spec, args):
    """The fields of each product, and its figures."""
    bench = Bench([args.generated], args.rounds, False)
    library = bench.library(spec["library"])
    measured = []
    with torch.no_grad():
        for kind, (n, k) in itertools.product(args.kinds, products()):
            if not tiles_of(spec, kind):
                continue
            figures = measure(bench, library, tiles_of(spec, kind), kind, n, k)
            print(kind, n, k, steps(figures), flush=True)
            measured.append((KINDS[kind][1] | {"n": n, "k": k}, figures))
    return measured


def again(spec, old):
    """What an earlier run measured, of the tiles that the spec still has."""
    tiles = {kernel["tile"] for kernel in spec["kernels"]}
    measured = [(choice["when"], {int(m): {t: us for t, us in row.items() if t in tiles}
                                  for m, row in choice["measured"].items()}) for choice in old["choices"]]
    return old["measured"], measured


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generated", type=pathlib.Path, default=pathlib.Path("build/bench"))
    parser.add_argument("--spec", type=pathlib.Path, default=pathlib.Path("bench/specs/tune-gemm.json"),
                        help="the tiles of a target, each a kernel for any n and k")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--again", type=pathlib.Path, help="choose anew among the figures of this file, measuring nothing")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("specs/tuning"))
    args = parser.parse_args()
    spec = json.loads(args.spec.read_text())
    (target,) = spec["targets"]
    if args.again:
        about, measured = again(spec, json.loads(args.again.read_text()))
    else:
        about = {key: value for key, value in machine().items() if key != "tf32"} | {"unit": "us, by m and tile"}
        measured = measure_all(spec, args)
    choices = [{"when": when, "set": {"tiles": steps(figures)}, "measured": figures} for when, figures in measured]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{target}.json").write_text(as_text(target, about, choices))


if __name__ == "__main__":
    main()
