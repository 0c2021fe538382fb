"""Traps of the libraries below us that were met once and must not come back."""

from __future__ import annotations

import subprocess
import sys

CALLS = """
from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication, QPainter, QPixmap
app = QGuiApplication([])
pixmap = QPixmap(8, 8)
thing = QObject()
for _ in range(20_000):
    thing.setObjectName("x")
painter = QPainter(pixmap)
for _ in range(20_000):
    painter.drawPoint(1, 1)
painter.end()
print("alive")
"""


def test_forty_thousand_qt_calls_that_return_none_do_not_abort_python() -> None:
    # PySide6 6.12.0 drops a reference to None in each on Python 3.10 and 3.11 ("Fatal Python error: none_dealloc").
    run = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "alive"


def test_nothing_that_the_window_imports_imports_torch() -> None:
    code = (
        "import sys, pkgutil, importlib, explorer\n"
        "for m in pkgutil.walk_packages(explorer.__path__, 'explorer.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "import engine.operations\n"
        "bad = [name for name in sys.modules if name.split('.')[0] == 'torch']\n"
        "print(len([n for n in sys.modules if n.startswith('explorer.')]), bad[:3])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    count, _, bad = run.stdout.strip().partition(" ")
    assert int(count) > 30
    assert bad == "[]"
