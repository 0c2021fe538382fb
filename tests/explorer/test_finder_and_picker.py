"""A few letters find an entry among hundreds; the list is worked by keys alone."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.tracks import LayerKind, check, parse
from explorer.document.tracks import offers, shown_as
from explorer.stage import marked
from explorer.theme import current as theming
from explorer.widgets.finder import score, tokens, words_in
from explorer.widgets.picker import Entry, Picker

TWO = {f"l{i}{way}": LayerKind("lstm", 8) for i in (0, 1) for way in ("", "_reverse")}
SIXTEEN = {f"l{i}{way}": LayerKind("lstm", 8) for i in range(16) for way in ("", "_reverse")}


def entries(layers: dict[str, LayerKind]) -> list[Entry]:
    return [Entry(o.key, o.words, o.group, o.detail, o.find) for o in offers(layers)]


@pytest.fixture
def made(qtbot: QtBot) -> tuple[Picker, set[str]]:
    theming.apply("dark")
    ticked = {"network"}
    picker = Picker(entries(TWO), name="Tracks", hint="", nothing="Nothing.", ticked=lambda: frozenset(ticked))
    picker.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # the test looks at it afterwards
    qtbot.addWidget(picker)
    picker.open_at(QPoint(10, 10), QRect(0, 0, 800, 700))
    return picker, ticked


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("grad c 2", "l1.grads.c"),
        ("∂L/∂c 2", "l1.grads.c"),
        ("dL/dc layer 1", "l0.grads.c"),
        ("forget", "l0.values.f"),
        ("forget reverse 2", "l1_reverse.values.f"),
        ("gradient a_f 1 reverse", "l0_reverse.grads.a_f"),
        ("af", "l0.values.a_f"),
        ("frgt 2", "l1.values.f"),
        ("network", "network"),
        ("norms", "norms"),
        ("l1 o", "l1.values.o"),
    ],
)
def test_a_few_letters_find_a_track(made: tuple[Picker, set[str]], typed: str, key: str) -> None:
    picker, _ = made
    QTest.keyClicks(picker.field, typed) if typed.isascii() else picker.field.setText(typed)
    assert picker.current == key


def test_every_typed_word_must_be_there_and_a_number_is_meant_as_it_is() -> None:
    words = words_in("∂L/∂c – cell state layer 12")
    assert score(tokens("cell 12"), words) > 0
    assert score(tokens("cell 1"), words) == 0
    assert score(tokens("cell gate"), words) == 0
    assert score(tokens("c"), words) > score(tokens("ce"), words)


def test_what_is_not_found_is_said(made: tuple[Picker, set[str]]) -> None:
    picker, _ = made
    QTest.keyClicks(picker.field, "banana")
    assert picker.current == ""
    assert picker.nothing.isVisible()
    QTest.keyClick(picker.field, Qt.Key.Key_Return)
    assert picker.isVisible()


def test_arrows_go_from_entry_to_entry_over_the_headings(made: tuple[Picker, set[str]]) -> None:
    picker, _ = made
    way = []
    for key in (Qt.Key.Key_Down,) * 5 + (Qt.Key.Key_Up,) * 6:
        QTest.keyClick(picker.field, key)
        way.append(picker.current)
    whole = ["data", "norms", "losses", "flow_training"]
    assert way == [*whole, "l0.values.f", *whole[::-1], "network", "network"]


def test_enter_takes_and_closes(qtbot: QtBot, made: tuple[Picker, set[str]]) -> None:
    """A second Enter must not take away what the first has added."""
    picker, ticked = made
    picker.taken.connect(ticked.add)
    QTest.keyClicks(picker.field, "norms")
    with qtbot.waitSignal(picker.taken) as said:
        QTest.keyClick(picker.field, Qt.Key.Key_Return)
    assert said.args == ["norms"]
    assert not picker.isVisible()


def test_a_click_takes_and_closes_and_one_on_the_tick_stays(made: tuple[Picker, set[str]]) -> None:
    picker, ticked = made
    picker.taken.connect(ticked.add)
    QTest.keyClicks(picker.field, "norms")
    row = picker.list.visualRect(picker.list.currentIndex())
    QTest.mouseClick(picker.list.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(row.left() + 12, row.center().y()))
    assert "norms" in ticked
    assert picker.isVisible()
    QTest.mouseClick(picker.list.viewport(), Qt.MouseButton.LeftButton, pos=row.center())
    assert not picker.isVisible()


def test_enter_never_takes_away_what_is_there(qtbot: QtBot, made: tuple[Picker, set[str]]) -> None:
    picker, ticked = made
    ticked.add("norms")
    picker.refresh()
    dropped: list[str] = []
    picker.dropped.connect(dropped.append)
    QTest.keyClicks(picker.field, "norms")
    with qtbot.waitSignal(picker.taken) as said:
        QTest.keyClick(picker.field, Qt.Key.Key_Return)
    assert (said.args, dropped) == (["norms"], [])
    assert not picker.isVisible()


def test_delete_and_the_tick_itself_take_away_and_the_list_stays(made: tuple[Picker, set[str]]) -> None:
    picker, ticked = made
    ticked.add("norms")
    picker.refresh()
    taken: list[str] = []
    picker.taken.connect(taken.append)
    picker.dropped.connect(ticked.discard)
    QTest.keyClicks(picker.field, "norms")
    QTest.keyClick(picker.field, Qt.Key.Key_Home)
    QTest.keyClick(picker.field, Qt.Key.Key_Delete)
    assert (picker.field.text(), "norms" in ticked) == ("orms", True), "a letter is the field's to delete"
    picker.field.setText("norms")
    QTest.keyClick(picker.field, Qt.Key.Key_Delete)
    index = picker.list.currentIndex()
    assert "norms" not in ticked
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Unchecked
    ticked.add("norms")
    picker.refresh()
    row = picker.list.visualRect(index)
    QTest.mouseClick(picker.list.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(row.left() + 12, row.center().y()))
    assert "norms" not in ticked
    assert taken == []
    assert picker.isVisible()
    picker.close()


def test_words_that_wrap_are_shown_whole(qtbot: QtBot) -> None:
    """A sentence of three lines' length in a narrow list: its row is so much higher, and has room for every line."""
    theming.apply("dark")
    short, long = "NaN.", "Most of the gradients of this layer pass the largest number. " * 3
    found = [Entry("a", short, detail="Loss"), Entry("b", long.strip(), detail="Backward · t = 27")]
    picker = Picker(found, name="Events", hint="", nothing="", wraps=True)
    picker.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
    qtbot.addWidget(picker)
    picker.resize(620, 300)
    picker.open_at(QPoint(10, 10), QRect(0, 0, 800, 700))
    heights = {}
    for width in (620, 400):
        picker.resize(width, 300)
        QApplication.processEvents()
        one, other = (picker.list.visualRect(picker.model.index(n)) for n in (0, 1))
        room = picker.list.viewport().width() - marked.width("Backward · t = 27", theming.small()) - 60
        needed = QFontMetricsF(theming.font()).horizontalAdvance(long) / room
        assert other.height() >= needed * QFontMetricsF(theming.font()).lineSpacing()
        heights[width] = other.height()
        assert one.height() < other.height()
    assert heights[400] > heights[620]
    picker.close()


def test_with_ctrl_enter_takes_and_goes_on_and_the_tick_follows(qtbot: QtBot, made: tuple[Picker, set[str]]) -> None:
    picker, ticked = made
    picker.taken.connect(ticked.add)
    QTest.keyClicks(picker.field, "norms")
    index = picker.list.currentIndex()
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Unchecked
    with qtbot.waitSignal(picker.taken) as said:
        QTest.keyClick(picker.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert said.args == ["norms"]
    assert index.data(Qt.ItemDataRole.CheckStateRole) == Qt.CheckState.Checked
    QTest.keyClicks(picker.field, "forget")  # what was typed is replaced
    assert picker.field.text() == "forget"
    QTest.keyClick(picker.field, Qt.Key.Key_Escape)
    assert not picker.isVisible()


def test_it_is_accessible(made: tuple[Picker, set[str]]) -> None:
    picker, _ = made
    assert picker.accessibleName() == picker.list.accessibleName() == "Tracks"
    assert picker.field.accessibleName() == "Tracks: search"
    QTest.keyClicks(picker.field, "grad c 2")
    assert picker.field.accessibleDescription() == "∂L/∂c – cell state, layer 2 →"


def test_everything_that_is_offered_exists_once(qtbot: QtBot) -> None:
    keys = [offer.key for offer in offers(SIXTEEN)]
    assert len(set(keys)) == len(keys) > 600
    for key in keys:
        check(parse(key), SIXTEEN)
    normed = {"l0": LayerKind("gru", 3, layer_norm=True)}
    assert "values.s_n" in [offer.key for offer in offers(normed)]


def test_a_track_without_a_layer_is_that_of_the_layer_that_is_read() -> None:
    assert shown_as("l1.values.f", ("values.f", "l0.values.f"), TWO) == ("values.f",)
    assert shown_as("values.f", ("l1.values.f?order=mean", "l1.values.f?unit=2"), TWO) == ("l1.values.f?order=mean",)
    assert shown_as("norms", ("norms?of=l0.grads.h",), TWO) == ("norms?of=l0.grads.h",)


@pytest.mark.parametrize(
    ("text", "lowered"), [("∂L/∂W_hh filling up", ["hh"]), ("a_f of l0", ["f"]), ("h_{13}", ["13"])]
)
def test_a_subscript_is_lowered_as_a_whole(text: str, lowered: list[str]) -> None:
    assert [part for part, low in marked.runs(text) if low] == lowered
