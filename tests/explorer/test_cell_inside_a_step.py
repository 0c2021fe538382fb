"""Gate by gate: the panel shows exactly what the operations have made so far, and numbers can be picked and copied."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from synthetic import excerpt

from engine.operations_of_cell import Way, operations
from engine.quantities import ROUTES
from engine.requests import Excerpt
from engine.spec import CellKind
from engine.tape import Tape
from engine.within import Within
from explorer.cell import typeset
from explorer.cell.circuit import CircuitView
from explorer.cell.numbers_view import NumbersView
from explorer.cell.panel import CellPanel
from explorer.cell.reach import Reached
from explorer.theme import current as theme

CELLS: tuple[CellKind, ...] = ("rnn", "lstm", "gru")
T, STEP = 9, 4


def with_routes(shown: Excerpt, shares: dict[str, float], log10: float = -3.0) -> Excerpt:
    """The same at every step; `log10` is the total's."""
    series = dict(shown.cell_series)
    for route in ROUTES[shown.focus.cell]:
        series[f"route.{route}"] = np.full(shown.steps, shares.get(route, 0.0))
        series[f"route_log10.{route}"] = np.full(shown.steps, log10)
    series["route_log10.total"] = np.full(shown.steps, log10)
    return replace(shown, cell_series=series)


def panel(qtbot: QtBot, shown: Excerpt, at: str, within: Within | None = None) -> CellPanel:
    theme.apply("dark")
    made = CellPanel()
    qtbot.addWidget(made)
    made.resize(340, 900)
    made.set_excerpt(shown)
    tape = Tape(shown.steps)
    made.set_position(tape.position(tape.parse(at)), within)
    made.show()
    return made


def named(made: CellPanel, phase: str) -> set[str]:
    """The symbols of one phase's equations under which a number stands."""
    return {
        token.plain
        for shown in made.shown()
        if shown.section.phase == phase
        for token, reading in zip(shown.equation.tokens, shown.readings, strict=True)
        if reading is not None
    }


def test_forward_a_number_stands_there_from_the_operation_on_that_makes_it(qtbot: QtBot) -> None:
    order = [one.symbol for one in operations("lstm", "forward")]
    made_by = {"fₜ": "f", "iₜ": "i", "gₜ": "g", "oₜ": "o", "cₜ": "c", "hₜ": "h", "W_if xₜ": "a", "W_ho hₜ₋₁": "a"}
    made = panel(qtbot, excerpt("lstm", T=T, unit=1), "forward:4")
    for done, symbol in enumerate(order):
        made.set_position(STEP - 1, Within(0, done))
        there = named(made, "forward")
        for plain, maker in made_by.items():
            assert (plain in there) is (order.index(maker) <= done), (symbol, plain)
        assert "cₜ₋₁" in there  # it was there before the step
        assert not named(made, "backward")
        assert made.operation_words.startswith(f"{done + 1} of {len(order)}: ")


def test_backward_a_gradient_stands_there_from_the_operation_on_that_makes_it(qtbot: QtBot) -> None:
    order = [one.symbol for one in operations("gru", "backward")]
    made_by = {"δhₜ": "δh", "eₜ": "δh", "δa_n": "n", "δqₜ": "r⊙q", "δa_r": "r", "δa_z": "z"}
    made = panel(qtbot, excerpt("gru", T=T, unit=1, loss_at="every"), "backward:4")
    position = Tape(T).position(Tape(T).parse("backward:4"))
    for done in range(len(order)):
        made.set_position(position, Within(0, done))
        there = named(made, "backward")
        for plain, maker in made_by.items():
            assert (plain in there) is (order.index(maker) <= done), (order[done], plain)
        assert "zₜ₊₁" in there
        assert {"hₜ", "zₜ", "nₜ"} <= named(made, "forward")  # the values are all there


@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("cell", CELLS)
def test_after_the_last_operation_the_panel_shows_what_it_shows_of_the_whole_step(
    qtbot: QtBot, cell: CellKind, way: Way
) -> None:
    made = panel(qtbot, excerpt(cell, T=T, unit=1, loss_at="every"), f"{way}:{STEP}")
    whole = made.shown(), made.circuit._readings
    made.set_position(made._position, Within(0, len(operations(cell, way)) - 1))
    assert made.shown() == whole[0]
    assert made.circuit._readings.keys() == whole[1].keys()


@pytest.mark.parametrize("way", ["forward", "backward"])
@pytest.mark.parametrize("cell", CELLS)
def test_every_operation_lights_something_of_the_circuit(qtbot: QtBot, cell: CellKind, way: Way) -> None:
    made = panel(qtbot, excerpt(cell, T=T, unit=1, loss_at="every"), f"{way}:{STEP}")
    plain = made.circuit.grab().toImage()
    for done, one in enumerate(operations(cell, way)):
        made.set_position(made._position, Within(0, done))
        lit = made.circuit._reached
        keys = [node.made[way == "backward"] for node in made.circuit._circuit.nodes]  # type: ignore[union-attr]
        wires = [w.backward if way == "backward" else w.forward for w in made.circuit._circuit.wires]  # type: ignore[union-attr]
        assert any(key in lit.now for key in keys) or any(n is not None and lit.is_now(n) for n in wires), one.symbol
        assert made.circuit.grab().toImage() != plain


@pytest.mark.parametrize("cell", CELLS[1:])
def test_on_the_way_back_a_gate_whose_turn_it_is_shows_the_gradient_that_it_hands_on(
    qtbot: QtBot, cell: CellKind
) -> None:
    unit = 1
    shown = excerpt(cell, T=T, unit=unit, loss_at="every")
    made = panel(qtbot, shown, f"backward:{STEP}")
    for done, one in enumerate(operations(cell, "backward")):
        made.set_position(made._position, Within(0, done))
        named = {pick.name: pick.exact for pick in made.circuit.picks()}
        lit = [name for name in named if name.startswith("gradient of ")]
        if one.symbol in ("f", "i", "g", "o", "z", "r", "n"):
            assert lit == [f"gradient of {one.title}"]
            expected = shown.cell_series[f"grads.a_{one.symbol}"][STEP - 1]
            assert float(named[lit[0]].replace("−", "-")) == pytest.approx(float(expected), rel=1e-6)
        else:
            assert not lit, one.symbol


def test_another_layers_turn_is_told(qtbot: QtBot) -> None:
    made = panel(qtbot, excerpt("lstm", T=T), "forward:4")
    shown = excerpt("lstm", T=T)
    layers = {"l0": shown.of(), "l1": replace(shown.of(), name="l1")}
    arrays = {key.replace("l0.", "l1."): array for key, array in shown.arrays.items()}
    made.set_excerpt(replace(shown, layers=layers, layer="l1", arrays=arrays))
    made.set_position(STEP - 1, Within(0))
    assert made.heading == "LAYER 2 · LSTM AT t = 4"
    assert "not come" in made.operation_words
    assert "fₜ" not in named(made, "forward")
    made.set_position(STEP - 1, Within(1))
    assert made.operation_words == "done in this step"
    assert "fₜ" in named(made, "forward")


def test_choosing_a_layer_asks_for_it_and_one_layer_needs_no_choice(qtbot: QtBot) -> None:
    shown = excerpt("lstm", T=T)
    made = panel(qtbot, shown, "forward:4")
    assert not made.layers.isVisible()
    both = {"l0": shown.of(), "l0_reverse": replace(shown.of(), name="l0_reverse", reverse=True)}
    made.set_excerpt(replace(shown, layers=both))
    assert made.layers.isVisible()
    asked: list[str] = []
    made.layerPicked.connect(asked.append)
    assert [made.layers.itemText(k) for k in range(2)] == ["layer 1 · LSTM", "layer 1 · LSTM ←"]
    qtbot.keyClick(made.layers, Qt.Key.Key_Down)
    assert asked == ["l0_reverse"]


def test_a_reverse_layer_inside_a_step_is_at_its_own_step(qtbot: QtBot) -> None:
    shown = excerpt("lstm", T=T)
    layers = {"l0": shown.of(), "l0_reverse": replace(shown.of(), name="l0_reverse", reverse=True)}
    arrays = {key.replace("l0.", "l0_reverse."): array for key, array in shown.arrays.items()}
    made = panel(qtbot, replace(shown, layers=layers, layer="l0_reverse", arrays=arrays), "forward:2")
    assert made.heading == "LAYER 1 · LSTM ← AT t = 8"  # it has come from 9 to 8, whether somebody looks inside or not
    assert "fₜ" in named(made, "forward")
    made.set_position(1, Within(0, 1))
    assert made.heading == "LAYER 1 · LSTM ← AT t = 8"
    assert "from T to 1, now at t = 8" in made.sample_words
    made.set_position(7)
    assert made.heading == "LAYER 1 · LSTM ← AT t = 2"
    assert "fₜ" in named(made, "forward")


def test_padding_is_called_padding_and_shows_no_zeros(qtbot: QtBot) -> None:
    made = panel(qtbot, replace(excerpt("lstm", T=T), length=6), "forward:7")
    assert made.padding_words.startswith("Padding: sample 1 ends at t = 6.")
    assert not made.equations.isVisible()
    assert not made.circuit.isVisible()
    assert "Padding" in made.as_text()
    made.set_position(5)
    assert made.padding_words == ""
    assert made.equations.isVisible()


def test_two_hundred_operations_typeset_nothing_anew(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    made = panel(qtbot, excerpt("lstm", T=T, unit=2, loss_at="every"), "forward:4")
    every = [
        (position, Within(0, done))
        for way, position in (("forward", 3), ("backward", T + 6))
        for done in range(len(operations("lstm", way)))  # type: ignore[arg-type]
    ]
    for place in every:
        made.set_position(*place)
        made.grab()

    def never(*_: object) -> None:
        raise AssertionError("typeset while stepping")

    monkeypatch.setattr(typeset, "typeset", never)
    for place in every * 5:
        made.set_position(*place)
        made.equations.grab()
        made.circuit.grab()


# -- numbers are picked and copied


def views(made: CellPanel) -> list[NumbersView]:
    return [made.circuit, made.routes, made.equations]


def test_a_click_on_a_number_chooses_it_and_copying_copies_exactly_it(qtbot: QtBot) -> None:
    shown = with_routes(excerpt("lstm", T=T, unit=1, loss_at="every"), {"carousel": 0.953125, "f": 0.046875})
    made = panel(qtbot, shown, "backward:4")
    said: list[str] = []
    made.copied.connect(said.append)
    for view in views(made):
        pick = next(one for one in view.picks() if one.exact)
        qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=pick.box.center().toPoint())
        view.setFocus()
        qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        assert QGuiApplication.clipboard().text() == pick.exact
        assert said[-1] == f"copied {pick.exact}"
    c = next(one for one in made.equations.picks() if one.name == "cₜ")
    assert np.float32(c.exact) == np.float32(shown.cell_series["values.c"][STEP - 1])


def test_the_keys_go_through_all_numbers_and_enter_copies(qtbot: QtBot) -> None:
    made = panel(qtbot, with_routes(excerpt("gru", T=T, unit=1), {"leak": 1.0}), "backward:4")
    for view in views(made):
        picks = view.picks()
        view.setFocus(Qt.FocusReason.TabFocusReason)
        heard = []
        for _ in picks:
            qtbot.keyClick(view, Qt.Key.Key_Return)
            heard.append(QGuiApplication.clipboard().text())
            qtbot.keyClick(view, Qt.Key.Key_Right)
        known = [pick.exact for pick in picks]
        assert [text for text, exact in zip(heard, known, strict=True) if exact] == [exact for exact in known if exact]
        qtbot.keyClick(view, Qt.Key.Key_Home)
        first = view._picker.current(view.picks())
        qtbot.keyClick(view, Qt.Key.Key_Down)
        below = view._picker.current(view.picks())
        assert first is not None
        assert below is not None
        assert below.box.top() > first.box.top()
        assert below.name in view.accessibleDescription()


def test_the_ring_stays_at_its_number_while_the_tape_goes_on(qtbot: QtBot) -> None:
    made = panel(qtbot, excerpt("lstm", T=T, unit=1), "forward:4")
    made.equations.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(made.equations, Qt.Key.Key_Right)
    before = made.equations._picker.current(made.equations.picks())
    made.set_position(5)
    after = made.equations._picker.current(made.equations.picks())
    assert before is not None
    assert after is not None
    assert (before.key, before.name) == (after.key, after.name)
    assert before.exact != after.exact


# -- where the gradient goes


@pytest.mark.parametrize(("size", "marked"), [(2.8e-45, True), (2.8e-37, False)])
def test_subnormal_numbers_are_marked_and_said_in_circuit_equations_and_routes(
    qtbot: QtBot, size: float, marked: bool
) -> None:
    shown = with_routes(excerpt("lstm", T=T), {"carousel": 1.0}, math.log10(size))
    tiny = dict.fromkeys((key for key in shown.cell_series if key.startswith("grads.")), np.full(T, size))
    made = panel(qtbot, replace(shown, cell_series={**shown.cell_series, **tiny}), "backward:4")
    words = "subnormal: its digits are going"
    texts = [reading.text for reading in made.circuit._readings.values()]
    assert ("≈2.8e-45" in texts) is marked
    read = [one.text for equation in made.shown() for one in equation.readings if one is not None]
    assert ("≈2.8e-45" in read) is marked
    (carousel,) = [row for row in made.routes.rows if row.route == "carousel"]
    assert (carousel.percent, carousel.size[0]) == (("≈100 %", "≈") if marked else ("100 %", "2"))
    for view in views(made):
        assert any(words in pick.words for pick in view.picks()) is marked
        assert not any("≈" in pick.exact for pick in view.picks())
        hovered = {view.exact_at(pick.box.center().x(), pick.box.center().y()) for pick in view.picks()}
        assert any(words in text for text in hovered) is marked or view is made.circuit
    assert (words in made.equations.as_text()) is (words in made.routes.as_text()) is marked
    assert (words in made.routes.said) is marked


def test_the_routes_are_shown_once_the_gradient_has_left_the_step(qtbot: QtBot) -> None:
    shown = with_routes(excerpt("lstm", T=T), {"carousel": 0.8, "f": 0.3, "o": -0.1})
    made = panel(qtbot, shown, "forward:4")
    assert made.routes.rows == ()
    assert made.routes.note.startswith("Not reached")
    position = Tape(T).position(Tape(T).parse("backward:4"))
    every = len(operations("lstm", "backward"))
    made.set_position(position, Within(0, every - 2))
    assert made.routes.rows == ()
    made.set_position(position, Within(0, every - 1))
    assert [row.percent for row in made.routes.rows] == ["80.0 %", "0 %", "30.0 %", "0 %", "−10.0 %"]
    assert made.routes.title == "WHERE THE GRADIENT GOES (t = 4 → 3)"
    assert "routes cancel: Σ‖vᵣ‖" in made.routes.note
    assert "1 in sum" in made.routes.note
    made.set_position(Tape(T).position(Tape(T).parse("backward:1")))
    assert made.routes.title.endswith("(t = 1 → initial state)")


@pytest.mark.parametrize(
    ("log10", "words"), [(-math.inf, "Exactly zero"), (math.nan, "is NaN"), (math.inf, "is infinite")]
)
def test_what_has_no_shares_says_why(qtbot: QtBot, log10: float, words: str) -> None:
    shares = dict.fromkeys(ROUTES["lstm"], math.nan)
    made = panel(qtbot, with_routes(excerpt("lstm", T=T), shares, log10), "backward:4")
    assert words in made.routes.note
    assert {row.percent for row in made.routes.rows} == {"–"}
    assert not made.grab().isNull()


def test_a_route_that_is_cut_says_so(qtbot: QtBot) -> None:
    shown = with_routes(excerpt("gru", T=T), {"z": 1.0})
    shown = replace(shown, layers={"l0": replace(shown.of(), cuts=frozenset({"leak"}))})
    made = panel(qtbot, shown, "backward:4")
    assert made.routes.rows[0].percent == "cut"
    struck = [s for s in made.shown() if any(s.struck)]
    assert [s.equation.plain.split(" = ")[0] for s in struck] == ["δhₜ"]
    assert "route leak is cut" in made.circuit.exact_at(
        *_middle(made.circuit, "hidden state hₜ₋₁, straight on: the leak")
    )


def _middle(view: CircuitView, name: str) -> tuple[float, float]:
    it = view._circuit
    assert it is not None
    (x, y), (to_x, to_y) = next(wire.points[:2] for wire in it.wires if wire.name == name)
    at = QPointF((x + to_x) / 2 * view.width(), (y + to_y) / 2 * view.unit())
    return at.x(), at.y()


# -- size


@pytest.mark.parametrize("cell", CELLS)
def test_the_circuit_grows_with_the_text_and_fits_a_narrow_panel(
    qtbot: QtBot, cell: CellKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    theme.apply("dark")
    shown = excerpt(cell, T=T, unit=1)
    view = CircuitView()
    qtbot.addWidget(view)
    view.resize(430, 100)
    view.set_excerpt(shown)
    view.set_moment(4, Reached(True, True))
    usual = view.height()
    small = QFont(theme.small())
    small.setPixelSize(round(small.pixelSize() * 1.5))
    monkeypatch.setattr(theme, "small", lambda **_: small)
    view._restyle()
    assert view.height() == pytest.approx(1.5 * usual, rel=0.05)
    for width in (260, 300, 420, 900):
        view.resize(width, view.height())
        for pick in view.picks():
            assert -1 <= pick.box.left() <= pick.box.right() <= width + 1, (width, pick.name)
