"""Options of a heatmap: chosen in its menu, one undoable edit in place, and what each of them shows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import synthetic
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QAction, QColor, QImage, QPainter
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from engine import presets
from engine.requests import Excerpt
from engine.tape import Tape
from engine.tracks import parse
from explorer.app import Explorer
from explorer.document import opening
from explorer.stage import classes, palette, scales
from explorer.stage.cells import TimeView
from explorer.stage.now import Now
from explorer.stage.scalebook import ScaleBook
from explorer.stage.stage import Stage
from explorer.stage.tracks import strip, words
from explorer.stage.tracks.heatmap import Heatmap
from explorer.theme import current as theming


def entries(menu: QMenu) -> dict[str, QAction]:
    """Every entry by its words, those of the submenus included."""
    found = {}
    for action in menu.actions():
        inner = action.menu()
        found |= entries(inner) if isinstance(inner, QMenu) else {action.text().replace("&", ""): action}
    return found


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    theming.apply("dark")
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(800, 600)
    return stage


def many(e: Excerpt) -> Excerpt:
    return dataclasses.replace(e, batch_size=16)


@pytest.mark.parametrize(
    ("old", "entry", "new"),
    [
        ("grads.h", "Mean over the batch", "grads.h?sample=mean"),
        ("l0.grads.h?sample=mean", "The chosen one", "l0.grads.h"),
        ("grads.h", "With their sign", "grads.h?show=signed"),
        ("values.h", "Their size, |·|, on a logarithm", "values.h?show=magnitude"),
        ("values.h?show=magnitude", "Alike ones together", "values.h?order=cluster&show=magnitude"),
        ("values.h?order=mean", "By number", "values.h"),
    ],
)
def test_an_option_is_said_as_the_text_of_the_track_that_it_makes(
    qtbot: QtBot, stage: Stage, old: str, entry: str, new: str
) -> None:
    stage.set_tracks(("network", old))
    stage.set_excerpt(many(synthetic.excerpt("rnn")))
    menu = stage.track_menu.of(old)
    with qtbot.waitSignal(stage.trackChanged) as said:
        entries(menu)[entry].trigger()
    assert said.args == [old, new]
    menu.close()


def test_what_is_chosen_has_the_mark_and_choosing_it_again_says_nothing(qtbot: QtBot, stage: Stage) -> None:
    stage.set_tracks(("grads.h?order=mean",))
    stage.set_excerpt(many(synthetic.excerpt("rnn")))
    said: list[str] = []
    stage.trackChanged.connect(said.append)
    menu = stage.track_menu.of("grads.h?order=mean")
    marked = {words for words, action in entries(menu).items() if action.isChecked()}
    assert marked == {"The chosen one", "Their size, |·|, on a logarithm", "By mean"}
    entries(menu)["By mean"].trigger()
    assert not said
    menu.close()


def test_a_group_that_means_nothing_is_out_of_reach(stage: Stage) -> None:
    stage.set_tracks(("grads.h?sample=mean", "network", "values.h?unit=2"))
    stage.set_excerpt(synthetic.excerpt("rnn"))
    groups = {a.text(): a.isEnabled() for a in stage.track_menu.of("grads.h?sample=mean").actions() if a.menu()}
    assert groups == {"Du&plicate for": True, "&Samples": True, "&Numbers": False, "&Order of units": True}
    groups = {a.text(): a.isEnabled() for a in stage.track_menu.of("values.h?unit=2").actions() if a.menu()}
    # One sample is its own mean; one unit has no order.
    assert groups == {"Du&plicate for": True, "&Samples": False, "&Numbers": True}
    assert [a.text() for a in stage.track_menu.of("network").actions() if a.menu()] == ["Du&plicate for"]


# -- in the window ----------------------------------------------------------------------------------------------------


@pytest.fixture
def explorer(explorer: Explorer, qtbot: QtBot) -> Explorer:
    explorer.window.resize(1200, 800)
    explorer.show(opening.of_preset(presets.load("vanilla-rnn-forgets")))
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    return explorer


def test_an_option_is_one_undoable_edit_in_place_and_the_height_goes_along(qtbot: QtBot, explorer: Explorer) -> None:
    document, stage = explorer.document, explorer.window.stage
    before = document.state.tracks
    place = before.index("grads.h")
    stage.canvas.set_heights({"grads.h": 133})
    stage.heights_done()
    stage.trackChanged.emit("grads.h", "grads.h?sample=mean")
    qtbot.waitUntil(lambda: explorer.controller.settled, timeout=60_000)
    after = document.state.tracks
    assert after == (*before[:place], "grads.h?sample=mean", *before[place + 1 :])
    assert stage.tracks() == after
    heights = [slot.height for slot in stage.canvas.slots]
    assert heights[place] == 133
    track = stage.canvas.tracks[place]
    stage.set_position(10_000)
    stage.grab()
    said = track.hover(30, 3, stage.canvas.now)
    assert said is not None
    assert said.values[0].startswith("mean |∂L/∂h| = ")
    document.undo_stack.undo()
    assert document.state.tracks == before
    assert [slot.height for slot in stage.canvas.slots] == heights
    assert document.undo_stack.count() == 1


def test_a_track_that_is_there_already_does_not_come_twice(explorer: Explorer) -> None:
    document, stage = explorer.document, explorer.window.stage
    document.edit_tracks(("grads.h", "grads.h?order=mean"), "tracks")
    count = document.undo_stack.count()
    stage.trackChanged.emit("grads.h", "grads.h?order=mean")
    assert document.state.tracks == ("grads.h", "grads.h?order=mean")
    assert document.undo_stack.count() == count
    assert explorer.window.statusBar().currentMessage()


# -- what they show ---------------------------------------------------------------------------------------------------


def test_gradients_with_their_sign_stand_on_the_shared_range_linear_below_its_low_end() -> None:
    e, book = synthetic.excerpt("rnn"), ScaleBook()
    signed = book.of(parse("grads.h?show=signed"), e)
    assert signed == scales.Scale("signed", -1e2, 1e2, 1e-20)
    assert book.of(parse("grads.h"), e) == scales.magnitude(-20, 2)
    assert book.of(parse("grads.h?sample=mean&show=signed"), e) == scales.magnitude(-20, 2), "a size has no sign"
    codes = classes.classify(np.array([1e-10, -1e-10, 1e-25, 1e3, -1e3]), signed)
    assert codes[0] == codes[1] + 1
    assert codes[2] == classes.FIRST + 1, "in the linear zone, not below the scale"
    assert codes[3:].tolist() == [classes.ABOVE, classes.BELOW]


@pytest.mark.parametrize(
    ("top", "quiet", "decades"), [(0.7, 0.5, (-12, 0)), (3.0, 1e-9, (-14, 2)), (1e30, 1e-30, (-10, 30))]
)
def test_sizes_of_values_get_bands_of_two_decades_down_to_where_the_quietest_step_is(
    top: float, quiet: float, decades: tuple[int, int]
) -> None:
    scale = scales.of_sizes(np.array([[top, 0.0], [-quiet, quiet / 9]]))
    assert scale.decades == decades
    assert scale.kind == "magnitude"


def test_header_and_readout_say_what_was_done_to_the_numbers() -> None:
    grads = parse("l0.grads.h?sample=mean")
    assert words.mean(grads, 16)[0] == "mean of |·| over 16 samples"
    assert (words.symbol(grads), words.symbol(parse("values.f?sample=mean"))) == ("mean |∂L/∂h|", "mean f")
    assert words.title(grads, None) == "Gradient ∂L/∂h"
    signed = scales.with_sign(scales.magnitude())
    assert words.lines(parse("grads.h?show=signed"), None, "4 units", signed) == (
        "signed log_{10}", "4 units", "linear in ±1e-20",
    )  # fmt: skip


def _picture(key: str, e: Excerpt, height: int = 75, width: int = 20) -> QImage:
    theming.apply("dark")
    track = Heatmap(key)
    track.set_excerpt(e, ScaleBook())
    view = TimeView(e.steps, 1, e.steps, e.steps * width)
    track.prepare(view, height)
    image = QImage(view.width, height, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    track.paint(painter, QPoint(0, 0), QRect(0, 0, view.width, height), Now.at(Tape(e.steps), 10**6))
    painter.end()
    return image


def test_one_unit_stands_as_high_as_its_number_on_the_scale() -> None:
    """A track 75 pixels high has 60 for a scale of −1 … 1: half of it is 15 pixels from zero."""
    e = synthetic.excerpt("rnn", T=4, H=2)
    data = np.array([[9, 0.5], [9, -0.5], [9, 1.0], [9, -1.0]], np.float32)
    image = _picture("values.h?unit=1", synthetic.replaced(e, {"values.h": data}))
    edge = QColor(theming.current().text)
    top, zero = strip.TOP, strip.TOP + 30
    for t, middle in enumerate((zero - 15, zero + 15, top, zero + 30)):
        rows = [y for y in range(75) if image.pixelColor(20 * t + 10, y) == edge]
        assert rows == [middle - 1, middle]


@pytest.mark.parametrize("key", ["grads.h?unit=0", "values.h?unit=0"])
def test_of_one_unit_nothing_leans_into_what_is_not_reached(qtbot: QtBot, key: str) -> None:
    """The pixels of a step hang on that step alone."""
    e = synthetic.excerpt("rnn", T=6, H=2)
    what = key.partition("?")[0]
    whole = _picture(key, e)
    for t in range(6):
        data = e.arrays[f"l0.{what}"].copy()
        data[t] = -0.001 * data[t]
        other = _picture(key, synthetic.replaced(e, {what: data}))
        for x in range(whole.width()):
            same = all(whole.pixel(x, y) == other.pixel(x, y) for y in range(75))
            assert same or x // 20 == t


def test_a_mean_masks_only_what_no_sample_has(qtbot: QtBot) -> None:
    e = many(synthetic.excerpt("rnn", T=10, H=2))
    mean = np.abs(e.arrays["l0.grads.h"].astype(np.float64))
    mean[8:] = np.nan
    e = dataclasses.replace(e, arrays={**e.arrays, "l0.grads.h@mean": mean}, length=5, longest=8)
    track = Heatmap("grads.h?sample=mean")
    track.set_excerpt(e, ScaleBook())
    track.prepare(TimeView(10, 1, 10, 100), 40)
    now = Now.at(Tape(10), 10**6)
    known, _ = track._known(now)
    assert (known[classes.UNDEFINED], known[classes.NAN]) == (4, 0)
    said = track.hover(95, 5, now)
    assert said is not None
    assert said.note == "padding: the longest sample ends at t = 8"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_trace_in_a_narrow_type_is_shown_and_its_subnormal_numbers_are_its_own(qtbot: QtBot, dtype: str) -> None:
    """2^-15 is subnormal in float16 alone (its smallest normal number is 2^-14); 2^-127 in bfloat16 too."""
    e = synthetic.excerpt("rnn", T=5, H=2, dtype="float16" if dtype == "float16" else "float32")
    small = 2.0**-15 if dtype == "float16" else 2.0**-127
    data = np.full((5, 2), 1.0, e.arrays["l0.grads.h"].dtype)
    data[1, 0] = small
    e = dataclasses.replace(synthetic.replaced(e, {"grads.h": data}), dtype=dtype)
    stage = Stage()
    qtbot.addWidget(stage)
    stage.resize(700, 500)
    stage.set_tracks(("network", "values.h", "grads.h?order=cluster", "norms"))
    stage.set_excerpt(e)
    stage.set_position(10**6)
    assert not stage.grab().isNull()
    track = stage.canvas.tracks[2]
    assert isinstance(track, Heatmap)
    assert track._known(Now.at(Tape(5), 10**6))[1] == 1


def test_the_look_of_a_class_is_the_same_whether_one_unit_or_all_are_shown(qtbot: QtBot) -> None:
    e = synthetic.excerpt("rnn", T=40, H=1)
    data = np.zeros((40, 1), np.float32)
    e = synthetic.replaced(e, {"grads.h": data})
    assert _picture("grads.h", e, width=4) == _picture("grads.h?unit=0", e, width=4)
    ground = palette.looks(scales.magnitude(), "dark")[classes.ZERO].ground
    assert _picture("grads.h?unit=0", e, width=20).pixelColor(1, 1).name() == ground
