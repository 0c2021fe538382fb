"""The engine in a process of its own, with the face of `concurrent.futures.Executor`."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from explorer.compute.keeper import Job, Keeper

MIB = 1 << 20

_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""One thread, and none that spins: beside another busy process, spinning threads make torch 500 times slower. The
libraries read it when they are loaded, so it must be there before a worker's first line runs."""


class EngineProcess(Executor):
    """`submit(engine.operations.run, operation, request)` computes in a spawned process; a warm spare stands by.

    Requests are computed one after the other. Functions are named by reference (module and name), requests and answers
    are trees of plain data (see parcel). Big arrays of an answer are read-only views of shared memory, which is theirs
    for as long as they live. Futures end with an answer or with one of engine.errors or failures, whose text is a
    sentence; none is left hanging when a process dies.

    Workers are spawned: they import the main module again (as "__mp_main__"), so that must be thin and guarded, and a
    frozen program calls `multiprocessing.freeze_support()` first of all in its main function.

    prepare: "module:function" that a worker imports and calls before its first request; None: nothing.
    ring_bytes: shared memory for answers. It grows up to `largest_ring_bytes` when answers do not fit; what does not
    fit comes through the pipe, slower.
    spare_after: seconds for which the one at work has the machine for itself before a spare is started.
    """

    def __init__(
        self,
        *,
        prepare: str | None = "engine.operations:warm_up",
        ring_bytes: int = 64 * MIB,
        largest_ring_bytes: int = 512 * MIB,
        spare_after: float = 0.3,
    ) -> None:
        self._keeper = Keeper(
            prepare=prepare, ring_bytes=ring_bytes, largest_ring_bytes=largest_ring_bytes, spare_after=spare_after
        )
        self._start_lock = threading.Lock()
        self._started = False

    def start(self) -> None:
        """Begin to start the processes; returns at once. `submit` does it too."""
        with self._start_lock:
            if self._started:
                return
            self._started = True
            for name, value in _ENVIRONMENT.items():
                os.environ.setdefault(name, value)
            # Registered after multiprocessing's own, so called before it: no process is started while all are ended.
            atexit.register(self.shutdown)
            self._keeper.thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Errors: RuntimeError after shutdown."""
        job = Job(fn, args, kwargs)
        self._keeper.put(job)
        self.start()
        return job.future

    def cancel_running(self, future: Future[Any] | None = None) -> bool:
        """End what is being computed by ending its process; the spare goes on with what waits.

        Its future fails with EngineCancelledError. future: only if it is this one. Returns at once; False if nothing
        was being computed.
        """
        return self._keeper.cancel_running(future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """End the processes. Unlike in a pool, nothing is computed to its end: a window that closes does not wait.

        Futures without an answer fail with EngineCancelledError.

        wait: return when processes and thread are gone (some ten milliseconds).
        """
        atexit.unregister(self.shutdown)
        with self._start_lock:
            self._started = True
            self._keeper.close()
            if self._keeper.thread.ident is None:
                self._keeper.discard()
                return
        if wait and self._keeper.thread is not threading.current_thread():
            self._keeper.thread.join()
