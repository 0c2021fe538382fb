"""The shared memory through which big arrays come: one block that the window's process owns and lends out.

A lease is held by the arrays that lie in it: when the last of them is gone, the stretch is free again. So an array of
an answer stays what it is for as long as anybody looks at it, and nobody has to say when it has been painted.
"""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from multiprocessing.sharedctypes import RawArray

import numpy as np
from numpy.typing import NDArray

from explorer.compute.parcel import ALIGNMENT, Region, aligned


class Ring:
    """Shared memory of `size` bytes. All methods belong to one thread; leases may end in any.

    RawArray: no file name outlives its creation, and views of it stay valid even after the ring itself is dropped.
    Errors: OSError or MemoryError if there is not so much memory.
    """

    def __init__(self, size: int) -> None:
        self.size = aligned(max(size, ALIGNMENT))
        self.raw = RawArray(ctypes.c_byte, self.size)
        self.memory = memoryview(self.raw).cast("B")
        self._taken: dict[int, int] = {}
        # A lease may end inside a garbage collection, in the middle of any line of ours: it only drops a note here,
        # which needs no lock.
        self._returned: deque[int] = deque()

    def gap(self) -> Region:
        """The largest free stretch; of size 0 if nothing is free."""
        self._take_back()
        best = Region(0, 0)
        start = 0
        for taken, stop in [*sorted(self._taken.items()), (self.size, self.size)]:
            if taken - start > best.size:
                best = Region(start, taken)
            start = stop
        return best

    def leased(self) -> int:
        """Bytes lent out."""
        self._take_back()
        return sum(stop - start for start, stop in self._taken.items())

    def lease(self, region: Region) -> NDArray[np.uint8]:
        """The bytes of a free, non-empty stretch; it is taken until this array and all views of it are gone."""
        self._take_back()
        start, stop = region.start, region.start + aligned(region.size)
        assert all(stop <= taken or start >= end for taken, end in self._taken.items()), "that stretch is taken"
        found = np.frombuffer(self.memory, dtype=np.uint8, count=region.size, offset=start)
        self._taken[start] = stop
        weakref.finalize(found, self._returned.append, start).atexit = False
        return found

    def _take_back(self) -> None:
        while self._returned:
            del self._taken[self._returned.popleft()]
