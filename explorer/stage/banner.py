"""The banner above the tracks: one sentence at a time, which belongs to who has said it. Where that is taken back, what
another has said before is seen again, unless it has been taken back as well."""

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
        """Whether what it has said is what one sees: another voice may have said something since."""
        return self._banner.speaker is self

    def say(self, sentence: str, ways: Sequence[tuple[str, str]] = ()) -> None:
        """In front of whatever stands there. `ways` out of it: words and tooltip each."""
        self._banner.show_sentence(self, sentence, ways)

    @Slot()
    def take_back(self) -> None:
        self._banner.take_back(self)


class Banner(Notice):
    """What went wrong, and what can be done about it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Message", "exploding", parent)
        self._said: dict[Voice, tuple[str, Sequence[tuple[str, str]]]] = {}
        """The last is the one that is seen."""
        self.chosen.connect(self._choose)

    def voice(self) -> Voice:
        """A new one."""
        return Voice(self)

    @property
    def speaker(self) -> Voice | None:
        """Whose sentence is seen; None: nothing is said."""
        return next(reversed(self._said), None)

    def show_sentence(self, speaker: Voice, sentence: str, ways: Sequence[tuple[str, str]]) -> None:
        self._said.pop(speaker, None)
        self._said[speaker] = sentence, ways
        self._show()

    def take_back(self, speaker: Voice) -> None:
        if self._said.pop(speaker, None) is not None:
            self._show()

    def clear(self) -> None:
        """Whoever has said what: it has been seen."""
        self._said.clear()
        self._show()

    def _show(self) -> None:
        sentence, ways = next(reversed(self._said.values()), ("", ()))
        self.set_actions(ways)
        self.set_text(sentence)

    @Slot(int)
    def _choose(self, number: int) -> None:
        if self.speaker is not None:
            self.speaker.chosen.emit(number)
