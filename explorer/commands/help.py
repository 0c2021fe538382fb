"""The Help menu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QMessageBox

from explorer import menus
from explorer.bindings.parts import Parts

if TYPE_CHECKING:
    from explorer.help.glossary import Glossary

_ABOUT = (
    "<h3>Gradient Flow Explorer {version}</h3>"
    "<p>See where the gradient goes in a recurrent network.</p>"
    "<p>Every gradient on screen is exact: derived by hand, checked against autograd.</p>"
    "<p>MIT licence. Fonts: Inter (SIL OFL), DejaVu Sans (Bitstream Vera licence).</p>"
)


class HelpCommands(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._window = parts.window
        self._words: Glossary | None = None

    @Slot()
    def do_shortcuts(self) -> None:
        sheet = menus.ShortcutSheet(self._window)
        sheet.finished.connect(sheet.deleteLater)
        sheet.open()

    @Slot()
    def do_words(self) -> None:
        from explorer.help.glossary import Glossary

        if self._words is None:
            self._words = Glossary(self._window)
        self._words.show_it()

    @Slot()
    def do_about(self) -> None:
        from importlib.metadata import version

        box = QMessageBox(self._window)
        box.setWindowTitle("About")
        box.setText(_ABOUT.format(version=version("gradient-flow-explorer")))
        box.finished.connect(box.deleteLater)
        box.open()
