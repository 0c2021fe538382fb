"""The document as a session that can be saved."""

from __future__ import annotations

from engine.errors import SessionError
from engine.requests import Excerpt
from engine.session import Session, SessionView, fitting
from engine.tracks import has, parse
from explorer.document import pins
from explorer.document.document import Document


def session_of(document: Document, excerpt: Excerpt | None) -> Session:
    """As much of it as a file has room for. Raises SessionError as `whole_session`."""
    return fitting(whole_session(document, excerpt))


def whole_session(document: Document, excerpt: Excerpt | None) -> Session:
    """Raises SessionError where there is nothing to save (a recorded trace, or no trace yet)."""
    state, view = document.state, document.view
    experiment = state.experiment
    if experiment is None:
        raise SessionError("A recorded trace is a file already; only experiments are saved as sessions.")
    if state.unfinished:
        raise SessionError(f"What cannot be traced yet cannot be saved. {state.unfinished}")
    if view.iteration not in state.history or excerpt is None:
        raise SessionError("The trace is still being computed; save when it is on screen.")
    session = Session(
        experiment=experiment,
        what_if=state.what_if,
        iteration=view.iteration,
        view=SessionView(
            tracks=state.tracks,
            position=view.position,
            within=None if view.within is None else (view.within.level, view.within.operation),
            granularity=view.granularity,
            sample=view.sample,
            layer=view.layer,
            unit=view.unit,
            heights={key: height for key, height in view.heights.items() if key in state.tracks},
            collapsed=tuple(key for key in view.collapsed if key in state.tracks),
            time_range=view.time_range,
            scales={key: scale for key, scale in view.scales.items() if has(parse(key), state.layers)},
        ),
        pins=pins.kept(view.pins),
        preset=document.preset,
        title=document.title,
        device=excerpt.device,
        fingerprint=excerpt.fingerprint,
    )
    return session.with_past(state.past)
