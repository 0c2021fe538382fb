"""The program as it lies there when it is installed: its modules compiled beforehand, whatever a checkout has or is
allowed to keep. Compiling them takes half as long as starting the program; what the checkout has compiled comes along,
and only the rest is compiled anew."""

from __future__ import annotations

import compileall
import shutil
from pathlib import Path

_PARTS = ("engine", "explorer", "benchmarks", "presets", "resources")


def install(folder: Path) -> Path:
    """Copy it to a folder, from which `python -m benchmarks.first_paint` then runs."""
    for part in _PARTS:
        source = Path(__file__).parents[1] / part
        shutil.copytree(source, folder / part)  # with the times that tell what is compiled and as new as its source
    compileall.compile_dir(str(folder), quiet=2)
    return folder
