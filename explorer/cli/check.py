"""`gradflow check`: how far a trace is from autograd, quantity by quantity."""

from __future__ import annotations

from engine.requests import Audit
from explorer.cli.compute import compute, source_of
from explorer.cli.target import Target


def check(target: Target) -> int:
    """Prints a table; 1 where an error is beyond the tolerance."""
    audit: Audit = compute("audit", source_of(target))
    print(_table(target, audit))
    return 0 if audit.passed else 1


def _table(target: Target, audit: Audit) -> str:
    width = max(len("quantity"), *(len(row.quantity) for row in audit.rows))
    lines = [f"{target.title}: largest relative error of a step, against autograd", ""]
    lines.append(f"{'quantity':<{width}}  {'error':>8}  {'at t':>6}  {'tolerance':>9}  verdict")
    for row in audit.rows:
        verdict = "ok" if row.error <= audit.tolerance else "BEYOND"
        step = str(row.step) if row.step and row.error else "–"
        lines.append(f"{row.quantity:<{width}}  {row.error:>8.1e}  {step:>6}  {audit.tolerance:>9.0e}  {verdict}")
    beyond = sum(not row.error <= audit.tolerance for row in audit.rows)
    word = f"{beyond} of {len(audit.rows)} quantities are beyond the tolerance." if beyond else _all_well(audit)
    return "\n".join([*lines, "", word])


def _all_well(audit: Audit) -> str:
    return f"All {len(audit.rows)} quantities agree with autograd; the worst is {audit.worst.quantity}."
