"""The banner above the tracks: one sentence at a time, which belongs to who has said it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from explorer.stage.notices import Notice


class Voice(QObject):
    """One who says something in the banner, and takes back nothing but that."""

    chosen = Signal(int)
    """Which of the ways out that its sentence offers."""

    def __init__(self, banner: Banner) -> None:
        super().__init__(banner)
        self._banner = banner

    @property
    def stands(self) -> bool:
        """Whether what it has said is there still: another voice may have said something since."""
        return self._banner.speaker is self

    def say(self, sentence: str, ways: Sequence[tuple[str, str]] = ()) -> None:
        """In place of whatever stands there. `ways` out of it: words and tooltip each."""
        self._banner.show_sentence(self, sentence, ways)

    @Slot()
    def take_back(self) -> None:
        if self.stands:
            self._banner.clear()


class Banner(Notice):
    """What went wrong, and what can be done about it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Message", "exploding", parent)
        self.speaker: Voice | None = None
        """Whose sentence it is; None: nothing is said."""
        self.chosen.connect(self._choose)

    def voice(self) -> Voice:
        """A new one."""
        return Voice(self)

    def show_sentence(self, speaker: Voice, sentence: str, ways: Sequence[tuple[str, str]]) -> None:
        self.speaker = speaker
        self.set_actions(ways)
        self.set_text(sentence)

    def clear(self) -> None:
        """Whoever has said it: it has been seen."""
        self.speaker = None
        self.set_actions(())
        self.set_text("")

    @Slot(int)
    def _choose(self, number: int) -> None:
        if self.speaker is not None:
            self.speaker.chosen.emit(number)
