"""python -m benchmarks.findings: see the package."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

import torch

from benchmarks.findings import adding, cliff, copying, gates, temporal_order
from benchmarks.findings.parts import Finding, Measured, Run
from engine.figures import duration

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
Row: TypeAlias = dict[str, Any]
"""One of the JSON file."""


def main(argv: Sequence[str] | None = None) -> int:
    """0: what was run is as it was published; 1: something is not, or could not be run; 130: it was interrupted. What
    has been measured by then is printed, and in the JSON file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.findings",
        description="Trains what was published again, and sets what it measures beside it, row by row as it comes. "
        "Ctrl+C ends it and keeps what there is. Exit status 0: what was run agrees; 1: something differs, or failed; "
        "130: interrupted.",
        epilog=f"findings: {', '.join(finding.slug for finding in FINDINGS)}",
    )
    parser.add_argument("names", nargs="*", metavar="FINDING", help="as below; none: all, half an hour on a free core")
    parser.add_argument("--list", action="store_true", help="what there is, and about how long it takes")
    parser.add_argument("--quick", action="store_true", help="only what takes seconds")
    parser.add_argument("--only", metavar="TEXT", default="", help="only runs with TEXT in their names: 'seed 0'")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows there too")
    arguments = parser.parse_args(argv)
    known = {finding.slug: finding for finding in FINDINGS}
    for name in arguments.names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            parser.error(
                f"there is no finding '{name}'; "
                + (f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}")
            )
    chosen = [known[name] for name in dict.fromkeys(arguments.names)] or list(FINDINGS)
    if arguments.list:
        _list(chosen)
        return 0
    runs = [run for finding in chosen for run in finding.runs if _is_wanted(run, arguments)]
    if not runs:
        parser.error(f"no run of {', '.join(finding.slug for finding in chosen)} is that; --list names them")
    if arguments.json is not None and not os.access(arguments.json.absolute().parent, os.W_OK):
        parser.error(f"{arguments.json} cannot be written; another place is needed for --json")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, CPU")
    rows: list[Row] = []
    interrupted = False
    try:
        for finding in chosen:
            _finding(finding, arguments, rows)
    except KeyboardInterrupt:
        Progress.over()
        interrupted = True
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return _end(rows, chosen, interrupted=interrupted)


def _is_wanted(run: Run, arguments: argparse.Namespace) -> bool:
    return (run.quick or not arguments.quick) and arguments.only in run.name


def _end(rows: list[Row], chosen: Iterable[Finding], *, interrupted: bool) -> int:
    """What it came to, in a few lines; the exit status."""
    differ = [row for row in rows if row["agrees"] is False]
    failed = [f"{row['finding']} ({row['run']})" for row in rows if row["failed"]]
    there = {(row["finding"], row["run"]) for row in rows if not row["left_out"]}
    runs = [(finding.slug, run.name) for finding in chosen for run in finding.runs]
    left = [f"{slug} ({name})" for slug, name in runs if (slug, name) not in there]
    print(f"\n{sum(row['agrees'] is True for row in rows)} rows agree with what was published, {len(differ)} differ.")
    if failed:
        print(f"Failed: {', '.join(failed)}.")
    if left:
        print(f"Not run: {', '.join(left)}.")
    if interrupted:
        print("Interrupted: what is above was measured.", file=sys.stderr)
        return 130
    return 1 if differ or failed else 0


def _list(findings: Iterable[Finding]) -> None:
    for finding in findings:
        print(f"{finding.slug:<15} {finding.title}")
        for run in finding.runs:
            print(f"  {run.name:<22} about {run.minutes:g} min{'  (quick)' if run.quick else ''}")


def _finding(finding: Finding, arguments: argparse.Namespace, rows: list[Row]) -> None:
    """Runs and prints it, row by row as they come. A run that fails is said, and the others go on."""
    print(f"\n{finding.title}\n  {finding.source}\n  {finding.setting}\n")
    print(f"  {'':<{WIDTH}} {'measured':>16}   {'published':<24}".rstrip(), flush=True)
    for run in finding.runs:
        of: Row = {"finding": finding.slug, "run": run.name, "failed": "", "left_out": False}
        nothing: Row = {"what": "", "value": None, "published": "", "agrees": None, "seconds": None}
        if not _is_wanted(run, arguments):
            rows.append({**of, **nothing, "left_out": True})
            continue
        began = time.perf_counter()
        try:
            measured = run.measure(Progress(run))
        except Exception as error:  # whatever it is: hours of other runs must not go with it
            Progress.over()
            rows.append({**of, **nothing, "failed": f"{type(error).__name__}: {error}"})
            print(f"  {run.name}: FAILED, {rows[-1]['failed']}", flush=True)
            continue
        seconds = time.perf_counter() - began
        Progress.over()
        for row in measured:
            _print(row, run)
            rows.append({**of, **_plain(row), "agrees": row.agrees, "seconds": round(seconds, 1)})
        print(f"  {'':<{WIDTH}} {f'({run.name}, {duration(seconds)})':>16}", flush=True)
    if finding.remark:
        print(textwrap.fill(finding.remark, 110, initial_indent="  ", subsequent_indent="  "))


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
