"""Every test runs offscreen, with one torch thread, away from anybody's settings, and leaves nothing behind."""

from __future__ import annotations

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import gc
import itertools
import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("no deadline", deadline=None)  # an absolute time is no bound on a machine with other work
settings.load_profile("no deadline")

NUMBERS = itertools.count()


def pytest_collection_finish() -> None:
    """What is there before the first test stays until the end. Whoever looks for cycles need not go through it too,
    which takes most of a second each time."""
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread, process or top-level window outlives its test."""
    own = tmp_path_factory.getbasetemp() / f"of test {next(NUMBERS)}"  # not made: hardly a test writes anything
    monkeypatch.setenv("GRADFLOW_SETTINGS", str(own / "settings"))
    monkeypatch.setenv("GRADFLOW_DATA", str(own / "data of its own"))
    threads = set(threading.enumerate())
    processes = set(multiprocessing.active_children())
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = [t for t in threading.enumerate() if t not in threads and t.is_alive()]
        running = [p for p in multiprocessing.active_children() if p not in processes]
        if not left and not running:
            break
        time.sleep(0.01)
    assert not left, f"threads left behind: {left}"
    assert not running, f"processes left behind: {running}"
    _no_windows()


def _no_windows() -> None:
    widgets = sys.modules.get("PySide6.QtWidgets")
    app = widgets.QApplication.instance() if widgets is not None else None
    if app is None:
        return
    core = sys.modules["PySide6.QtCore"]
    core.QCoreApplication.sendPostedEvents(None, core.QEvent.Type.DeferredDelete)
    visible = [w for w in app.topLevelWidgets() if w.isVisible()]
    if visible:  # one that only a cycle keeps alive is nobody's; looking for cycles after every test takes minutes
        del visible
        gc.collect()
        visible = [w for w in app.topLevelWidgets() if w.isVisible()]
    assert not visible, f"windows left open: {visible}"
