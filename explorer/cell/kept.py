"""Pictures of what is the same at many moments: the last few of them are kept, since a playhead that is dragged goes to
and fro between a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QImage

_MOST = 4


@dataclass(frozen=True, slots=True, eq=False)
class SameAs:
    """In a key: this very object, whatever it equals."""

    it: object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SameAs) and self.it is other.it

    __hash__ = None  # type: ignore[assignment]


class KeptPictures:
    """By what they show. A key is compared, never hashed; what it holds stays alive as long as the picture."""

    def __init__(self) -> None:
        self._kept: list[tuple[object, QImage]] = []

    def of(self, key: object, make: Callable[[], QImage]) -> QImage:
        """`make` is asked where there is none for this key."""
        for place, (known, picture) in enumerate(self._kept):
            if known == key:
                if place:
                    self._kept.insert(0, self._kept.pop(place))
                return picture
        picture = make()
        self._kept = [(key, picture), *self._kept[: _MOST - 1]]
        return picture

    def clear(self) -> None:
        self._kept = []
