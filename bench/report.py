#!/usr/bin/env python3
"""Puts the tables of bench/results into docs/performance.md, between the marks that name them."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main():
    page = ROOT / "docs/performance.md"
    text = page.read_text()
    for results in sorted((ROOT / "bench/results").glob("*.json")):
        name = results.stem
        table = results.with_suffix(".md").read_text().split("\n", 2)[2].strip()
        machine = ", ".join(f"{key} {value}" for key, value in json.loads(results.read_text())["machine"].items())
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not mark.search(text):
            raise SystemExit(f"{page}: no <!-- {name} --> ... <!-- end -->")
        text = mark.sub(lambda m: f"{m[1]}{machine}\n\n{table}\n{m[2]}", text)
    page.write_text(text)


if __name__ == "__main__":
    main()
