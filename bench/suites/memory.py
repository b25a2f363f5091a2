"""Operations that memory limits, on tensors of 256 MB, against PyTorch and against a copy."""

import torch
import torch.nn.functional as F

from timing import side_by_side

NAME = "memory"
TITLE = "Operations that memory limits, f32, tensors of 256 MB"

ELEMENTS = 1 << 26


def copy_ceiling(bench):
    """Bytes per second, read and written, of PyTorch's copies: of 4 GiB, and of one tensor of 256 MB."""
    rates = {}
    for name, elements in (("4 GiB", 1 << 30), ("256 MB", ELEMENTS)):
        source, target = torch.zeros(elements, device="cuda"), torch.empty(elements, device="cuda")
        us = side_by_side({"copy": lambda: target.copy_(source)}, bench.rounds)["copy"]
        rates[name] = 8 * elements / us * 1e6
        del source, target
    torch.cuda.empty_cache()
    return rates


def cases(bench):
    """Name, bytes moved, what is launched, and PyTorch's."""
    core, special = bench.library("core"), bench.library("bench-memory")
    out, copied = torch.empty(ELEMENTS, device="cuda"), torch.empty(ELEMENTS, device="cuda")
    x, y = bench.normal(ELEMENTS), bench.normal(ELEMENTS)
    bytes_two, bytes_three = 8 * ELEMENTS, 12 * ELEMENTS

    def launch(library, name, *arguments, **dims):
        return bench.kernel(library, name).bind(bench.stream, *arguments, **dims)

    yield "add", bytes_three, launch(core, "add", x, y, out, rows=8192, cols=8192), lambda: torch.add(x, y, out=copied)
    yield "gelu", bytes_two, launch(core, "gelu", x, out, rows=8192, cols=8192), lambda: F.gelu(x)
    for cols in (384, 1024, 1280, 4096, 16384):
        rows = ELEMENTS // cols
        gamma, beta = bench.normal(cols), bench.normal(cols)
        view = x[: rows * cols].view(rows, cols)
        result = out[: rows * cols].view(rows, cols)
        moved = 8 * rows * cols
        if cols <= 4096:
            yield (f"layer_norm {rows} x {cols}", moved,
                   launch(special, f"layer_norm_{cols}", view, gamma, beta, result, rows=rows),
                   lambda view=view, cols=cols, g=gamma, b=beta: F.layer_norm(view, (cols,), g, b))
            yield (f"layer_norm {rows} x {cols}, dynamic", moved,
                   launch(core, "layer_norm", view, gamma, beta, result, rows=rows, d_model=cols),
                   lambda view=view, cols=cols, g=gamma, b=beta: F.layer_norm(view, (cols,), g, b))
        yield (f"softmax {rows} x {cols}", moved, launch(special, f"softmax_{cols}", view, result, rows=rows),
               lambda view=view: torch.softmax(view, -1))
    rows, cols = 8192, 8192
    view, result = x.view(rows, cols), out.view(cols, rows)
    yield ("transpose 8192 x 8192", bytes_two,
           launch(core, "transpose", view, result, batch=1, rows=rows, cols=cols),
           lambda view=view: copied.view(cols, rows).copy_(view.t()))


def measure(bench):
    rates = copy_ceiling(bench)
    ceiling = max(rates.values())
    rows = []
    for name, rate in rates.items():
        rows.append({"case": f"copy of {name} (PyTorch)", "TB/s": round(rate / 1e12, 3), "of copy": round(rate / ceiling, 3)})
    for name, moved, ours, theirs in cases(bench):
        times = side_by_side({"ptxmill": (ours, bench.torch_stream), "torch": theirs}, bench.rounds)
        row = bench.row({"case": name}, times, {}, "torch", "ptxmill")
        row["TB/s"] = round(moved / times["ptxmill"] / 1e6, 3)
        row["of copy"] = round(moved / times["ptxmill"] * 1e6 / ceiling, 3)
        rows.append(row)
    return rows


def summary(rows):
    ours = [r for r in rows if "ratio" in r]
    return f"least share of the copy's rate: {min(r['of copy'] for r in ours):.3f}"
