"""Mappings that nobody can change and that can be pickled, which types.MappingProxyType cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value", covariant=True)


class Frozen(Mapping[Key, Value]):
    """A copy of a mapping, read like a dict."""

    __slots__ = ("_of",)

    def __init__(self, of: Mapping[Key, Value]) -> None:
        self._of = dict(of)

    def __getitem__(self, key: Key) -> Value:
        return self._of[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)

    def __repr__(self) -> str:
        return repr(self._of)


def freeze(of: object, *fields: str) -> None:
    """Takes these mappings of a frozen dataclass, and mappings in them, out of everybody's reach."""
    for name in fields:
        object.__setattr__(of, name, _frozen(getattr(of, name)))


def _frozen(part: Any) -> Any:
    return Frozen({key: _frozen(value) for key, value in part.items()}) if isinstance(part, Mapping) else part
