"""A bounded memory: the least recently used entries go first. What is missing is computed again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Kept = TypeVar("Kept")

DEFAULT_LIMIT = 512 * 2**20
"""Bytes."""


class Memory(Generic[Kept]):
    """Keeps up to `limit` bytes of entries, and always the newest one, however large it is.

    `size` tells the bytes of an entry. It is asked when the entry comes in.
    """

    def __init__(self, size: Callable[[Kept], int], limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self._size = size
        self._kept: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()

    def get(self, key: Hashable) -> Kept | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Hashable, entry: Kept) -> None:
        self._kept.pop(key, None)
        size = self._size(entry)
        while self._kept and self.bytes + size > self.limit:
            self._kept.popitem(last=False)
        self._kept[key] = entry, size

    def clear(self) -> None:
        self._kept.clear()

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)
