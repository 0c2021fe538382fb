"""A tree of plain data on its way between two processes: small things through the pipe, big arrays through the ring.

Any tree that pickle takes will do (dataclasses, dicts, tuples). Its numpy arrays of at least `ASIDE` bytes are taken
out (pickle's protocol 5, out-of-band buffers) and laid one after the other into a region of shared memory; where they
do not fit, they follow through the pipe. On the wire: a head (plain tuple), the body (pickle), then loose arrays.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

ASIDE = 4096
"""Bytes from which an array travels aside of the pickle."""
ALIGNMENT = 64
"""Bytes: arrays begin where a cache line begins."""


class Region(NamedTuple):
    """A stretch of the shared memory, in bytes from its beginning."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


class Packed(NamedTuple):
    """A tree ready to travel. The buffers are views of the tree's own arrays."""

    body: bytes
    buffers: list[memoryview]

    @property
    def room(self) -> int:
        """Bytes that the buffers take up in shared memory."""
        return sum(aligned(buffer.nbytes) for buffer in self.buffers)


class Letter(NamedTuple):
    """What came through the pipe."""

    note: Any
    """What kind of letter it is, and what else its sender wants to say: small plain data."""
    body: bytes
    sizes: tuple[int, ...]
    """Bytes of each array that was taken out."""
    start: int | None
    """Where they lie in shared memory; None: they came through the pipe."""
    loose: list[bytes]

    @property
    def room(self) -> int:
        return sum(aligned(size) for size in self.sizes)


class NotPlainData(pickle.UnpicklingError):
    """An answer names something that the window's process does not know and will not import."""


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def pack(tree: object) -> Packed:
    """Pickle a tree and take its big arrays out. Errors: those of pickle, for what cannot be pickled."""
    buffers: list[memoryview] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < ASIDE:
            return True
        buffers.append(raw)
        return False

    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=keep_in_band).dump(tree)
    return Packed(file.getvalue(), buffers)


def unpack(body: bytes, buffers: Iterable[object], *, known_only: bool) -> Any:
    """The tree again; its big arrays are views of `buffers`, which they keep alive.

    known_only: name nothing that this process has not imported already (the standard library aside), so that an answer
    can never import torch into the window. Errors: NotPlainData.
    """
    kind = _KnownOnly if known_only else pickle.Unpickler
    return kind(io.BytesIO(body), buffers=buffers).load()


def post(conn: Connection, note: object, packed: Packed, memory: memoryview, region: Region) -> None:
    """Send a packed tree: its arrays through `region` of the shared memory if they fit there."""
    sizes = tuple(buffer.nbytes for buffer in packed.buffers)
    fits = packed.room <= region.size
    if fits:
        for place, buffer in zip(places(memory[region.start :], sizes), packed.buffers, strict=True):
            place[:] = buffer
    conn.send((note, sizes, region.start if fits else None))
    conn.send_bytes(packed.body)
    if not fits:
        for buffer in packed.buffers:
            conn.send_bytes(buffer)


def receive(conn: Connection) -> Letter:
    """The next letter; waits for it. Errors: EOFError or OSError when the other side is gone."""
    note, sizes, start = conn.recv()
    body = conn.recv_bytes()
    loose = [conn.recv_bytes() for _ in sizes] if start is None else []
    return Letter(note, body, sizes, start, loose)


def places(memory: memoryview, sizes: Iterable[int]) -> Iterator[memoryview]:
    """Where arrays of these sizes lie in a memory that begins with the first."""
    start = 0
    for size in sizes:
        yield memory[start : start + size]
        start += aligned(size)


class _Pickler(pickle.Pickler):
    """Makes strided arrays contiguous, or numpy would write them into the pickle, whatever their size."""

    def reducer_override(self, value: object) -> Any:
        if type(value) is np.ndarray and value.nbytes >= ASIDE and not value.flags.forc:
            return np.ascontiguousarray(value).__reduce_ex__(5)
        return NotImplemented


class _KnownOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        root = module.partition(".")[0]
        if root == "torch" or (module not in sys.modules and root not in sys.stdlib_module_names):
            raise NotPlainData(f"An answer of the engine holds {module}.{name}, which is no plain data.")
        return super().find_class(module, name)
