"""Side-by-side timing on a GPU: both sides recorded into CUDA graphs, replayed in turns, medians."""

import statistics

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


def side_by_side(sides, rounds=15, target_us=2000.0, most=200):
    """Median microseconds of one run of each side's work: {name: function}, or {name: (function, stream)}.

    A graph holds so many runs, `most` at most, that one replay takes about `target_us`; the sides take turns, and the first
    round is left out.
    """
    graphs = {}
    for name, side in sides.items():
        work, stream = side if isinstance(side, tuple) else (side, None)
        once = max(elapsed_us(graph_of(work, 1, stream), 2) / 2, 1.0)
        repeats = max(1, min(most, round(target_us / once)))
        graphs[name] = (graph_of(work, repeats, stream), repeats)
    times = {name: [] for name in graphs}
    for _ in range(rounds + 1):
        for name, (graph, repeats) in graphs.items():
            times[name].append(elapsed_us(graph, 1) / repeats)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def geometric_mean(values):
    return statistics.geometric_mean(values)
