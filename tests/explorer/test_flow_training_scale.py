"""The track "Flow over training": the scale that it shares with all gradients, and the one fitted to it alone."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic
from flow_past import T, box, log_of, staged
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.tracks import FLOW_TRAINING
from explorer.stage import classes
from explorer.stage.past import Past
from explorer.stage.scales import Scale
from explorer.stage.stage import Stage
from explorer.stage.tracks.flow_training import FlowTraining

LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    return staged(qtbot)


def scale_of(stage: Stage) -> Scale:
    track, now = stage.track(FLOW_TRAINING), stage.canvas.now
    assert isinstance(track, FlowTraining)
    assert now is not None
    return track.scale_says(now)[0]  # type: ignore[index, no-any-return]


def test_it_is_on_the_scale_of_all_gradients_until_it_is_fitted_and_then_alone_on_its_own(stage: Stage) -> None:
    """The rows of `rising` are from 10^−14.12 to 10^−0.01."""
    heat = stage.track("grads.h")
    shared = heat.scale  # type: ignore[union-attr]
    assert scale_of(stage) == shared
    menu = stage.track_menu.of(FLOW_TRAINING)
    fit = next(entry for entry in menu.actions() if "Fit the scale" in entry.text())
    assert fit.isEnabled()
    fit.trigger()
    menu.close()
    assert scale_of(stage).high == 1
    assert -16 <= scale_of(stage).decades[0] <= -14
    assert heat.scale == shared == scale_after_new_trace(stage), "that of the others stays"  # type: ignore[union-attr]
    menu = stage.track_menu.of(FLOW_TRAINING)
    back = next(entry for entry in menu.actions() if "that of all gradients" in entry.text().replace("&", ""))
    back.trigger()
    menu.close()
    assert scale_of(stage) == shared


def scale_after_new_trace(stage: Stage) -> Scale:
    own = scale_of(stage)
    stage.set_excerpt(synthetic.excerpt("rnn", T=T, H=2))
    assert scale_of(stage) == own, "it is kept"
    return stage.track("grads.h").scale  # type: ignore[union-attr, no-any-return]


def test_a_healthy_run_offers_to_be_fitted_beside_its_scale_and_a_click_does_it_and_undoes_it(stage: Stage) -> None:
    """Numbers from 10^−3 to 10^−1.1 are in two bands of 1e-20 … 1e2, and in eight of 1e-3 … 1e-1."""
    t = np.arange(T)
    stage.set_past(Past(log_of(np.tile(-3 + 1.9 * t / (T - 1), (40, 1))), 7, 50))
    at = stage.canvas.scale_box(box(stage)).center()
    track, now = stage.track(FLOW_TRAINING), stage.canvas.now
    assert isinstance(track, FlowTraining)
    assert now is not None
    assert track._found.bands() == 2
    assert stage.canvas.misfit_at(at) is not None
    assert "A click fits" in " ".join(track.hover_scale(now).values)  # type: ignore[union-attr]
    QTest.mouseClick(stage.canvas.viewport(), LEFT, PLAIN, at)
    own = scale_of(stage)
    assert (own.decades, own.bands, own.band_words) == ((-3, -1), 8, "¼ decade a band")
    assert track._classified().bands() == 8
    said = " ".join(track.hover_scale(now).values)  # type: ignore[union-attr]
    assert "all other gradients: 1e-20 … 1e2" in said
    assert "scale of its own" in track._lines()
    QTest.mouseClick(stage.canvas.viewport(), LEFT, PLAIN, at)
    assert scale_of(stage).decades == (-20, 2)
    assert "scale of its own" not in track._lines()
    stage.handling.select(FLOW_TRAINING)
    assert stage.handling.fit_scale()
    assert scale_of(stage) == own, "and by a key"


def test_a_few_iterations_that_explode_are_above_a_fitted_scale_and_leave_the_others_their_colours(
    stage: Stage,
) -> None:
    rows = np.tile(np.linspace(-2.9, -0.1, T), (200, 1))
    rows[-2:] = np.linspace(30, 0, T)
    rows[-1, :3] = np.inf
    stage.set_past(Past(log_of(rows), 7, 250))
    stage.fit_scale(FLOW_TRAINING)
    assert scale_of(stage).decades == (-3, 0)
    track = stage.track(FLOW_TRAINING)
    assert isinstance(track, FlowTraining)
    counts = track._classified().counts()
    assert (counts[classes.ABOVE], counts[classes.PLUS_INF]) == (2 * (T - 1) - 3, 3)


def test_where_the_gradient_vanishes_the_shared_scale_fits_and_nothing_is_offered(stage: Stage) -> None:
    stage.set_past(Past(log_of(np.tile(np.linspace(-19, 0, T), (40, 1))), 7, 50))
    assert stage.canvas.misfit_at(stage.canvas.scale_box(box(stage)).center()) is None
