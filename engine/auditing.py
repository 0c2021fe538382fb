"""The audit of a trace in pieces of about 50 ms, so that a new look at the trace does not wait behind all of it.

The one that is under way is remembered until another is asked for; where it is missing, it begins anew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from engine.audit import Pieces, audit_in_pieces
from engine.requests import Audit, Source
from engine.sources import fingerprint, traced

SECONDS = 0.05


@dataclass(eq=False)
class _Kept:
    key: bytes = b""
    pieces: Pieces[Audit] | None = None


_KEPT = _Kept()


def go_on(source: Source) -> Audit | None:
    """None: it is not done yet. Raises EngineError."""
    key = fingerprint(source)
    if _KEPT.key != key or _KEPT.pieces is None:
        made, _ = traced(source)
        _KEPT.key, _KEPT.pieces = key, audit_in_pieces(made.audited)
    pieces, until = _KEPT.pieces, time.perf_counter() + SECONDS
    try:
        while time.perf_counter() < until:
            next(pieces)
    except StopIteration as done:
        forget()
        audit: Audit = done.value
        return audit
    except Exception:  # what has failed cannot go on
        forget()
        raise
    return None


def forget() -> None:
    """Let go of the one that is under way."""
    _KEPT.key, _KEPT.pieces = b"", None
