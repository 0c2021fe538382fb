"""What a new trace and a new chunk of training cost the window: a track or a plot at a time, and for a chunk the same
whether ten iterations lie behind or a hundred thousand."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import synthetic
from lessons import trained
from PySide6.QtCore import QRect
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from training_rig import Rig, experiment, weights

from engine.requests import Excerpt, Look
from engine.rows import BLOCK_BYTES
from explorer.stage.drawn_ahead import DrawnAhead
from explorer.stage.stage import Stage
from explorer.stage.tracks.curve import CurveTrack
from explorer.stage.tracks.heatmap import Heatmap
from explorer.stage.tracks.network import Unrolled
from explorer.theme import current as theming
from explorer.training import following
from explorer.training.book import Book
from explorer.training.curves import Curves
from explorer.training.plots import CurvesView

TRACKS = ("network", "values.f", "grads.h", "norms")


def answer(seed: int) -> Excerpt:
    return synthetic.excerpt("lstm", T=24, H=7, seed=seed)


def stage_of(qtbot: QtBot, first: Excerpt) -> Stage:
    stage = Stage()
    qtbot.addWidget(stage, before_close_func=lambda _, kept=stage: None)  # until the test is over
    stage.resize(900, 700)
    stage.set_tracks(TRACKS)
    stage.set_excerpt(first)
    stage.set_position(40)
    stage.show()
    QApplication.processEvents()
    return stage


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tracks that draw themselves, in order."""
    found: list[str] = []
    for kind in (Heatmap, CurveTrack, Unrolled):

        def counted(self: object, view: object, height: int, real: object = kind.prepare) -> None:
            before = self._full_key if isinstance(self, Heatmap) else self._key  # type: ignore[attr-defined]
            real(self, view, height)  # type: ignore[operator]
            after = self._full_key if isinstance(self, Heatmap) else self._key  # type: ignore[attr-defined]
            if after != before:
                found.append(self.key)  # type: ignore[attr-defined]

        monkeypatch.setattr(kind, "prepare", counted)
    return found


# -- a new trace ------------------------------------------------------------------------------------------------------


def test_a_trace_is_drawn_a_track_at_a_time_and_then_shown_without_drawing(qtbot: QtBot, prepared: list[str]) -> None:
    stage = stage_of(qtbot, answer(0))
    old = stage.grab().toImage()
    late = answer(1)
    for n in range(3):  # the second set of tracks, then the first one again
        late = answer(1 + n)
        prepared.clear()
        done = [len(prepared) for _ in stage.draw_ahead(late)]
        assert done == [1, 2, 3, 4], "one track a piece"
        assert stage.grab().toImage() == old, "until it is shown nothing of it is on screen"
        stage.set_excerpt(late)
        prepared.clear()
        shown = stage.grab().toImage()
        assert prepared == [], "what was drawn ahead is not drawn again"
        assert shown != old
        old = shown
    other = stage_of(qtbot, answer(0))  # on the same scales
    other.set_excerpt(late)
    assert old == other.grab().toImage(), "the picture is the one that is drawn at once"


def test_what_was_drawn_ahead_on_another_scale_or_in_another_theme_is_not_shown(qtbot: QtBot) -> None:
    stage, other, late = stage_of(qtbot, answer(0)), stage_of(qtbot, answer(0)), answer(1)
    tracks = QRect(0, 0, stage.width(), stage.canvas.y() + stage.canvas.foot)  # the button below is the style's
    for one in (stage, other):
        list(one.draw_ahead(late))
    stage.set_scales({"grads.h": (1e-3, 1.0, 0.0)})
    for one in (stage, other):
        one.set_excerpt(late)
    assert stage.grab(tracks).toImage() != other.grab(tracks).toImage()
    other.set_scales({"grads.h": (1e-3, 1.0, 0.0)})
    assert stage.grab(tracks).toImage() == other.grab(tracks).toImage()
    before, later = theming.current().name, answer(2)
    try:
        for one in (stage, other):
            list(one.draw_ahead(later))
        stage.set_excerpt(later)
        theming.apply("light" if before == "dark" else "dark")
        other.set_excerpt(later)
        assert stage.grab(tracks).toImage() == other.grab(tracks).toImage()
    finally:
        theming.apply(before)


def test_a_trace_with_other_layers_or_steps_is_not_drawn_ahead(qtbot: QtBot) -> None:
    stage = stage_of(qtbot, answer(0))
    assert list(stage.draw_ahead(synthetic.excerpt("lstm", T=25, H=7))) == []
    assert list(stage.draw_ahead(synthetic.excerpt("lstm", T=24, H=8))) == []
    assert list(stage.draw_ahead(synthetic.excerpt("gru", T=24, H=7))) == []


def test_what_is_forgotten_stops_being_drawn(qtbot: QtBot, prepared: list[str]) -> None:
    stage = stage_of(qtbot, answer(0))
    drawn = DrawnAhead(stage)
    pieces = drawn.pieces(answer(1))
    next(pieces)
    drawn.forget()
    prepared.clear()
    assert list(pieces) == []
    assert prepared == []


@pytest.fixture
def rig(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """While it trains, a picture is asked for after every chunk and drawn in two pieces."""
    monkeypatch.setattr(following, "SHOWS_EVERY", 0.0)
    made = Rig(experiment())
    made.controller.pictures.draw = lambda _excerpt: iter((None, None))
    made.runner.start()
    yield made
    made.runner.pause()


def picture(rig: Rig) -> Excerpt:
    """That of the iteration that was asked for last; it is answered."""
    generation, look = rig.courier.last("excerpt")
    assert isinstance(look, Look)
    made = replace(synthetic.excerpt("rnn", T=10, H=4), weights=None)
    rig.courier.answered.emit("excerpt", generation, made)
    return made


def test_a_picture_that_comes_while_training_runs_is_shown_once_it_is_drawn(qtbot: QtBot, rig: Rig) -> None:
    before, seen = rig.controller.excerpt, []
    rig.controller.excerptChanged.connect(seen.append)
    rig.answer()
    late = picture(rig)
    assert rig.controller.excerpt is before
    assert rig.document.view.iteration == 0
    assert rig.controller.waiting, "it is on its way"
    qtbot.waitUntil(lambda: bool(seen), timeout=5000)
    assert seen == [late]
    assert rig.document.view.iteration == 1
    assert not rig.controller.waiting


def test_of_two_pictures_none_is_lost_and_the_order_stays(qtbot: QtBot, rig: Rig) -> None:
    seen: list[object] = []
    rig.controller.excerptChanged.connect(seen.append)
    rig.answer()
    first = picture(rig)
    rig.controller.go_to_iteration(0)
    rig.runner.pause()
    second = picture(rig)
    assert seen == [first, second], "what is still being drawn is shown before what comes after it"
    assert rig.document.view.iteration == 0


def test_another_document_lets_go_of_a_picture_that_is_being_drawn(qtbot: QtBot, rig: Rig) -> None:
    rig.answer()
    picture(rig)
    seen: list[object] = []
    rig.controller.excerptChanged.connect(seen.append)
    rig.document.open(rig.document.state.without_training(), rig.document.view, title="another")
    qtbot.wait(20)
    assert seen == [None]


# -- curves that go on ------------------------------------------------------------------------------------------------


def curves(count: int) -> Curves:
    i = np.arange(count)
    norms = 2.0 + np.sin(i)
    return Curves(i, 1 / (1.0 + i), norms, np.minimum(norms, 2.5), norms > 2.5, count=count)


def view_of(qtbot: QtBot, first: Curves) -> CurvesView:
    view = CurvesView()
    qtbot.addWidget(view, before_close_func=lambda _, kept=view: None)
    view.resize(600, 300)
    view.show()
    view.set_curves(first)
    view.grab()
    return view


def test_curves_that_go_on_are_drawn_a_plot_at_a_time_and_shown_whole(qtbot: QtBot) -> None:
    view = view_of(qtbot, curves(450))
    old = view.grab().toImage()
    view.set_curves(curves(490))
    pieces = 0
    while view._next is not None:
        assert view.grab().toImage() == old, "half a picture is not shown"
        view._draw_a_piece()
        pieces += 1
    assert pieces > 2, "the loss, the norms, and what is around them"
    new = view.grab().toImage()
    assert new == view_of(qtbot, curves(490)).grab().toImage()
    assert new != old
    view.set_curves(curves(495))
    view._draw_a_piece()
    view.set_curves(curves(510))
    assert view._next is None, "the axis has moved on: what stands over the curves is drawn on it at once"
    view.set_curves(curves(520))
    view.set_curves(curves(530))
    view._draw_a_piece()
    view.resize(620, 300)  # what is being drawn is let go
    view.resize(600, 300)
    view.set_curves(curves(530))
    qtbot.waitUntil(lambda: view._next is None, timeout=5000)
    assert view.grab().toImage() == view_of(qtbot, curves(530)).grab().toImage(), "the newest is what is shown at last"


# -- a new chunk ------------------------------------------------------------------------------------------------------


def test_a_chunk_costs_the_same_however_many_iterations_lie_behind() -> None:
    rig = Rig(experiment())
    book = Book(rig.document)
    changed: list[object] = []
    book.changed.connect(lambda: changed.append(None))
    most = []
    for behind in (1000, 100_000):
        at = rig.document.state.furthest
        rig.document.learn(trained(at, behind - at, weights(behind)), rig.document.recipe)
        costs = []
        for n in range(8):
            chunk = trained(behind + 5 * n, 5, weights(behind + 5 * n + 5))
            tracemalloc.start()
            rig.document.learn(chunk, rig.document.recipe)
            costs.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        most.append(sorted(costs)[len(costs) // 2])
    assert len(changed) == 18, "everybody hears of every chunk"
    row = 100_000 * 8
    assert most[1] < row / 4, "a quarter of one column: nobody copies one"
    assert most[1] < BLOCK_BYTES
    assert most[1] < 2 * most[0] + 10_000
