"""Tensors by name, of which some are computed when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor


class Later(Mapping[str, Tensor]):
    """Read like a dict. `make` gives at least the names that are not ready; it is asked once, and must be pure."""

    def __init__(
        self, ready: Mapping[str, Tensor], names: Sequence[str], make: Callable[[], Mapping[str, Tensor]]
    ) -> None:
        self._ready = dict(ready)
        self._names = tuple(names)
        self._make: Callable[[], Mapping[str, Tensor]] | None = make

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._ready and name in self._names and self._make is not None:
            self._ready = {**self._make(), **self._ready}
            self._make = None
        return self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
