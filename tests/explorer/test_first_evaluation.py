"""What was trained before a document was opened is evaluated once, so that the drawer knows how good it is."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from engine import presets
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, SunspotsTask, TrainingSpec
from explorer.app import Explorer
from explorer.document import opening
from explorer.document.opening import Opening
from explorer.document.state import State, View
from explorer.evaluation.first import CHANNEL


@pytest.fixture
def asked(explorer: Explorer, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What has been asked for it."""
    ask, found = explorer.courier.ask, list[object]()

    def noted(channel: str, operation: str, request: object, **more: object) -> int:
        if channel == CHANNEL:
            found.append(request)
        return ask(channel, operation, request, **more)

    monkeypatch.setattr(explorer.courier, "ask", noted)
    return found


def of(task: object, iterations: int = 0) -> Opening:
    model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=3),))
    made = Experiment(model=model, task=task, training=TrainingSpec(iterations=iterations))  # type: ignore[arg-type]
    return Opening(State(tracks=("norms",), experiment=made), View(iteration=iterations), title="x")


def test_a_preset_that_was_trained_beforehand_opens_with_its_evaluation(
    explorer: Explorer, qtbot: QtBot, asked: list[object]
) -> None:
    explorer.show(opening.of_preset(presets.load("sunspots")))
    qtbot.waitUntil(lambda: len(explorer.book.evaluations) == 1, timeout=20_000)
    found = explorer.book.evaluations[0]
    assert found.iteration == explorer.book.next == 150
    assert explorer.book.baseline == found.baseline is not None
    assert explorer.book.persistence == found.persistence is not None
    shown = explorer.window.drawer.training.controls.values
    assert shown["baseline"].text() not in ("–", "not known yet")
    assert explorer.document.state.evaluations == (), "training does not stop by it"
    assert not explorer.document.dirty, "nothing that would have to be saved"
    qtbot.wait(400)
    assert len(asked) == 1
    explorer.show(of(AddingTask(steps=5, batch_size=2)))
    assert explorer.book.evaluations == ()


def test_of_data_the_baseline_is_known_before_anything_is_learned(
    explorer: Explorer, qtbot: QtBot, asked: list[object]
) -> None:
    explorer.show(of(SunspotsTask(steps=8, batch_size=4)))
    qtbot.waitUntil(lambda: explorer.book.baseline is not None, timeout=20_000)
    assert explorer.book.evaluations[0].iteration == 0


def test_nothing_is_asked_where_a_formula_tells_the_baseline(
    explorer: Explorer, qtbot: QtBot, asked: list[object]
) -> None:
    explorer.show(of(AddingTask(steps=5, batch_size=2)))
    qtbot.waitUntil(lambda: explorer.controller.settled)
    qtbot.wait(400)
    assert asked == []
    assert explorer.book.baseline == pytest.approx(1 / 6)


def test_where_nothing_is_held_back_it_is_asked_once_and_not_said(
    explorer: Explorer, qtbot: QtBot, asked: list[object]
) -> None:
    explorer.show(of(SunspotsTask(steps=250, batch_size=4)))
    qtbot.waitUntil(lambda: len(asked) == 1, timeout=20_000)
    qtbot.wait(700)
    assert len(asked) == 1
    assert explorer.book.evaluations == ()
