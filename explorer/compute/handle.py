"""One worker process as the window's process holds it: its pipe, its end, and what it may touch of the ring."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading

import numpy as np
from numpy.typing import NDArray

from explorer.compute import worker
from explorer.compute.failures import Failure
from explorer.compute.parcel import Region
from explorer.compute.ring import Ring

_CONTEXT = multiprocessing.get_context("spawn")


class WorkerHandle:
    """Starts a worker; it says worker.READY through `conn` when it is warm. Errors: OSError if none can be started."""

    def __init__(self, ring: Ring, prepare: str | None) -> None:
        self.ring = ring
        self.ready = False
        self.granted = Region(0, 0)
        """Where its next answer may lie."""
        self.holds: list[NDArray[np.uint8]] = []
        """Leases of what it may be reading and writing: theirs until it has answered or is dead."""
        self.complaint: Failure | None = None
        """Why it could not get ready."""
        self._lock = threading.Lock()
        self._killed = False
        self.conn, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(
            target=worker.main, args=(theirs, ring.raw, prepare), name="gradflow-engine", daemon=True
        )
        try:
            self._process.start()
        except BaseException:
            self.conn.close()
            raise
        finally:
            theirs.close()
        self.sentinel = self._process.sentinel
        self.pid = self._process.pid

    def kill(self) -> None:
        """End the process; returns at once, from any thread."""
        with self._lock:
            if not self._killed:
                self._killed = True
                with contextlib.suppress(OSError):
                    self._process.kill()

    def how_it_ended(self) -> str:
        """ "signal 9", "exit code 1"; waits a moment for the process to be gone."""
        self._process.join(0.5)
        code = self._process.exitcode
        if code is None:
            return "it does not answer"
        if code < 0:
            with contextlib.suppress(ValueError):
                return signal.Signals(-code).name
        return f"exit code {code}"

    def close(self) -> None:
        """Let go of a process that is killed or dead; waits until it is gone."""
        self.kill()
        self.conn.close()
        self._process.join()
        self.holds.clear()
        with contextlib.suppress(ValueError):  # somebody else just reaped it: then nothing is left to close
            self._process.close()
