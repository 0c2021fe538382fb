"""The thread that keeps the engine's processes: one at work, one warm spare; sends requests, collects answers.

Everything slow about a process (starting it, waiting for its end) happens here, off the window's thread.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any

from explorer.compute import parcel, worker
from explorer.compute.failures import EngineCancelledError, EngineCrashError, Failure, describe, revive
from explorer.compute.handle import WorkerHandle
from explorer.compute.parcel import Letter, Packed, Region
from explorer.compute.ring import Ring

GIVE_UP_AFTER = 3
"""Processes that end in a row without having answered anything."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """One request and its future."""

    run: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: Future[Any] = field(default_factory=Future)
    cancelled: bool = False

    def fail(self, error: BaseException) -> None:
        self.future.set_exception(error)


class Keeper:
    """The thread and its processes. `put`, `cancel_running` and `close` may be called from any thread."""

    def __init__(self, *, prepare: str | None, ring_bytes: int, largest_ring_bytes: int, spare_after: float) -> None:
        self._prepare = prepare
        self._ring_bytes = ring_bytes
        self._largest_ring_bytes = largest_ring_bytes
        self._spare_after = spare_after
        # Shared with other threads, under the lock:
        self._lock = threading.Lock()
        self._queue: deque[Job] = deque()
        self._closing = False
        self._broken = False
        self._job: Job | None = None
        self._active: WorkerHandle | None = None
        self._spare: WorkerHandle | None = None
        # The thread's own:
        self._dying: list[WorkerHandle] = []
        self._ring: Ring | None = None
        self._failed_in_a_row = 0
        self._spare_due = 0.0
        self._ear, self._bell = Pipe(duplex=False)
        self._rung = False
        self.thread = threading.Thread(target=self._keep, name="engine-keeper", daemon=True)

    # --- from any thread -----------------------------------------------------------------------------------------

    def put(self, job: Job) -> None:
        with self._lock:
            if self._closing:
                raise RuntimeError("The engine has been shut down.")
            self._queue.append(job)
            if self._broken:  # somebody asks again: one more try
                self._broken = False
                self._failed_in_a_row = GIVE_UP_AFTER - 1
            self._ring_the_bell()

    def cancel_running(self, future: Future[Any] | None) -> bool:
        with self._lock:
            if self._job is None or self._active is None or future not in (None, self._job.future):
                return False
            self._job.cancelled = True
            self._active.kill()
            self._ring_the_bell()
            return True

    def close(self) -> None:
        """End everything; the thread ends soon after. If it never ran, `discard` must follow."""
        with self._lock:
            if not self._closing:
                self._closing = True
                for handle in (self._active, self._spare):
                    if handle is not None:
                        handle.kill()
                self._ring_the_bell()

    def discard(self) -> None:
        """Let go of what a closed keeper holds whose thread never ran."""
        self._end()

    def _ring_the_bell(self) -> None:
        if not self._rung:
            self._rung = True
            with contextlib.suppress(OSError):  # the thread has ended
                self._bell.send_bytes(b"!")

    # --- the thread ----------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        try:
            while not self._closing:
                self._promote()
                self._send_next()
                self._refill()
                self._attend()
        except BaseException:
            _log.exception("the keeper of the engine's processes failed")
        finally:
            self._end()

    def _promote(self) -> None:
        """The spare takes over where nobody is at work, or where the one at work has too small a ring."""
        active, spare = self._active, self._spare
        if spare is None or self._job is not None:
            return
        outdated = active is not None and active.ring is not self._ring
        if active is None or (outdated and spare.ready and spare.ring is self._ring):
            with self._lock:
                self._active, self._spare = spare, None
            self._spare_due = time.monotonic() + self._spare_after
            if active is not None:
                self._bury(active)

    def _send_next(self) -> None:
        handle = self._active
        if handle is None or not handle.ready or self._job is not None:
            return
        while (job := self._take()) is not None:
            try:
                packed = parcel.pack((job.run, job.args, job.kwargs))
            except Exception as error:
                with self._lock:
                    self._job = None
                job.fail(revive(describe(error)))
                continue
            try:
                self._send(handle, packed)
            except OSError:  # it died before it had the whole request: the next one gets it
                with self._lock:
                    self._job = None
                    if not job.cancelled:
                        self._queue.appendleft(job)
                if job.cancelled:
                    job.fail(EngineCancelledError("Cancelled."))
                self._lost(handle, foreseen=job.cancelled)
            return

    def _take(self) -> Job | None:
        """The next job that still wants an answer. In one go, so that there is no moment at which its future runs but
        cannot be cancelled."""
        with self._lock:
            while self._queue:
                job = self._queue.popleft()
                if job.future.running() or job.future.set_running_or_notify_cancel():
                    self._job = job
                    return job
        return None

    def _send(self, handle: WorkerHandle, packed: Packed) -> None:
        ring = handle.ring
        there = ring.gap()
        if 0 < packed.room <= there.size:
            there = Region(there.start, there.start + packed.room)
            handle.holds.append(ring.lease(there))
        else:
            there = Region(0, 0)
        handle.granted = ring.gap()
        if handle.granted.size:
            handle.holds.append(ring.lease(handle.granted))
        parcel.post(handle.conn, tuple(handle.granted), packed, ring.memory, there)

    def _refill(self) -> None:
        """Start what is missing, one process at a time: first the one at work, then, when that is warm, the spare."""
        if self._broken or self._closing:
            return
        if self._spare is not None and self._spare.ring is not self._ring:
            spare = self._spare
            with self._lock:
                self._spare = None
            self._bury(spare)
        if self._active is None:
            handle = self._start()
            with self._lock:
                self._active = handle
        elif self._wants_a_spare() and time.monotonic() >= self._spare_due:
            handle = self._start()
            with self._lock:
                self._spare = handle

    def _start(self) -> WorkerHandle | None:
        try:
            if self._ring is None:
                self._ring = Ring(self._ring_bytes)
            return WorkerHandle(self._ring, self._prepare)
        except (OSError, MemoryError) as error:
            self._count_failure(Failure("", f"The engine could not be started ({error}).", describe(error).details))
            return None

    def _wants_a_spare(self) -> bool:
        return (
            self._spare is None
            and self._active is not None
            and self._active.ready
            and self._failed_in_a_row < GIVE_UP_AFTER
        )

    def _attend(self) -> None:
        """Wait until something happens, and see to it."""
        handles = [handle for handle in (self._active, self._spare) if handle is not None]
        watched: list[Any] = [self._ear, *(handle.sentinel for handle in self._dying)]
        for handle in handles:
            watched += [handle.conn, handle.sentinel]
        ready = wait(watched, self._patience())
        if self._ear in ready:
            with self._lock:
                self._ear.recv_bytes()
                self._rung = False
        for handle in [handle for handle in self._dying if handle.sentinel in ready]:
            self._dying.remove(handle)
            handle.close()
        for handle in handles:
            if handle.conn in ready:
                self._listen(handle)
            elif handle is self._active and self._job is not None and self._job.cancelled:
                self._lost(handle, foreseen=True)
            elif handle.sentinel in ready:
                self._lost(handle)

    def _patience(self) -> float | None:
        """Seconds until there is something to do by itself; None: never."""
        if self._closing or (self._active is None and not self._broken):
            return 0.0
        if self._wants_a_spare():
            return max(0.0, self._spare_due - time.monotonic())
        return None

    def _listen(self, handle: WorkerHandle) -> None:
        try:
            letter = parcel.receive(handle.conn)
        except (EOFError, OSError):
            self._lost(handle, foreseen=self._job is not None and handle is self._active and self._job.cancelled)
            return
        if letter.note == worker.READY:
            handle.ready = True
            self._spare_due = time.monotonic() + self._spare_after
        elif letter.note == worker.BROKEN:
            handle.complaint = parcel.unpack(letter.body, letter.loose, known_only=True)
        else:
            self._answered(handle, letter)

    def _answered(self, handle: WorkerHandle, letter: Letter) -> None:
        job = self._job
        assert job is not None, "an answer without a question"
        handle.holds.clear()
        self._failed_in_a_row = 0
        error: BaseException | None = None
        answer: Any = None
        try:
            answer = parcel.unpack(letter.body, self._arrays(handle, letter), known_only=True)
            if letter.note == worker.FAILED:
                error = revive(answer)
        except Exception as problem:
            error = revive(describe(problem))
        with self._lock:
            self._job = None
            cancelled = job.cancelled
        if cancelled:  # and its process is as good as dead
            self._lost(handle, foreseen=True)
            job.fail(EngineCancelledError("Cancelled."))
        elif error is not None:
            job.fail(error)
        else:
            job.future.set_result(answer)

    def _arrays(self, handle: WorkerHandle, letter: Letter) -> list[memoryview]:
        """The big arrays of an answer as read-only bytes, where they came to lie."""
        if letter.start is not None and letter.room:
            lease = handle.ring.lease(Region(letter.start, letter.start + letter.room))
            return list(parcel.places(lease.data.toreadonly(), letter.sizes))
        if letter.loose:
            self._grow(handle.ring.leased() + 2 * letter.room)
        return [memoryview(piece) for piece in letter.loose]

    def _grow(self, wanted: int) -> None:
        """A larger ring for the processes that start from now on; the one at work is relieved when the spare is warm.

        (A RawArray can be handed to a process only when that is started.)
        """
        assert self._ring is not None
        size = min(wanted + wanted // 4, self._largest_ring_bytes)
        if size > self._ring.size:
            with contextlib.suppress(OSError, MemoryError):  # then big answers go on coming through the pipe
                self._ring = Ring(size)

    def _lost(self, handle: WorkerHandle, *, foreseen: bool = False) -> None:
        """A process has ended, or is about to; foreseen: because somebody cancelled."""
        job: Job | None = None
        with self._lock:
            if handle is self._active:
                self._active = None
                job, self._job = self._job, None
            elif handle is self._spare:
                self._spare = None
        if foreseen:
            if job is not None:
                job.fail(EngineCancelledError("Cancelled."))
        elif not self._closing:
            how = handle.how_it_ended()
            if job is not None:
                job.fail(EngineCrashError(f"The engine stopped unexpectedly ({how}); a fresh one takes over.", how))
            said = handle.complaint.sentence if handle.complaint else f"Its process ended with {how}."
            details = handle.complaint.details if handle.complaint else how
            self._count_failure(Failure("", f"The engine could not be started. {said}", details))
        elif job is not None:
            job.fail(EngineCancelledError("The engine has been shut down."))
        self._bury(handle)

    def _bury(self, handle: WorkerHandle) -> None:
        """End a process; what it may still touch stays taken until it is gone."""
        handle.kill()
        self._dying.append(handle)

    def _count_failure(self, why: Failure) -> None:
        """After several in a row, starting more would only keep the machine busy: those who wait hear why."""
        self._failed_in_a_row += 1
        if self._failed_in_a_row < GIVE_UP_AFTER:
            return
        with self._lock:
            if self._active is not None or self._spare is not None:
                return
            self._broken = True
            jobs = list(self._queue)
            self._queue.clear()
        _log.error("%s\n%s", why.sentence, why.details)
        for job in jobs:
            if job.future.running() or job.future.set_running_or_notify_cancel():
                job.fail(revive(why))

    def _end(self) -> None:
        with self._lock:
            self._closing = True
            jobs = ([self._job] if self._job is not None else []) + list(self._queue)
            handles = [handle for handle in (self._active, self._spare, *self._dying) if handle is not None]
            self._queue.clear()
            self._job = self._active = self._spare = None
            self._dying.clear()
        for handle in handles:
            handle.kill()
        for job in jobs:
            if job.future.running() or job.future.set_running_or_notify_cancel():
                job.fail(EngineCancelledError("The engine has been shut down."))
        for handle in handles:
            handle.close()
        with self._lock:
            self._ear.close()
            self._bell.close()
            self._ring = None
