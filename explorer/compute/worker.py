"""The engine's process, seen from inside: take a request, compute, answer, until the window is gone.

This module is imported by a fresh interpreter and stays thin: no Qt, and torch only through what `prepare` names.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
from importlib import import_module
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from explorer.compute import parcel
from explorer.compute.failures import describe
from explorer.compute.parcel import Region

READY = "ready"
BROKEN = "broken"
ANSWER = "answer"
FAILED = "failed"

NICENESS = 5
"""Steps of priority below the window's: painting comes first."""


def main(conn: Connection, raw: ctypes.Array[ctypes.c_byte], prepare: str | None) -> None:
    """Serve requests from `conn`; `raw` is the ring.

    prepare: "module:function" to import and, if the module has it, call before saying that we are ready.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal reaches the whole group: the window decides
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    threading.Thread(target=_end_with_the_window, name="watchdog", daemon=True).start()
    memory = memoryview(raw).cast("B")
    with contextlib.suppress(EOFError, OSError):  # the window is gone, or does not want us any more
        try:
            _prepare(prepare)
        except BaseException as error:
            _say(conn, BROKEN, describe(error), memory)
            return
        _say(conn, READY, None, memory)
        while True:
            _serve(conn, memory)


def _prepare(prepare: str | None) -> None:
    if prepare:
        module, _, function = prepare.partition(":")
        getattr(import_module(module), function, _nothing)()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
    # What is there now stays for good: without this every full collection walks through all of torch.
    gc.collect()
    gc.freeze()


def _nothing() -> None:
    pass


def _serve(conn: Connection, memory: memoryview) -> None:
    """One request, one answer. Everything that either holds is let go before the next is waited for."""
    letter = parcel.receive(conn)
    region = Region(*letter.note)
    try:
        if letter.start is None:
            buffers = [bytearray(piece) for piece in letter.loose]
        else:
            # Copied: the engine may remember an array of a request, the window lends its place to others.
            buffers = [bytearray(piece) for piece in parcel.places(memory[letter.start :], letter.sizes)]
        run, args, kwargs = parcel.unpack(letter.body, buffers, known_only=False)
        packed = parcel.pack(run(*args, **kwargs))
    except BaseException as error:
        _say(conn, FAILED, describe(error), memory)
    else:
        parcel.post(conn, ANSWER, packed, memory, region)


def _say(conn: Connection, note: str, tree: object, memory: memoryview) -> None:
    parcel.post(conn, note, parcel.pack(tree), memory, Region(0, 0))


def _end_with_the_window() -> None:
    """A computation may take long; if the window dies meanwhile, nobody waits for it."""
    window = parent_process()
    assert window is not None
    wait([window.sentinel])
    os._exit(1)
