"""The theme in force: what is built within `styled_at_the_end` gets its style sheet once, whatever was there before."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from explorer.theme import current as theming
from explorer.theme.stylesheet import stylesheet
from explorer.theme.tokens import LIGHT, THEMES


def test_nothing_is_styled_before_all_of_it_stands_in_a_second_window_neither(qtbot: QtBot) -> None:
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    theming.apply("dark")
    assert app.styleSheet() == stylesheet(THEMES["dark"])
    with theming.styled_at_the_end():
        assert app.styleSheet() == ""
        theming.apply("light")
        assert app.styleSheet() == ""
        label = QLabel("built within")
        qtbot.addWidget(label)
    assert app.styleSheet() == stylesheet(LIGHT)
    assert label.palette().text().color().name() == LIGHT.text.lower()
