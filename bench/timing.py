"""Side-by-side timing on a GPU: both sides recorded into CUDA graphs, replayed in turns, medians."""

import statistics
import time

import torch


def graph_of(work, repeats=1, stream=None):
    """`repeats` runs of `work` recorded into one graph, after a warm-up on the same stream."""
    stream = stream or torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(repeats):
            work()
    graph.replay()
    torch.cuda.synchronize()
    return graph


def elapsed_us(graph, replays):
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(replays):
        graph.replay()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1000


def side_by_side(sides, rounds=15, target_us=2000.0, most=200, warm_s=0.3):
    """Median microseconds of one run of each side's work: {name: function}, or {name: (function, stream)}.

    A graph holds so many runs, `most` at most, that one replay takes about `target_us`. The sides take turns, first for
    `warm_s` seconds whose times are left out: a card that has rested runs large products up to a fifth faster than it can go on.
    """
    graphs = {}
    for name, side in sides.items():
        work, stream = side if isinstance(side, tuple) else (side, None)
        once = max(elapsed_us(graph_of(work, 1, stream), 2) / 2, 1.0)
        repeats = max(1, min(most, round(target_us / once)))
        graphs[name] = (graph_of(work, repeats, stream), repeats)
    begin = time.monotonic()
    while time.monotonic() - begin < warm_s:
        for graph, _ in graphs.values():
            elapsed_us(graph, 1)
    times = {name: [] for name in graphs}
    for _ in range(rounds):
        for name, (graph, repeats) in graphs.items():
            times[name].append(elapsed_us(graph, 1) / repeats)
    return {name: statistics.median(values) for name, values in times.items()}


def geometric_mean(values):
    return statistics.geometric_mean(values)
