"""The cell panel shows the moment, nothing the tape has not reached, and only looks things up while it plays."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from pytestqt.qtbot import QtBot
from synthetic import excerpt

from engine.quantities import CELL_TITLES
from engine.requests import ClipReport, ClipRow, Excerpt
from engine.spec import CellKind
from engine.tape import Tape
from explorer.cell import clip_card, typeset
from explorer.cell.bars import DECADES, decades
from explorer.cell.layout import Placed
from explorer.cell.panel import CellPanel
from explorer.theme import current as theme
from explorer.theme.tokens import DARK

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")


UNCLIPPED = ClipReport(
    "none",
    1.0,
    0.75,
    0.75,
    1.0,
    1.0,
    (ClipRow("a", 0.5, 0.5), ClipRow("b", 0.5, 0.5), ClipRow("c", 0.0, 0.0)),
    "Nothing is clipped.",
)


@pytest.fixture(autouse=True)
def _dark(qtbot: QtBot) -> None:
    theme.apply("dark")


def panel(qtbot: QtBot, shown: Excerpt | None, at: str = "forward:1", width: int = 340) -> CellPanel:
    made = CellPanel()
    qtbot.addWidget(made)
    made.resize(width, 900)
    made.set_excerpt(shown)
    go(made, shown, at)
    made.show()
    return made


def go(made: CellPanel, shown: Excerpt | None, at: str) -> None:
    if shown is not None:
        tape = Tape(shown.steps)
        made.set_position(tape.position(tape.parse(at)))


def reached(made: CellPanel, phase: str) -> bool:
    """Whether any number of that phase's equations stands there."""
    return any(r is not None for s in made.shown() if s.section.phase == phase for r in s.readings)


def has_colour(image: QImage, colour: str) -> bool:
    image = image.convertToFormat(QImage.Format.Format_ARGB32)  # kept: its bits go with it
    return bool((np.frombuffer(image.constBits(), np.uint32) == QColor(colour).rgb()).any())


@pytest.mark.parametrize("cell", CELLS)
def test_it_says_which_cell_at_which_step(qtbot: QtBot, cell: CellKind) -> None:
    made = panel(qtbot, excerpt(cell, T=9), "backward:4")
    assert made.heading == f"{CELL_TITLES[cell]} CELL AT t = 4"


def test_at_the_loss_it_shows_the_last_step(qtbot: QtBot) -> None:
    assert panel(qtbot, excerpt("rnn", T=9), "loss").heading.endswith("t = 9")


@pytest.mark.parametrize("at", ["clip", "update"])
def test_a_card_of_all_parameters_is_called_that_and_the_cell_is_named_above_its_equations(
    qtbot: QtBot, at: str
) -> None:
    made = panel(qtbot, excerpt("rnn", T=9), at)
    assert made.heading == "ALL PARAMETERS"
    assert made.cell_heading.isVisible()
    assert made.cell_heading.text() == "RNN CELL AT t = 9"
    go(made, excerpt("rnn", T=9), "backward:3")
    assert not made.cell_heading.isVisible()


def test_it_says_which_sample_of_how_many(qtbot: QtBot) -> None:
    shown = replace(excerpt("rnn", T=9), sample=2, batch_size=16)
    assert panel(qtbot, shown, "backward:4").sample_words == "sample 3 of 16"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("unit", [None, 2])
def test_gradients_are_there_only_once_the_tape_has_come_back_to_the_step(
    qtbot: QtBot, cell: CellKind, unit: int | None
) -> None:
    shown = excerpt(cell, T=9, unit=unit, loss_at="every")
    made = panel(qtbot, shown)
    for at, there in (("forward:4", False), ("loss", False), ("backward:9", True), ("backward:1", True)):
        go(made, shown, at)
        assert reached(made, "forward")
        assert reached(made, "backward") is there, at


@pytest.mark.parametrize("cell", CELLS)
def test_no_pixel_has_the_colour_of_the_gradient_before_the_tape_turns_back(qtbot: QtBot, cell: CellKind) -> None:
    shown = excerpt(cell, T=9, unit=1, loss_at="every")
    made = panel(qtbot, shown, "loss")
    assert not has_colour(made.grab().toImage(), DARK.backward)
    go(made, shown, "backward:9")
    assert has_colour(made.grab().toImage(), DARK.backward)


def test_two_hundred_steps_typeset_nothing_and_draw_no_symbol_anew(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = excerpt("lstm", T=120, loss_at="every")
    made = panel(qtbot, shown)
    for position in (0, 121, 241, 242):  # every look once
        made.set_position(position)
        made.grab()

    def never(*_: object) -> None:
        raise AssertionError("typeset while stepping")

    monkeypatch.setattr(typeset, "typeset", never)
    monkeypatch.setattr(typeset, "QSvgRenderer", never)
    for position in range(20, 220):
        made.set_position(position)
        made.equations.grab()
        made.circuit.grab()


@pytest.mark.parametrize("width", [280, 320, 360, 480])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("unit", [None, 1])
def test_no_symbol_or_number_overlaps_another_or_leaves_the_panel(
    qtbot: QtBot, cell: CellKind, width: int, unit: int | None
) -> None:
    made = panel(qtbot, excerpt(cell, T=5, unit=unit), "backward:3", width)
    view = made.equations
    placed = view._laid_out(view.width()).placed
    rows: dict[float, list[Placed]] = {}
    for item in placed:
        rows.setdefault(item.baseline, []).append(item)
    for row in rows.values():
        row.sort(key=lambda item: item.left)
        for a, b in pairwise(row):
            assert a.left + a.width <= b.left + 0.01, (a.token.plain, b.token.plain)
        assert row[-1].left + row[-1].width <= view.width() + 0.01, row[-1].token.plain
        assert row[0].left >= 0
    baselines = sorted(rows)
    assert min(np.diff(baselines)) > 25


def test_nothing_moves_while_the_tape_plays(qtbot: QtBot) -> None:
    shown = excerpt("lstm", T=9, unit=1)
    made = panel(qtbot, shown, "forward:1")
    before = made.equations._laid_out(made.equations.width())
    for at in ("forward:9", "loss", "backward:9", "backward:1"):
        go(made, shown, at)
        assert made.equations._laid_out(made.equations.width()) is before


def test_choosing_a_unit_asks_for_it_and_showing_one_does_not(qtbot: QtBot) -> None:
    made = panel(qtbot, excerpt("rnn", T=4, H=8))
    asked: list[object] = []
    made.unitPicked.connect(asked.append)
    made.units.box.setValue(3)
    made.units.box.setValue(-1)
    made.set_unit(5)
    assert made.units.unit == 5
    made.set_unit(None)
    assert asked == [3, None]


def test_the_arrow_keys_and_the_buttons_go_from_unit_to_unit(qtbot: QtBot) -> None:
    made = panel(qtbot, excerpt("rnn", T=4, H=2))
    asked: list[object] = []
    made.unitPicked.connect(asked.append)
    qtbot.keyClick(made.units.box, Qt.Key.Key_Up)
    qtbot.keyClick(made.units.box, Qt.Key.Key_Up)
    qtbot.keyClick(made.units.box, Qt.Key.Key_Up)  # there are two units
    qtbot.keyClick(made.units.box, Qt.Key.Key_Down)
    assert asked == [0, 1, 0]


def test_a_late_answer_does_not_take_the_choice_back_and_another_choice_elsewhere_shows(qtbot: QtBot) -> None:
    made = panel(qtbot, excerpt("rnn", T=4, H=8))
    made.units.box.setValue(3)
    made.set_excerpt(excerpt("rnn", T=4, H=8, unit=1))  # asked for before
    assert made.units.unit == 3
    made.set_excerpt(excerpt("rnn", T=4, H=8, unit=3))
    assert made.units.unit == 3
    made.set_excerpt(excerpt("rnn", T=4, H=8, unit=5))
    assert made.units.unit == 5
    made.set_excerpt(excerpt("rnn", T=4, H=4, unit=None))
    assert made.units.unit is None


def test_without_a_trace_it_is_empty_and_whole(qtbot: QtBot) -> None:
    made = panel(qtbot, None)
    made.set_position(7)
    assert made.shown() == []
    assert made.as_text() == ""
    assert not made.grab().isNull()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("unit", [None, 0])
def test_one_step_and_one_unit_are_enough(qtbot: QtBot, cell: CellKind, unit: int | None) -> None:
    shown = excerpt(cell, T=1, H=1, unit=unit)
    made = panel(qtbot, shown)
    for position in range(5):
        made.set_position(position)
        assert not made.grab().isNull()
    made.set_position(99)
    assert made.heading == "ALL PARAMETERS"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", ["dark", "light"])
def test_numbers_that_are_not_finite_are_named_in_both_themes(qtbot: QtBot, cell: CellKind, name: str) -> None:
    theme.apply("light" if name == "light" else "dark")
    shown = excerpt(cell, T=20, H=4, unit=2, inf=True, nan=True, loss_at="every")
    made = panel(qtbot, shown, "backward:1")
    texts = {r.text for s in made.shown() for r in s.readings if r is not None}
    assert "NaN" in texts
    assert has_colour(made.grab().toImage(), theme.current().exploding)


def test_copied_numbers_are_exact_and_only_those_that_are_there(qtbot: QtBot) -> None:
    shown = excerpt("lstm", T=9, unit=3)
    made = panel(qtbot, shown, "forward:4")
    made.copy_numbers()
    text = QGuiApplication.clipboard().text()
    assert text.startswith("LSTM · forward:4 · t = 4 · unit 3 · sample 1 of 1 · float32")
    line = next(line for line in text.splitlines() if line.startswith("\tcₜ\t"))
    assert np.float32(line.split("\t")[2]) == np.float32(shown.cell_series["values.c"][3])
    assert "δ" not in text
    go(made, shown, "backward:4")
    assert "δcₜ" in made.as_text()


def test_copied_numbers_of_all_units_are_marked_as_norms_and_means(qtbot: QtBot) -> None:
    """Gates as means, states and gradients as norms: nobody should take ‖f⊙c‖ for ‖f‖·‖c‖."""
    shown = excerpt("lstm", T=9, unit=None)
    made = panel(qtbot, shown, "backward:4")
    rows = [line.split("\t")[1:] for line in made.equations.as_text().splitlines() if line.startswith("\t")]
    named = {row[0]: row[1:] for row in rows}
    units = shown.focus.hidden_size
    for symbol, key in (("‖cₜ‖", "values.c"), ("‖δcₜ‖", "grads.c")):
        assert float(named[symbol][0]) == float(shown.cell_series[key][3])
        assert named[symbol][1] == f"norm over {units} units"
    gate = shown.arrays["l0.values.f"][3].astype(np.float64)
    assert float(named["mean fₜ"][0]) == pytest.approx(float(gate.mean()))
    assert named["mean fₜ"][1] == f"mean over {units} units"
    assert not {"cₜ", "fₜ", "δcₜ"} & set(named)


def test_a_place_on_the_panel_tells_the_exact_number(qtbot: QtBot) -> None:
    shown = excerpt("lstm", T=9, unit=3, dtype="float64")
    made = panel(qtbot, shown, "forward:4")
    view = made.equations
    first = view._laid_out(view.width()).placed[0]
    text = view.exact_at(first.left + 2, first.number_top + 2)
    assert text == f"cₜ = {float(shown.cell_series['values.c'][3])!r}"


def test_the_clip_card_stands_at_clip_and_update_only(qtbot: QtBot) -> None:
    shown = excerpt("rnn", T=4, clip="fired")
    made = panel(qtbot, shown)
    for at, there in (("forward:2", False), ("clip", True), ("update", True), ("backward:2", False)):
        go(made, shown, at)
        assert made.clip_card.isVisible() is there
        assert made.circuit.isVisible() is not there


def test_the_clip_card_says_what_happened_and_by_how_much(qtbot: QtBot) -> None:
    shown = excerpt("rnn", T=4, clip="fired")
    made = panel(qtbot, shown, "clip")
    card = made.clip_card
    assert shown.clip is not None
    assert card.sentence == shown.clip.sentence
    assert card.title == "CLIP · FIRED"
    facts = dict(card.facts())
    assert facts["global norm"] == "40.0 → 1.00"
    assert facts["times"].startswith("0.0250")
    for row in shown.clip.rows:
        assert row.parameter in made.as_text()


def test_without_clipping_the_card_says_that_nothing_was_clipped(qtbot: QtBot) -> None:
    made = panel(qtbot, excerpt("rnn", T=4, clip="none"), "clip")
    assert made.clip_card.sentence.startswith("Nothing was clipped")


def test_without_clipping_each_parameter_has_one_number(qtbot: QtBot) -> None:
    shown = replace(excerpt("rnn", T=4), clip=UNCLIPPED, update_rows=(ClipRow("a", 1.0, 0.1),))
    made = panel(qtbot, shown, "clip")
    assert "parameter\tgradient\na\t0.5\n" in made.clip_card.as_text()
    go(made, shown, "update")
    assert "parameter\tweights\tchange\n" in made.clip_card.as_text()


def test_clipping_that_had_nothing_to_do_shows_one_number_and_its_limit(qtbot: QtBot) -> None:
    report = replace(UNCLIPPED, kind="norm", max_norm=1.0)
    made = panel(qtbot, replace(excerpt("rnn", T=4), clip=report), "clip")
    assert made.clip_card.facts() == [("global norm", "0.750"), ("limit", "1")]
    assert "parameter\tgradient\n" in made.clip_card.as_text()


def test_bars_reach_as_far_as_the_first_numbers_of_a_document_and_then_stay() -> None:
    assert decades((ClipRow("a", 1e-3, 1.0), ClipRow("b", math.inf, 0.0))) == DECADES
    assert decades((ClipRow("a", 2e11, 1.0),)) == (DECADES[0], 12)
    assert decades((ClipRow("a", 1e-20, 1.0),)) == (-21, DECADES[1])


def test_a_change_of_0_that_is_the_arithmetics_is_explained(qtbot: QtBot) -> None:
    rows = (ClipRow("a", 1.0, 0.0), ClipRow("b", 1.0, 1e-3), ClipRow("c", 1.0, 0.0))
    shown = replace(excerpt("rnn", T=4), clip=UNCLIPPED, update_rows=rows)
    made = panel(qtbot, shown, "update")
    assert clip_card.too_small(shown) == {"a"}  # c has no gradient: that its weights stay needs no word
    assert "0*: the step is too small for float32" in made.clip_card.sentence


def test_of_a_recorded_trace_clipping_and_update_are_not_known(qtbot: QtBot) -> None:
    shown = replace(excerpt("rnn", T=4), clip=None, update_rows=())
    made = panel(qtbot, shown, "clip")
    assert made.clip_card.sentence == clip_card.NOT_KNOWN
    go(made, shown, "update")
    assert made.clip_card.sentence == clip_card.NO_UPDATE


def test_a_norm_that_overflowed_is_shown_beside_the_true_one(qtbot: QtBot) -> None:
    rows = (ClipRow("weight_hh_l0", 1e30, 0.0),)
    report = ClipReport("norm", 1.0, 1e30, np.inf, 0.0, np.nan, rows, "The norm overflowed: every gradient times 0.")
    made = panel(qtbot, replace(excerpt("rnn", T=4), clip=report), "clip")
    facts = dict(made.clip_card.facts())
    assert facts["global norm"] == "1.00e30 → 0"
    assert facts["in float32"].startswith("∞")
    assert facts["cosine"] == "undefined"
    assert not made.grab().isNull()


@pytest.mark.parametrize("after", [np.nan, np.inf])
def test_the_norm_after_clipping_can_be_nan_or_infinite(after: float) -> None:
    rows = (ClipRow("a", 1.0, 0.5), ClipRow("b", np.inf, after))
    report = ClipReport("norm", 1.0, np.inf, np.inf, 0.0, np.nan, rows, "")
    assert str(clip_card.norm_after(report)) == str(after)


def test_the_norm_after_clipping_does_not_overflow_on_its_own() -> None:
    rows = (ClipRow("a", 3e200, 3e200), ClipRow("b", 4e200, 4e200))
    report = ClipReport("norm", 1e12, 5e200, 5e200, 1.0, 1.0, rows, "")
    assert clip_card.norm_after(report) == pytest.approx(5e200)
