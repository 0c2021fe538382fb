"""Where the number type was changed: every iteration that can be shown afterwards is what it was, also from a file."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from pytestqt.qtbot import QtBot
from training_window import experiment, settle

from engine import kept_states, session
from engine.errors import DataError
from engine.operations import run
from engine.training_loop import state_at
from engine.training_requests import Train
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.saving import session_of
from explorer.document.state import State, View

AT, DONE = 17, 33
"""The number type is changed at AT, no iteration that an even spread keeps."""


@pytest.mark.parametrize(("before", "after"), [("float32", "float64"), ("float64", "float32")])
def test_what_is_trained_again_after_a_change_of_number_type_is_what_was_live(
    qtbot: QtBot, explorer: Explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setattr(kept_states, "EASY_BYTES", 1)
    of = msgspec.structs.replace(experiment(), dtype=before)
    explorer.show(Opening(State(tracks=("norms",), experiment=of), View(), title="training"))
    settle(qtbot, explorer)
    explorer.runner.start(goal=AT)
    settle(qtbot, explorer)
    explorer.document.edit_experiment(now := msgspec.structs.replace(of, dtype=after))
    settle(qtbot, explorer)
    at_change = dict(explorer.document.state.history[AT])
    explorer.runner.start(goal=DONE)
    settle(qtbot, explorer)
    live = {k: run("train", Train(now, at_change, AT, k - AT)).weights for k in range(AT + 1, DONE + 1)}
    session.save(session_of(explorer.document, explorer.controller.excerpt), tmp_path / "a.gflow")
    found = session.load(tmp_path / "a.gflow")
    assert AT in found.history, "from before it nothing behind it can be trained again"
    assert found.known_from == AT
    for k, right in live.items():
        again = state_at(found, k)
        assert again is not None
        assert all(again[name].tobytes() == array.tobytes() for name, array in right.items())
    lost = next(k for k in range(1, AT) if k not in found.history)
    reason = f"Iteration {lost} cannot be gone back to: the iterations before {AT} were trained in another number type"
    with pytest.raises(DataError, match=reason):
        state_at(found, lost)
    explorer.show(opening.of_path(tmp_path / "a.gflow"))
    settle(qtbot, explorer)
    for k in (AT + 1, AT + 9):
        explorer.bindings.travel.to(k)
        qtbot.waitUntil(lambda k=k: explorer.document.view.iteration == k, timeout=30_000)
        settle(qtbot, explorer)
        shown = explorer.document.state.history[k]
        assert all(shown[name].tobytes() == array.tobytes() for name, array in live[k].items())
        assert explorer.window.stage.banner.text() == ""
    assert explorer.document.state.out_of_reach(lost).startswith(reason)
