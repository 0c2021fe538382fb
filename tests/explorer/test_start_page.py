"""Protects the start page: every card is a button, the curves tell no lie, missing files are dead."""

from __future__ import annotations

import itertools
import math
from datetime import datetime

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from pytestqt.qtbot import QtBot

from explorer.start.card import Card, glyph_and_tone, leading_sentences
from explorer.start.curve import HIGH, LOW, Shape, classify, shape
from explorer.start.page import CardData, RecentData, StartPage
from explorer.start.recent import ago
from explorer.theme import current as theming
from explorer.theme.tokens import ThemeName
from explorer.widgets.elided import unbroken

CARDS = tuple(
    CardData(f"slug-{i}", f"Title {i}", tag, "One sentence. " * 12, tuple(-0.2 * k for k in range(50, 0, -1)))
    for i, tag in enumerate(
        ("Vanishing", "Exploding", "Clipped", "Overflow", "LSTM", "GRU", "Real series", *("Training", "Text", "Digits"))
    )
)


@pytest.fixture
def page(qtbot: QtBot) -> StartPage:
    theming.apply("light")
    made = StartPage()
    qtbot.addWidget(made)
    made.resize(1280, 800)
    made.set_presets(CARDS)
    made.show()
    qtbot.waitExposed(made)
    return made


def columns(page: StartPage) -> int:
    return len({card.x() for card in page.cards})


def test_a_click_anywhere_on_a_card_chooses_its_preset(page: StartPage, qtbot: QtBot) -> None:
    found: list[str] = []
    page.presetChosen.connect(found.append)
    card = page.cards[1]
    for place in (card.rect().center(), card.rect().topLeft(), card.rect().bottomRight()):
        qtbot.mouseClick(card, Qt.MouseButton.LeftButton, pos=place)
    assert found == ["slug-1"] * 3


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space])
def test_a_card_can_be_chosen_with_the_keyboard(page: StartPage, qtbot: QtBot, key: Qt.Key) -> None:
    found: list[str] = []
    page.presetChosen.connect(found.append)
    page.setFocus()
    assert page.cards[0].hasFocus()
    qtbot.keyClick(page.cards[0], Qt.Key.Key_Tab)
    assert page.cards[1].hasFocus()
    qtbot.keyClick(page.cards[1], key)
    assert found == ["slug-1"]


@pytest.mark.parametrize(("width", "expected"), [(1920, 4), (1280, 3), (1000, 2), (700, 1), (520, 1)])
def test_the_cards_flow_with_the_width(page: StartPage, qtbot: QtBot, width: int, expected: int) -> None:
    page.resize(width, 800)
    qtbot.wait(1)
    assert columns(page) == expected
    for a in page.cards:
        assert a.geometry().right() < page.area.viewport().width()
        assert not any(a is not b and a.geometry().intersects(b.geometry()) for b in page.cards)


def test_nine_presets_are_whole_in_sight_at_1280_by_800_and_the_others_can_be_scrolled_to(page: StartPage) -> None:
    sight, bar = page.area.viewport(), page.area.verticalScrollBar()
    in_sight = [sight.rect().contains(QRect(c.mapTo(sight, QPoint()), c.size())) for c in page.cards]
    assert in_sight == [True] * 9 + [False]
    bar.setValue(bar.maximum())
    last = page.cards[-1]
    assert sight.rect().contains(QRect(last.mapTo(sight, QPoint()), last.size()))


def test_new_open_and_open_data_ask(page: StartPage, qtbot: QtBot) -> None:
    found: list[str] = []
    page.newRequested.connect(lambda: found.append("new"))
    page.openRequested.connect(lambda: found.append("open"))
    page.openDataRequested.connect(lambda: found.append("data"))
    qtbot.mouseClick(page.new_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(page.open_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(page.data_button, Qt.MouseButton.LeftButton)
    assert found == ["new", "open", "data"]


def test_recent_files_can_be_chosen_and_missing_ones_cannot(page: StartPage, qtbot: QtBot) -> None:
    page.set_recent([RecentData("/a/b.gflow", "b", 0.0, True), RecentData("/a/gone.gflow", "gone", 0.0, False)])
    qtbot.wait(1)
    found: list[str] = []
    page.recentChosen.connect(found.append)
    for row in page.rows:
        qtbot.mouseClick(row, Qt.MouseButton.LeftButton)
    assert found == ["/a/b.gflow"]
    assert page.rows[0].toolTip() == "/a/b.gflow"
    assert page.rows[1].when == "missing"
    page.set_recent([])
    assert page.rows == []


def test_setting_the_presets_again_replaces_them(page: StartPage, qtbot: QtBot) -> None:
    page.set_presets(CARDS[:2])
    qtbot.wait(1)
    assert [card.data.slug for card in page.cards] == ["slug-0", "slug-1"]
    assert len(page.findChildren(Card)) == 2


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_a_card_is_drawn_in_the_colour_of_its_tag(page: StartPage, theme: ThemeName) -> None:
    theming.apply(theme)
    for card in page.cards[:3]:
        _, tone = glyph_and_tone(card.data.tag)
        wanted = getattr(theming.current(), tone)
        image = card.grab().toImage()
        colours = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(80)}
        assert wanted in colours


def test_the_tags_signs_differ_where_the_colours_do() -> None:
    assert glyph_and_tone("Vanishing") == ("▼", "vanishing")
    assert glyph_and_tone("Exploding") == ("▲", "exploding")
    assert glyph_and_tone("Clipped") == ("✂", "clip")
    assert glyph_and_tone("something new")[0] == "●"


def test_a_cards_text_ends_with_a_whole_sentence_where_one_fits(page: StartPage) -> None:
    short = "The first sentence. " + "The second one is very long indeed, " * 20
    assert leading_sentences(short, 270) == "The first sentence."
    long = "word " * 200
    assert leading_sentences(long, 270) == long


def test_a_curve_breaks_where_there_is_no_number_on_the_scale() -> None:
    nan, inf = math.nan, math.inf
    found = shape([nan, nan, inf, HIGH + 1, HIGH, 3.0, -inf, 2.0, LOW - 1])
    assert found == Shape(
        runs=(((4, HIGH), (5, 3.0)), ((7, 2.0),)),
        marks=((0, 1, "nan"), (2, 2, "inf"), (3, 3, "above"), (6, 6, "zero"), (8, 8, "below")),
    )
    assert shape([]) == Shape((), ())
    assert classify(0.0) is None


@pytest.mark.parametrize(
    "curve",
    [(), (0.0,), (math.nan,), (math.inf,) * 50, (-math.inf, 0.0), tuple([math.nan] * 26 + [math.inf] + [38.0] * 23)],
)
def test_a_card_with_any_curve_can_be_painted(qtbot: QtBot, curve: tuple[float, ...]) -> None:
    theming.apply("dark")
    card = Card(CardData("s", "T" * 200, "Overflow", "word" * 300, curve))
    qtbot.addWidget(card)
    for width in (60, 300):
        card.resize(width, 200)
        assert not card.grab().isNull()


def test_a_card_has_a_ring_only_when_keys_went_there(page: StartPage) -> None:
    card = page.cards[1]
    without = card.grab().toImage()
    card.setFocus(Qt.FocusReason.OtherFocusReason)
    assert card.hasFocus()
    assert card.grab().toImage() == without
    page.cards[0].setFocus(Qt.FocusReason.TabFocusReason)
    card.setFocus(Qt.FocusReason.TabFocusReason)
    assert card.grab().toImage() != without


def test_clipping_is_drawn_on_the_card(qtbot: QtBot) -> None:
    pictures = []
    for norm in (None, 1.0, 1e-6, 1e300):
        card = Card(CardData("s", "The same", "Clipped", "", (8.0, 3.0), norm))
        qtbot.addWidget(card)
        card.resize(300, 200)
        pictures.append(card.grab().toImage())
    assert all(a != b for a, b in itertools.combinations(pictures, 2))


def test_a_formula_stays_on_one_line() -> None:
    assert " " not in unbroken("h = (1 − z)⊙n + z⊙h₋₁")
    assert unbroken("by t = 1 the gradient") == "by t\u00a0=\u00a01 the gradient"
    assert unbroken("13 % of it") == "13\u00a0% of it"
    assert unbroken("as it is: one, two") == "as it is: one, two"


def test_how_long_ago_in_words() -> None:
    now = datetime(2025, 11, 20, 14, 0).timestamp()
    for when, words in (
        (datetime(2025, 11, 20, 13, 59, 30), "just now"),
        (datetime(2025, 11, 20, 13, 55), "5 minutes ago"),
        (datetime(2025, 11, 20, 13, 0), "an hour ago"),
        (datetime(2025, 11, 20, 8, 0), "6 hours ago"),
        (datetime(2025, 11, 19, 9, 0), "yesterday"),
        (datetime(2025, 11, 17, 23, 0), "3 days ago"),
        (datetime(2025, 11, 12, 9, 0), "12 Nov"),
        (datetime(2024, 11, 12, 9, 0), "12 Nov 2024"),
        (datetime(2025, 11, 20, 14, 5), "just now"),
    ):
        assert ago(when.timestamp(), now) == words
