"""The track "Flow over training": its classes, how it grows, what it says, and how one travels with it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import synthetic
from flow_past import T, box, log_of, rising, rows_of, staged, track_of
from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QFont, QImage, QPainter
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.history import Log
from engine.tape import Tape
from engine.tracks import FLOW_TRAINING
from explorer.stage import classes, marked, palette
from explorer.stage.cells import TimeView
from explorer.stage.margins import HEADER_WIDTH
from explorer.stage.now import Now
from explorer.stage.past import Past
from explorer.stage.scalebook import ScaleBook
from explorer.stage.stage import Stage
from explorer.stage.tracks.flow_training import FlowTraining
from explorer.tables.text import Columns
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName

LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
# What a record holds of each class: log₁₀ of the norm, and whether the row has something that is not a number.
CLASSES = {
    "zero": (-np.inf, False),
    "below": (-25.0, False),
    "above": (9.0, False),
    "infinite": (np.inf, False),
    "not a number": (np.nan, True),
    "padding": (np.nan, False),
}
GONE = "a step that it did not have"
NUMBERS = {"1e-10": (-10.0, False), "1": (0.0, False)}

themes = pytest.mark.parametrize("name", ["light", "dark"])
widths = pytest.mark.parametrize("width", [20, 1])
ratios = pytest.mark.parametrize("ratio", [1, 2])


def painted(track: FlowTraining, view: TimeView, height: int, *, marker: bool = False) -> QImage:
    track.prepare(view, height)
    image = QImage(view.width, height, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(view.ratio)
    painter = QPainter(image)
    now = Now.at(Tape(view.steps), 0)
    track.paint(painter, QPoint(0, 0), QRect(0, 0, view.width, height), now)
    if marker:
        track.paint_over(painter, QPoint(0, 0), now)
    painter.end()
    return image


def grey(image: QImage) -> np.ndarray:
    found = image.convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(found.constBits(), np.uint8).reshape(found.height(), found.bytesPerLine())
    return rows[:, : found.width()].astype(float)


def argb(image: QImage) -> np.ndarray:
    rows = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), image.bytesPerLine() // 4)
    return rows[:, : image.width()].copy()


# -- the classes ------------------------------------------------------------------------------------------------------


def pictures(width: int, ratio: int) -> dict[str, np.ndarray]:
    """Of one class everywhere: cells of `width` × 20 logical pixels."""
    steps, found = (12 if width > 1 else 48), {}
    view = TimeView(steps, 1, steps, steps * width * ratio, float(ratio))
    for key, (value, bad) in (CLASSES | NUMBERS).items():
        track = track_of(log_of(np.full((3, steps), value), bad), last=2, steps=steps)
        found[key] = grey(painted(track, view, 60 * ratio))
    none = track_of(log_of(np.zeros((3, 0))), last=2, steps=steps)
    found[GONE] = grey(painted(none, view, 60 * ratio))
    empty = track_of(Log(), last=2, steps=steps)
    found["not trained"] = grey(painted(empty, view, 60 * ratio))
    return found


def signature(picture: np.ndarray) -> np.ndarray:
    """What stays the same when a pattern is shifted: how dark, how much of it, how fine, and which way it runs."""
    p = picture
    moved = [(p[1:], p[:-1]), (p[:, 1:], p[:, :-1]), (p[1:, 1:], p[:-1, :-1]), (p[1:, :-1], p[:-1, 1:])]
    changes = [float(np.abs(a - b).mean()) for a, b in moved]
    return np.array([*np.quantile(picture, (0.1, 0.5, 0.9)), picture.mean(), *changes])


@themes
@widths
@ratios
def test_every_class_has_a_picture_of_its_own_in_grey(qtbot: QtBot, name: ThemeName, width: int, ratio: int) -> None:
    theming.apply(name)
    for (a, one), (b, other) in combinations(pictures(width, ratio).items(), 2):
        assert np.mean(np.abs(one - other) > 30) > 0.012, f"{a} and {b} look alike"
        if width == 1:
            assert np.abs(signature(one) - signature(other)).max() > 10, f"{a} and {b} have the same pattern"


@themes
@widths
def test_a_number_on_the_scale_is_plain_and_in_the_colour_of_its_band(
    qtbot: QtBot, name: ThemeName, width: int
) -> None:
    theming.apply(name)
    for key, picture in pictures(width, 1).items():
        assert (picture.std() == 0) == (key in NUMBERS), key
    track = track_of(log_of(np.full((3, T), -10.0)), last=2)
    scale = ScaleBook().gradients(synthetic.excerpt("rnn", T=T, H=2))
    found = argb(painted(track, TimeView(T, 1, T, 240), 60))
    assert (found == palette.table(scale, name)[classes.code_of(1e-10, scale)]).all()


def test_where_rows_share_a_pixel_the_worst_class_wins_else_the_largest(qtbot: QtBot) -> None:
    theming.apply("dark")
    flow = np.full((1000, T), -10.0)
    flow[503, 4] = -2.0
    flow[703, 6] = -np.inf
    flow[704, 6] = 1.0
    track = track_of(log_of(flow), last=999)
    view = TimeView(T, 1, T, T * 8)
    found = argb(painted(track, view, 100))
    scale = track._scale
    assert scale is not None
    colours = palette.table(scale, "dark")
    usual = colours[classes.code_of(1e-10, scale)]
    assert found[50, 4 * 8] == colours[classes.code_of(1e-2, scale)]
    assert (found[70, 6 * 8 : 7 * 8] != colours[classes.code_of(10.0, scale)]).any(), "exactly 0 stands before it"
    rest = np.ones(found.shape, bool)
    rest[50, 32:40] = rest[70, 48:56] = False
    assert (found[rest] == usual).all()
    said = track.hover(4 * 8, 50, Now.at(Tape(T), 0))
    assert said is not None
    assert said.iteration == 503
    assert said.values == ("‖∂L/∂h_t‖ = 0.01",)
    assert "the one shown of 10 in this pixel" in said.note
    zero = track.hover(6 * 8, 70, Now.at(Tape(T), 0))
    assert zero is not None
    assert (zero.iteration, zero.note.partition(" ·")[0]) == (703, "exactly 0")


# -- growing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [300, 60])
@pytest.mark.parametrize("ratio", [1, 2])
def test_a_picture_that_has_grown_is_the_one_that_is_drawn_at_once(qtbot: QtBot, height: int, ratio: int) -> None:
    """With all classes, one pixel to a row and several rows to a pixel; and what was there before stays."""
    theming.apply("dark")
    rng = np.random.default_rng(0)
    flow = rng.uniform(-26, 6, (130, 90))
    flow[:, :9] = -np.inf
    flow[:, 80:] = np.nan
    view = TimeView(90, 1, 90, 180 * ratio, float(ratio))
    growing, log, before = track_of(Log(), last=150, steps=90), Log(), None
    for first, count in ((0, 1), (1, 40), (41, 2), (43, 80), (123, 7)):
        log = log.appended(rows_of(flow[first : first + count], first=first))
        growing.set_past(Past(log, 0, 150))
        picture = argb(painted(growing, view, height * ratio))
        if before is not None:
            top = growing._picture.rows.left[first]
            assert (picture[:top] == before[:top]).all(), "it jumps"
        before = picture
    at_once = argb(painted(track_of(log, last=150, steps=90), view, height * ratio))
    assert (before == at_once).all()


def test_only_the_rows_that_have_come_are_coloured(qtbot: QtBot) -> None:
    theming.apply("dark")
    track = track_of(rising(0, 800, 40), last=1000, steps=40)
    view = TimeView(40, 1, 40, 200)
    painted(track, view, 500)
    assert track._picture.redrawn == (0, 500)
    track.set_past(Past(rising(0, 804, 40), 0, 1000))
    painted(track, view, 500)
    top, bottom = track._picture.redrawn
    assert 0 < bottom - top <= 240
    painted(track, view, 500)
    assert track._picture.redrawn == (0, 0)


def test_what_is_not_trained_yet_is_blank_and_says_so(qtbot: QtBot) -> None:
    theming.apply("dark")
    track = track_of(rising(0, 50), last=99)
    now, view = Now.at(Tape(T), 0), TimeView(T, 1, T, 480)
    found = argb(painted(track, view, 200))
    ground = palette.packed(theming.current().ground)
    assert (found[100:] == ground).mean() > 0.9
    assert not (found[:100] == ground).any()
    said = track.hover(10, 150, now)
    assert said is not None
    assert (said.note, said.iteration) == ("not trained yet", None)


def test_a_zoomed_time_shows_those_steps_alone(qtbot: QtBot) -> None:
    theming.apply("dark")
    flow = np.tile(np.linspace(-18, 0, T), (20, 1))
    whole = argb(painted(track_of(log_of(flow), last=19), TimeView(T, 1, T, T * 20), 40))
    part = argb(painted(track_of(log_of(flow), last=19), TimeView(T, 4, 6, 60), 40))
    assert (part == whole[:, 60:120]).all()


def test_zooming_and_scrubbing_read_what_is_in_pixels_already_and_no_row_again(qtbot: QtBot) -> None:
    """However many iterations there are: a zoom costs its pixels."""
    theming.apply("dark")
    flow = np.random.default_rng(0).uniform(-26, 4, (2000, 300))
    part = TimeView(300, 40, 139, 200)
    expected = argb(painted(track_of(log_of(flow), last=1999, steps=300), part, 100))
    track = track_of(log_of(flow), last=1999, steps=300)
    painted(track, TimeView(300, 1, 300, 200), 100)
    track._found.codes[:] = classes.NAN  # whoever looks at them again shows it
    assert (argb(painted(track, part, 100)) == expected).all()
    track.set_past(Past(track.past.log, 1234, 1999))
    assert (argb(painted(track, part, 100)) == expected).all()
    assert track._picture.redrawn == (0, 0)


def test_steps_that_an_iteration_did_not_have_are_no_padding(qtbot: QtBot) -> None:
    """T was 8, with a sample that ends at 6, and is 12 now: 7 and 8 are padding, from 9 on there was no step."""
    theming.apply("dark")
    short = np.full((10, 8), -3.0)
    short[:, 6:] = np.nan
    log = log_of(short).appended(rows_of(np.full((10, T), -3.0), first=10))
    track, now = track_of(log, last=19, steps=T), Now.at(Tape(T), 0)
    found = grey(painted(track, TimeView(T, 1, T, T * 20), 200))
    number, padding, gone = found[:100, :120], found[:100, 120:160], found[:100, 160:]
    assert number.std() == 0
    assert found[100:].std() == 0, "the later ones have all their steps"
    assert np.abs(signature(padding) - signature(gone)).max() > 10
    notes = {t: track.hover(20 * t - 10, 20, now).note for t in (7, 8, 9, 12)}  # type: ignore[union-attr]
    assert notes == {7: "padding", 8: "padding", 9: "no step: T was 8", 12: "no step: T was 8"}
    scale = track.hover_scale(now)
    assert scale is not None
    assert [value for value in scale.values if "padding" in value or "no step" in value] == [
        "20 padding, masked",
        "40 no step: T was 8",
    ]
    table = track.table(now)
    assert table is not None
    assert [Columns(table).note(t - 1, 0) for t in (6, 7, 8, 9)] == ["", "padding", "padding", "no step: T was 8"]
    more = log.appended(rows_of(np.full((2, 10), -3.0), first=20))
    track.set_past(Past(more, 0, 29))
    painted(track, TimeView(T, 1, T, T * 20), 200)
    assert track._no_step() == ("no step", "T was 8 … 10")


def test_where_rows_share_a_pixel_a_number_stands_before_a_step_that_was_not_there(qtbot: QtBot) -> None:
    theming.apply("dark")
    log = log_of(np.full((1, 8), -3.0)).appended(rows_of(np.full((1, T), -3.0), first=1))
    found = grey(painted(track_of(log, last=1, steps=T), TimeView(T, 1, T, T * 20), 1))
    assert found.std() == 0


# -- what it says -----------------------------------------------------------------------------------------------------


def test_the_pointer_says_iteration_step_and_norm(qtbot: QtBot) -> None:
    theming.apply("dark")
    track = track_of(log_of(np.array([[-1.0, -2.0, np.nan], [-3.0, -np.inf, np.nan]])), last=1, steps=3)
    painted(track, TimeView(3, 1, 3, 60), 40)
    now = Now.at(Tape(3), 0)
    found = {(x, y): track.hover(20 * x + 5, 20 * y + 5, now) for x in range(3) for y in range(2)}
    lines = {where: said.text for where, said in found.items() if said is not None}
    assert lines[0, 0] == "iteration 0 · t = 1 · ‖∂L/∂h_t‖ = 0.1"
    assert lines[0, 1] == "iteration 1 · t = 1 · ‖∂L/∂h_t‖ = 0.001"
    assert lines[1, 1] == "iteration 1 · t = 2 · ‖∂L/∂h_t‖ = 0 · exactly 0"
    assert lines[2, 0] == "iteration 0 · t = 3 · ‖∂L/∂h_t‖ · padding"
    assert found[1, 0].taken[0].value == "0.01"
    assert found[2, 0].taken == ()


def test_the_table_has_a_column_an_iteration_with_the_numbers_as_recorded(qtbot: QtBot) -> None:
    from explorer.tables.text import sorted_steps, tsv

    logs = np.array([[-1.0, -25.0, np.nan], [-3.0, -np.inf, np.nan]])
    broken = rows_of(np.array([[np.nan, 0.0, np.inf]]), bad=True, first=2)
    log = log_of(logs).appended(broken)
    track = track_of(log, last=9, steps=3)
    table = track.table(Now.at(Tape(3), 0))
    assert table is not None
    columns = Columns(table)
    assert [columns.name(n) for n in range(3)] == ["iteration 0", "iteration 1", "iteration 2"]
    texts = [[columns.text(row, n) for n in range(3)] for row in range(3)]
    assert texts == [["0.1", "0.001", "NaN"], ["1e-25", "0", "1"], ["", "", "inf"]]
    notes = [[columns.note(row, n) for n in range(3)] for row in range(3)]
    assert notes == [
        ["", "", "not a number"],
        ["below the scale (1e-20)", "exactly 0", ""],
        ["padding", "padding", "infinite"],
    ]
    assert tsv(columns, (0,), (0, 2)) == "t\titeration 0\titeration 2\n1\t0.1\tNaN"
    assert sorted_steps(columns, 3, 1, Qt.SortOrder.AscendingOrder) == [1, 0, 2]


def test_a_table_that_gets_more_columns_keeps_its_place(qtbot: QtBot) -> None:
    from explorer.tables.model import TableModel

    now = Now.at(Tape(T), 0)
    track = track_of(rising(0, 5), last=10)
    first = track.table(now)
    assert first is not None
    model = TableModel(first)
    with qtbot.assertNotEmitted(model.modelReset), qtbot.waitSignal(model.columnsInserted) as said:
        track.set_past(Past(rising(0, 9), 0, 10))
        more = track.table(now)
        assert more is not None
        model.set_table(more)
    assert said.args[1:] == [5, 8]
    assert model.index(0, 8).data() == model.columns.text(0, 8) == "9.7724e-9"  # 10^−8.01


def test_the_strip_and_the_screen_reader_say_the_iteration_on_screen(qtbot: QtBot) -> None:
    track = track_of(rising(0, 20), last=30, shown=3)
    now = Now.at(Tape(T), T - 1)
    assert track.at_playhead(now) == "7.59e-4 · iteration 3"  # 10^−3.12
    track.set_past(Past(rising(0, 20), 20, 30))
    assert track.at_playhead(now) == "not trained yet · iteration 20"


def test_numbers_stand_beside_the_words_of_the_header_where_there_is_room(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ticks are beside what it says: they have their numbers like all others, but for that of the title."""
    theming.apply("dark")
    track = track_of(rising(0, 400), last=400, shown=390)
    track.prepare(TimeView(T, 1, T, 600, 1.0), 150)
    written: list[tuple[str, QRectF]] = []
    draw = marked.draw

    def heard(painter: QPainter, where: QRectF, text: str, font: QFont, *more: object) -> None:
        wide = marked.width(text, font)
        right = bool(more)
        written.append((text, QRectF(where.right() - wide if right else where.left(), where.top(), wide, 14)))
        draw(painter, where, text, font, *more)

    monkeypatch.setattr(marked, "draw", heard)
    image = QImage(HEADER_WIDTH, 150, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    track.paint_header(painter, image.rect(), Now.at(Tape(T), 0))
    painter.end()
    texts = [text for text, _ in written]
    assert [text for text in texts if text.isdigit()] == ["100", "200", "300"]
    for n, (_, one) in enumerate(written):
        assert not any(one.intersects(other) for _, other in written[n + 1 :])


# -- on the stage -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stage(qtbot: QtBot) -> Stage:
    return staged(qtbot)


def test_a_click_goes_to_the_iteration_and_the_step(qtbot: QtBot, stage: Stage) -> None:
    place = box(stage)
    at = QPoint(place.left() + round(4.5 / T * place.width()), place.top() + round(12.5 / 41 * place.height()))
    with qtbot.waitSignals([stage.iterationPicked, stage.stepPicked]):
        QTest.mouseClick(stage.canvas.viewport(), LEFT, PLAIN, at)
    picked: list[int] = []
    stage.iterationPicked.connect(picked.append)
    QTest.mouseClick(stage.canvas.viewport(), LEFT, PLAIN, at)
    assert picked == [12]
    blank = QPoint(at.x(), place.bottom() - 1)
    QTest.mouseClick(stage.canvas.viewport(), LEFT, PLAIN, blank)
    assert picked == [12], "what is not trained yet is nowhere to go"


def test_a_double_click_shows_all_steps_and_goes_nowhere(qtbot: QtBot, stage: Stage) -> None:
    picked: list[int] = []
    stage.iterationPicked.connect(picked.append)
    stage.time_range.show(3, 6)
    at = box(stage).center()
    QTest.mouseClick(stage.canvas.viewport(), LEFT, PLAIN, at)
    QTest.mouseDClick(stage.canvas.viewport(), LEFT, PLAIN, at)
    assert stage.time_range.shown == (1, T)
    assert picked[1:] == [7], "back to where it was"


def test_the_marker_stands_at_the_iteration_on_screen(stage: Stage) -> None:
    place = box(stage)
    x, cursor = place.left() + place.width() // 3, theming.current().cursor

    def marked() -> list[int]:
        QApplication.processEvents()
        image = stage.canvas.viewport().grab().toImage()
        return [y - place.top() for y in range(place.top(), place.bottom()) if image.pixelColor(x, y).name() == cursor]

    pitch = place.height() / 41
    for iteration in (7, 25):
        stage.set_past(Past(stage.past.log, iteration, 40))
        found = marked()
        assert found
        assert all(abs(y - (iteration + 0.5) * pitch) <= pitch / 2 + 2 for y in found), iteration


def test_rows_are_chosen_by_keys_and_enter_travels(qtbot: QtBot, stage: Stage) -> None:
    said: list[str] = []
    stage.hovered.connect(said.append)
    stage.handling.select(FLOW_TRAINING)
    stage.setFocus()
    track = stage.track(FLOW_TRAINING)
    assert isinstance(track, FlowTraining)
    QTest.keyClick(stage, Qt.Key.Key_Return)
    assert track.chosen == 7
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Up, Qt.Key.Key_PageDown):
        QTest.keyClick(stage, key)
    assert track.chosen == 7 + 1 + 4
    assert "iteration 12" in said[-1]
    assert "Enter goes there" in said[-1]
    assert "iteration 12" in stage.accessibleDescription()
    with qtbot.waitSignal(stage.iterationPicked) as picked:
        QTest.keyClick(stage, Qt.Key.Key_Enter)
    assert picked.args == [12]
    assert track.chosen is None
    QTest.keyClick(stage, Qt.Key.Key_Return)
    QTest.keyClick(stage, Qt.Key.Key_End)
    assert track.chosen == 39
    QTest.keyClick(stage, Qt.Key.Key_Home)
    assert track.chosen == 0
    with qtbot.assertNotEmitted(stage.iterationPicked):
        QTest.keyClick(stage, Qt.Key.Key_Escape)
    assert track.chosen is None


def test_without_an_iteration_there_is_nothing_to_choose_and_words_say_what_to_do(stage: Stage) -> None:
    stage.set_past(Past())
    stage.handling.select(FLOW_TRAINING)
    QTest.keyClick(stage, Qt.Key.Key_Return)
    track = stage.track(FLOW_TRAINING)
    assert isinstance(track, FlowTraining)
    assert track.chosen is None
    assert track.at_playhead(stage.canvas.now) == "not trained yet"  # type: ignore[arg-type]
    assert stage.table(FLOW_TRAINING) is None
    assert not len(stage.past.log)


def test_another_past_repaints_its_track_and_no_other(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    painted_keys: list[str] = []
    for slot in stage.canvas.slots:
        before = slot.track.paint

        def seen(*given: object, key: str = slot.track.key, paint: object = before) -> None:
            painted_keys.append(key)
            paint(*given)  # type: ignore[operator]

        monkeypatch.setattr(slot.track, "paint", seen)
    stage.set_past(Past(rising(0, 41), 7, 50))
    QApplication.processEvents()
    assert set(painted_keys) == {FLOW_TRAINING}


def test_a_collapsed_track_is_a_strip_of_its_picture(stage: Stage) -> None:
    stage.set_collapsed((FLOW_TRAINING,))
    QApplication.processEvents()
    place = box(stage)
    image = stage.canvas.viewport().grab().toImage()
    colours = {image.pixelColor(HEADER_WIDTH + x, place.top() + 3).name() for x in range(60, 400, 10)}
    assert theming.current().ground not in colours
