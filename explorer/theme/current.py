"""The theme in force, the fonts, and the one call that changes them.

Widgets that paint themselves read `current()` in paintEvent and listen to `notifier().changed` to drop their caches.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QFontMetricsF, QPalette
from PySide6.QtWidgets import QApplication

from engine import folders
from explorer.theme.stylesheet import stylesheet
from explorer.theme.tokens import DARK, SMALL_PX, TEXT_PX, THEMES, Theme, ThemeName


class _Notifier(QObject):
    changed = Signal()


_theme: Theme = DARK
_notifier: _Notifier | None = None
_families: list[str] = []
_sheet_waits = False


def current() -> Theme:
    return _theme


def notifier() -> _Notifier:
    """Emits `changed` after the theme has changed."""
    global _notifier
    if _notifier is None:
        _notifier = _Notifier()
    return _notifier


def families() -> list[str]:
    """The shipped fonts, so that every machine looks alike: Inter, then DejaVu Sans for the signs Inter lacks."""
    if not _families:
        for file in sorted((folders.resources() / "fonts").glob("*.[ot]tf")):
            QFontDatabase.addApplicationFont(str(file))
        _families.extend(("Inter", "DejaVu Sans"))
    return _families


@cache
def font(pixels: int = TEXT_PX, *, bold: bool = False) -> QFont:
    """A UI font with tabular figures (numbers do not dance while the tape plays). The same object each time, since
    what is painted asks often: copy it before you change it."""
    made = QFont()
    made.setFamilies(families())
    made.setPixelSize(pixels)
    made.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    made.setFeature(QFont.Tag("tnum"), 1)
    return made


@cache
def metrics(pixels: int = TEXT_PX, *, bold: bool = False) -> QFontMetricsF:
    """Of `font`; the same object each time too."""
    return QFontMetricsF(font(pixels, bold=bold))


def small(*, bold: bool = False) -> QFont:
    return font(SMALL_PX, bold=bold)


def apply(name: ThemeName) -> None:
    """Put a theme in force on the running application: palette, font, style sheet."""
    global _theme
    _theme = THEMES[name]
    app = QApplication.instance()
    assert isinstance(app, QApplication), "a QApplication must exist before a theme is applied"
    app.setStyle("Fusion")
    app.setFont(font())
    app.setPalette(_palette(_theme))
    if not _sheet_waits:
        app.setStyleSheet(stylesheet(_theme))
    notifier().changed.emit()


@contextmanager
def styled_at_the_end() -> Iterator[None]:
    """Whatever is built within gets the style sheet when all of it stands. Put on as each widget finds its parent, it
    is looked up again and again, and building a window takes several times as long; so one that is in force, of a
    window before, is taken off for as long."""
    global _sheet_waits
    app = QApplication.instance()
    assert isinstance(app, QApplication)
    _sheet_waits = True
    app.setStyleSheet("")
    try:
        yield
    finally:
        _sheet_waits = False
        app.setStyleSheet(stylesheet(_theme))


def _palette(theme: Theme) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for which, colour in (
        (role.Window, theme.window),
        (role.Base, theme.surface),
        (role.AlternateBase, theme.raised),
        (role.Button, theme.raised),
        (role.ToolTipBase, theme.raised),
        (role.WindowText, theme.text),
        (role.Text, theme.text),
        (role.ButtonText, theme.text),
        (role.ToolTipText, theme.text),
        (role.BrightText, theme.text),
        (role.PlaceholderText, theme.muted),
        (role.Highlight, theme.accent),
        (role.HighlightedText, theme.on_accent),
        (role.Accent, theme.accent),
        (role.Link, theme.vanishing),
        (role.Mid, theme.border),
        (role.Dark, theme.line),
        (role.Light, theme.raised),
    ):
        palette.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(theme.border))
    return palette
