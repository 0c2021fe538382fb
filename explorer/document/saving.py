"""The document as a session that can be saved."""

from __future__ import annotations

from engine.errors import SessionError
from engine.requests import Excerpt, Weights
from engine.session import Session, SessionView
from explorer.document.document import Document

_KEPT_BYTES = 24 * 2**20


def session_of(document: Document, excerpt: Excerpt | None) -> Session:
    """Raises SessionError where there is nothing to save (a recorded trace, or no trace yet)."""
    state, view = document.state, document.view
    if state.experiment is None:
        raise SessionError("A recorded trace is already a file; only experiments are saved as sessions.")
    if view.iteration not in state.history or excerpt is None:
        raise SessionError("The trace is still being computed; save when it is on screen.")
    return Session(
        experiment=state.experiment,
        what_if=state.what_if,
        iteration=view.iteration,
        history=_thinned(document),
        view=SessionView(
            tracks=state.tracks,
            position=view.position,
            sample=view.sample,
            unit=view.unit,
            heights=dict(view.heights),
            time_range=view.time_range,
        ),
        preset=document.preset or None,
        title=document.title,
        norms=dict(excerpt.norms),
    )


def _thinned(document: Document) -> dict[int, Weights]:
    """The first, the last, the one on screen, and as many in between as a file of moderate size has room for."""
    history, here = document.state.history, document.view.iteration
    kept = sorted(history)
    size = sum(array.nbytes for array in history[here].values())
    room = max(1, _KEPT_BYTES // max(1, size))
    every = -(-len(kept) // room)
    return {k: history[k] for n, k in enumerate(kept) if n % every == 0 or k in (here, kept[-1])}
