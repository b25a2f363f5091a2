"""Weights that come from memory: so many copies take turns that the second-level cache holds none of them by the time it
comes round again."""

import itertools
import math

COLD_BYTES = 200 << 20


def copies_of(weights):
    """The weights, and as many copies as that takes."""
    count = math.ceil(COLD_BYTES / (weights.element_size() * weights.numel()))
    return [weights] + [weights.clone() for _ in range(count)]


def in_turns(launches):
    """A function that does the next of the launches at each call."""
    turns = itertools.cycle(launches)
    return lambda: next(turns)()


def add_rates(bench, row, weights):
    """How fast our side reads the weights, and how much longer it takes than reading them does."""
    n_bytes, us = weights.element_size() * weights.numel(), row["ptxmill us"]
    row["TB/s"] = round(n_bytes / us * 1e-6, 2)
    row["us over reading"] = bench.over_reading(n_bytes, us)
