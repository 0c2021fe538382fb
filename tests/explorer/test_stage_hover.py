"""What stands under the pointer is exact: symbol, step, unit, value to its last digit, class in words."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import QPoint
from pytestqt.qtbot import QtBot

from engine.operations import run
from engine.requests import Computed, Excerpt, Look
from engine.spec import AddingTask, Experiment, LayerSpec, ModelSpec, ReadoutSpec
from engine.tape import Tape
from explorer.stage.geometry import Slot
from explorer.stage.margins import HEADER_WIDTH
from explorer.stage.stage import Stage
from explorer.theme import current as theming
from explorer.widgets.numbers import told_apart

T, H = 20, 5


@pytest.fixture
def excerpt() -> Excerpt:
    e = synthetic.excerpt("lstm", T=T, H=H, zeros=True, inf=True, nan=True)
    grads = np.array(e.arrays["l0.grads.c"])
    grads[15, 0], grads[16, 0], grads[17, 0] = 3.1e-31, -2e5, 1.5e-40
    return synthetic.replaced(e, {"grads.c": grads})


@pytest.fixture
def stage(qtbot: QtBot, excerpt: Excerpt) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 700)
    stage.set_tracks(("network", "values.f", "grads.c", "norms"))
    stage.set_excerpt(excerpt)
    stage.set_position(len(Tape(T)) - 1)
    stage.show()
    return stage


def _slot(stage: Stage, key: str) -> Slot:
    return next(s for s in stage.canvas.slots if s.track.key == key)


def _cell(stage: Stage, key: str, t: int, unit: int) -> QPoint:
    """The middle of a heatmap's cell."""
    view, slot = stage.canvas.view, _slot(stage, key)
    assert view is not None
    y = slot.top + (unit + 0.5) * (slot.height - 1) / H
    return QPoint(HEADER_WIDTH + int(view.centre(t)), int(y))


def _said(stage: Stage, at: QPoint) -> str:
    said = stage.canvas.hover_at(at)
    return said.text if said else ""


def test_every_value_reads_back_as_the_very_number(stage: Stage, excerpt: Excerpt) -> None:
    for key in ("values.f", "grads.c"):
        for t in (1, 7, 20):
            for unit in range(H):
                said = stage.canvas.hover_at(_cell(stage, key, t, unit))
                assert said is not None
                symbol, _, digits = said.values[0].partition(" = ")
                assert symbol == {"values.f": "f", "grads.c": "∂L/∂c"}[key]
                assert said.where == f"t = {t} · unit {unit}"
                np.testing.assert_equal(np.float32(float(digits)), excerpt.arrays[f"l0.{key}"][t - 1, unit])


def test_classes_are_said_in_words(stage: Stage) -> None:
    said = "∂L/∂c = 3.1e-31 · below the scale (1e-20), no underflow: that begins at 1.18e-38"
    assert _said(stage, _cell(stage, "grads.c", 16, 0)).endswith(said)
    assert "no underflow" not in _said(stage, _cell(stage, "grads.c", 18, 0))
    assert _said(stage, _cell(stage, "grads.c", 17, 0)).endswith("∂L/∂c = -200000 · above the scale (1e2)")
    assert "subnormal: its digits are going" in _said(stage, _cell(stage, "grads.c", 18, 0))
    assert _said(stage, _cell(stage, "grads.c", 12, H // 2)).endswith("∂L/∂c = 0 · exactly 0")
    assert _said(stage, _cell(stage, "grads.c", 4, H - 1)).endswith("∂L/∂c = inf · infinite")
    assert _said(stage, _cell(stage, "grads.c", 1, H - 1)).endswith("∂L/∂c = -inf · infinite, negative")
    assert _said(stage, _cell(stage, "grads.c", 1, H - 2)).endswith("∂L/∂c = NaN · not a number")


def test_what_is_not_reached_is_not_told(stage: Stage, excerpt: Excerpt) -> None:
    tape = Tape(T)
    stage.set_position(tape.position(tape.parse("backward:10")))
    assert _said(stage, _cell(stage, "grads.c", 9, 0)) == "t = 9 · ∂L/∂c · not reached yet"
    assert "not reached" not in _said(stage, _cell(stage, "grads.c", 10, 0))
    stage.set_position(tape.position(tape.parse("forward:10")))
    assert _said(stage, _cell(stage, "values.f", 11, 0)) == "t = 11 · f · not reached yet"
    assert "not reached" not in _said(stage, _cell(stage, "values.f", 10, 0))


def test_the_norm_under_the_pointer_is_the_excerpts(stage: Stage, excerpt: Excerpt) -> None:
    view, slot = stage.canvas.view, _slot(stage, "norms")
    assert view is not None
    said = stage.canvas.hover_at(QPoint(HEADER_WIDTH + int(view.centre(9)), slot.top + 30))
    assert said is not None
    told = {part.split(" = ")[0]: np.float32(part.split(" = ")[1]) for part in said.values}
    expected = {"‖∂L/∂h‖": excerpt.norms["grads.h"][8], "‖∂L/∂c‖": excerpt.norms["grads.c"][8]}
    assert told == {name: np.float32(norm) for name, norm in expected.items()}


def test_where_cells_share_a_pixel_the_one_that_is_shown_is_told(qtbot: QtBot) -> None:
    theming.apply("dark")
    e = synthetic.excerpt("rnn", T=5000, H=2, vanishing=False)
    grads = np.array(e.arrays["l0.grads.h"])
    grads[2501, 1] = np.nan
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(700, 300)
    stage.set_tracks(("grads.h",))
    stage.set_excerpt(synthetic.replaced(e, {"grads.h": grads}))
    stage.show()
    stage.set_position(len(Tape(5000)) - 1)
    view, slot = stage.canvas.view, stage.canvas.slots[0]
    assert view is not None
    at = QPoint(HEADER_WIDTH + view.left(2502), slot.top + slot.height * 3 // 4)
    said = stage.canvas.hover_at(at)
    assert said is not None
    assert said.where == "t = 2502 · unit 1"
    first, last = view.steps_at(view.left(2502))
    assert said.note == f"not a number · the one shown of {last - first + 1} in this pixel"


def test_the_scale_tells_how_many_of_each_class_there_are(stage: Stage, excerpt: Excerpt) -> None:
    slot = _slot(stage, "grads.c")
    said = stage.canvas.hover_at(QPoint(stage.canvas.data_box.right() + 20, slot.top + 20))
    assert said is not None
    data = excerpt.arrays["l0.grads.c"]
    assert f"{np.isnan(data).sum():,} not a number" in said.values
    assert f"{np.isposinf(data).sum():,} +infinite" in said.values
    assert f"{(data == 0).sum():,} exactly 0" in said.values


def test_leaving_says_nothing(qtbot: QtBot, stage: Stage) -> None:
    stage.canvas.hover_at(_cell(stage, "values.f", 3, 3))
    assert stage.canvas.hover_at(None) is None


def test_what_is_said_of_the_pointer_can_be_read_aloud(qtbot: QtBot, stage: Stage) -> None:
    """The braces around a subscript are for those who typeset it."""
    heard: list[str] = []
    stage.hovered.connect(heard.append)
    stage.canvas.hover_at(None)
    stage.said("t = 3 · ‖∂L/∂W_{hh}‖ = 2")
    assert heard == ["t = 3 · ‖∂L/∂W_hh‖ = 2"]


def test_a_loss_is_told_only_when_the_tape_has_it(stage: Stage, excerpt: Excerpt) -> None:
    at = QPoint(HEADER_WIDTH + 200, stage.canvas.slots[0].top + 8)
    assert float(_said(stage, at).split("L = ")[1].split(" ")[0]) == pytest.approx(excerpt.loss, rel=1e-7)
    stage.set_position(T - 1)
    assert _said(stage, at) == "Loss · not reached yet"


@pytest.mark.parametrize(("dtype", "most"), [("float32", 9), ("float16", 9), ("float64", 17)])
def test_a_norm_has_no_more_digits_than_its_numbers_can_have(dtype: str, most: int) -> None:
    """Nine digits tell any two float32 apart (IEEE 754, 5.12.2), seventeen any two doubles."""
    for value in (0.1 + 1e-12, 1 / 3, 123456.789012345, 9.87654321e-30, 1e-44 / 3, 1e200 / 7):
        said = told_apart(value, dtype)
        digits = said.partition("e")[0].replace(".", "").strip("0")
        assert len(digits) <= most
        assert float(said) == pytest.approx(value, rel=2e-7 if most == 9 else 1e-16)


def test_numbers_of_float32_stay_apart() -> None:
    one = np.float32(0.3)
    other = np.nextafter(one, np.float32(1))
    assert told_apart(float(one), "float32") == "0.3"
    assert told_apart(float(other), "float32") != told_apart(float(one), "float32")


def test_means_over_the_batch_are_called_means(qtbot: QtBot, excerpt: Excerpt, stage: Stage) -> None:
    stage.set_excerpt(dataclasses.replace(excerpt, batch_size=16))
    view, slot = stage.canvas.view, _slot(stage, "norms")
    assert view is not None
    at = QPoint(HEADER_WIDTH + int(view.centre(9)), slot.top + 30)
    assert "mean of 16 samples" in _said(stage, at)


def _copied(stage: Stage) -> str:
    said = stage.canvas.crosshair.said
    return said.text if said else ""


def test_another_trace_under_a_resting_pointer_is_told_at_once(stage: Stage, excerpt: Excerpt) -> None:
    """Also where the moment stays: whoever copies it would take the number of a trace that is gone."""
    _said(stage, _cell(stage, "grads.c", 7, 2))
    other = synthetic.replaced(excerpt, {"grads.c": np.array(excerpt.arrays["l0.grads.c"]) * 2})
    stage.set_excerpt(other)
    said = stage.canvas.crosshair.said
    assert said is not None
    digits = said.values[0].partition(" = ")[2]
    assert np.float32(float(digits)) == other.arrays["l0.grads.c"][6, 2]


def test_tracks_that_move_under_a_resting_pointer_are_told_at_once(stage: Stage) -> None:
    at = _cell(stage, "grads.c", 7, 2)
    assert "∂L/∂c" in _said(stage, at)
    stage.set_tracks(("network", "grads.c", "values.f", "norms"))
    assert _copied(stage) == _said(stage, at)
    assert "f = " in _copied(stage)
    stage.set_tracks(("network", "grads.c", "norms"))
    assert _copied(stage) == _said(stage, at)
    stage.canvas.set_collapsed(["network"])
    assert _copied(stage) == _said(stage, at)


def test_a_pointer_that_has_left_says_nothing_of_another_trace(stage: Stage, excerpt: Excerpt) -> None:
    _said(stage, _cell(stage, "grads.c", 7, 2))
    stage.canvas.hover_at(None)
    stage.set_excerpt(synthetic.replaced(excerpt, {}))
    assert stage.canvas.crosshair.said is None


def test_a_loss_that_is_nan_is_one_and_no_step_without_a_loss(qtbot: QtBot) -> None:
    """Losses from step 3 on, as of forecasts with a run-up: two are none, one is infinite, the others are NaN."""
    theming.apply("dark")
    losses = np.array([np.nan, np.nan, 0.5, np.inf, np.nan, np.nan])
    e = dataclasses.replace(synthetic.excerpt("rnn", T=6, H=3), losses=losses, loss_steps=4, loss=float("nan"))
    assert e.has_loss.tolist() == [False, False, True, True, True, True]
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(900, 700)
    stage.set_tracks(("losses",))
    stage.set_excerpt(e)
    stage.set_position(len(Tape(6)) - 1)
    stage.show()
    slot, view = _slot(stage, "losses"), stage.canvas.view
    assert view is not None
    said = []
    for t in range(1, 7):
        at = QPoint(stage.canvas.columns.header + int(view.centre(t)), slot.top + slot.height // 2)
        found = stage.canvas.hover_at(at)
        assert found is not None
        none = "no loss here" in found.text
        said.append("no loss here" if none else found.values[0].partition(" = ")[2])
        assert bool(found.taken) is not none, "what is none is not copied as a number"
    assert said == ["no loss here", "no loss here", "0.5", "inf", "NaN", "NaN"]


def test_the_engine_tells_how_many_steps_have_a_loss() -> None:
    for at, count in (("every", 9), ("last", 1)):
        model = ModelSpec(layers=(LayerSpec(cell="rnn", hidden_size=3),), readout=ReadoutSpec(at=at))  # type: ignore[arg-type]
        experiment = Experiment(model=model, task=AddingTask(steps=9, batch_size=2))
        found = run("excerpt", Look(Computed(experiment), ()))
        assert found.loss_steps == count
        assert np.count_nonzero(found.has_loss) == count
        assert bool(found.has_loss[-1])
