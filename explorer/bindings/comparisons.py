"""Earlier runs, whose curves stay beside what is trained next."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from explorer.bindings.parts import Parts
from explorer.training.comparisons import Comparisons


class ComparisonsBinding(QObject):
    def __init__(self, parts: Parts, parent: QObject) -> None:
        super().__init__(parent)
        self._parts, self._book, self._drawer = parts, parts.book, parts.window.drawer
        self.runs = Comparisons(parts.document, self)
        tab = self._drawer.training
        tab.keepWanted.connect(self.keep)
        tab.removeWanted.connect(self.runs.remove)
        tab.clearWanted.connect(self.clear)

    @Slot()
    def keep(self) -> None:
        if not self.runs.keep():
            self._parts.say("Nothing has been trained yet that could be kept as a comparison.", 5000)
            return
        count = self._book.next
        iterations = "1 iteration stays" if count == 1 else f"{count:,} iterations stay"
        self._drawer.show_tab("training")
        self._parts.say(f"Kept as a comparison: {iterations} as curves beside what is trained next.", 6000)

    @Slot()
    def clear(self) -> None:
        count = len(self.runs.names())
        self.runs.clear()
        words = "There is no comparison." if not count else f"{count} comparison{'s' if count > 1 else ''} removed."
        self._parts.say(words, 3000)
