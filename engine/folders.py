"""Where the data folders are: beside the packages in a checkout, in site-packages in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_TOP = Path(__file__).resolve().parent.parent


def _folder(name: str) -> Path:
    for candidate in (_TOP / name, _TOP / "gradient_flow_explorer_data" / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"The folder '{name}' of Gradient Flow Explorer is missing beside {_TOP}.")


def presets() -> Path:
    return _folder("presets")


def resources() -> Path:
    return _folder("resources")
