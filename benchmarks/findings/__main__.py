"""python -m benchmarks.findings: see the package."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.findings import adding, cliff, copying, gates, temporal_order
from benchmarks.findings.parts import Finding, Measured, Run

FINDINGS: tuple[Finding, ...] = (
    cliff.FINDING,
    temporal_order.FINDING,
    adding.FINDING,
    adding.IDENTITY_FINDING,
    copying.FINDING,
    gates.FORGET_BIAS,
    gates.CHRONO_FINDING,
)
WIDTH = 62


def main(argv: Sequence[str] | None = None) -> int:
    """1 where something that was run is not as it was published."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.findings", description="Trains what was published again."
    )
    parser.add_argument("names", nargs="*", metavar="FINDING", help="of --list; none: all")
    parser.add_argument("--list", action="store_true", help="what there is, and about how long it takes")
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--only", metavar="TEXT", default="", help="only runs whose name has TEXT in it: 'seed 0'")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows there too")
    arguments = parser.parse_args(argv)
    known = {finding.slug: finding for finding in FINDINGS}
    for name in arguments.names:
        if name not in known:
            parser.error(f"there is no finding '{name}'; there are {', '.join(known)}")
    chosen = [known[name] for name in dict.fromkeys(arguments.names)] or list(FINDINGS)
    if arguments.list:
        _list(chosen)
        return 0
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, CPU")
    rows = [row for finding in chosen for row in _finding(finding, arguments.quick, arguments.only)]
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    differ = [row for row in rows if row["agrees"] is False]
    left = sorted({f"{row['finding']} ({row['run']})" for row in rows if row["value"] is None and not row["what"]})
    print(f"\n{sum(row['agrees'] is True for row in rows)} rows agree with what was published, {len(differ)} differ.")
    if left:
        print(f"Not run: {', '.join(left)}.")
    return 1 if differ else 0


def _list(findings: Iterable[Finding]) -> None:
    for finding in findings:
        print(f"{finding.slug:<15} {finding.title}")
        for run in finding.runs:
            print(f"  {run.name:<22} about {run.minutes:g} min{'  (quick)' if run.quick else ''}")


def _finding(finding: Finding, quick: bool, only: str) -> list[dict[str, object]]:
    """Runs and prints it, row by row as they come."""
    print(f"\n{finding.title}\n  {finding.source}\n  {finding.setting}\n")
    print(f"  {'':<{WIDTH}} {'measured':>16}   {'published':<24}")
    rows: list[dict[str, object]] = []
    for run in finding.runs:
        of = {"finding": finding.slug, "run": run.name}
        if (quick and not run.quick) or only not in run.name:
            rows.append({**of, "what": "", "value": None, "published": "", "agrees": None, "seconds": None})
            continue
        began = time.perf_counter()
        measured = run.measure(Progress(run))
        seconds = time.perf_counter() - began
        Progress.over()
        for row in measured:
            _print(row, run)
            rows.append({**of, **_plain(row), "agrees": row.agrees, "seconds": round(seconds, 1)})
        print(f"  {'':<{WIDTH}} {f'({run.name}, {seconds:,.0f} s)':>16}")
    if finding.remark:
        print(textwrap.fill(finding.remark, 110, initial_indent="  ", subsequent_indent="  "))
    return rows


def _plain(row: Measured) -> dict[str, object]:
    """For JSON, which has neither NaN nor inf."""
    numbers = {k: None if isinstance(v, float) and not abs(v) < float("inf") else v for k, v in asdict(row).items()}
    return {**numbers, "shown": row.shown}


def _print(row: Measured, run: Run) -> None:
    verdict = "" if row.agrees else "   DIFFERS"
    print(f"  {row.what:<{WIDTH}} {row.shown:>16}   {row.published:<24}{verdict}".rstrip(), flush=True)


class Progress:
    """One line on the terminal, a few times a second; nothing where there is no terminal."""

    def __init__(self, run: Run) -> None:
        self._run, self._last = run, 0.0

    def __call__(self, done: float, words: str) -> None:
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._last > 0.2:
            self._last = now
            print(f"\r\033[K  {self._run.name}: {done:.0%}, {words}", end="", file=sys.stderr, flush=True)

    @staticmethod
    def over() -> None:
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
