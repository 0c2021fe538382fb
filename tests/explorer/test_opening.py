"""Presets, new experiments, sessions and recorded traces become state and view, and a session goes back to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from synthetic import excerpt as synthetic

from engine import presets, session
from engine.errors import SessionError, SpecError
from engine.parameters import parameter_shapes
from engine.spec import WhatIf
from engine.within import Within
from explorer.document import opening
from explorer.document.document import Document
from explorer.document.saving import session_of


@pytest.mark.parametrize("slug", [p.slug for p in presets.load_all()])
def test_a_preset_opens_at_its_moment_and_iteration(slug: str, qtbot: QtBot) -> None:
    preset = presets.load(slug)
    found = opening.of_preset(preset)
    document = Document(found.state, found.view)
    found.into(document)
    assert document.experiment == preset.experiment
    assert document.state.tracks == preset.view.tracks
    assert document.view.iteration == preset.experiment.training.iterations
    assert document.tape.moment(document.view.position) == document.tape.parse(preset.view.moment)
    assert not document.dirty


def test_an_opening_can_be_put_at_a_moment() -> None:
    found = opening.of_preset(presets.default())
    assert found.at("backward:3").view.position == 2 * 50 + 1 - 3
    with pytest.raises(SpecError, match="from 1 to 50"):
        found.at("forward:51")


def test_a_session_comes_back_as_it_was_left(qtbot: QtBot, tmp_path: Path) -> None:
    found = opening.of_preset(presets.load("cell-state-carousel"))
    document = Document(found.state, found.view)
    found.into(document)
    shapes = parameter_shapes(document.experiment)
    rng = np.random.default_rng(0)
    for k in range(3):
        drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        document.remember(k, drawn)
    document.edit_what_if(WhatIf(recurrent_scale=1.25))
    document.look(iteration=2, position=60, sample=3, unit=1, heights={"norms": 140}, time_range=(5, 20))
    document.look(granularity="gate", within=Within(0, 2))
    steps, units = document.experiment.task.steps, document.experiment.layer.hidden_size
    session.save(session_of(document, synthetic("lstm", T=steps, H=units)), tmp_path / "a.gflow")

    again = opening.of_path(tmp_path / "a.gflow")
    assert again.state.experiment == document.experiment
    assert again.state.what_if == document.state.what_if
    assert again.state.tracks == document.state.tracks
    assert again.view == document.view
    assert sorted(again.state.history) == [0, 1, 2]
    for k, kept in document.state.history.items():
        for name, array in kept.items():
            assert again.state.history[k][name].tobytes() == array.tobytes()


def test_there_is_nothing_to_save_before_the_trace_is_there(qtbot: QtBot) -> None:
    found = opening.of_nothing()
    with pytest.raises(SessionError, match=r"cannot be saved\. The stack has no layer"):
        session_of(Document(found.state, found.view), None)


def test_a_file_that_is_missing_or_no_session_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.gflow").write_bytes(b"hello")
    for path in (tmp_path / "no.gflow", tmp_path / "x.gflow", tmp_path):
        with pytest.raises(SessionError) as caught:
            opening.of_path(path)
        assert str(caught.value).endswith(".")
        assert "\n" not in str(caught.value)
