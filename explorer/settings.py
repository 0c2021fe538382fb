"""What the program remembers between runs: theme, recent files, geometry. A damaged file is as good as none."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import platformdirs

from explorer import sizes
from explorer.transport.ending import AtEnd

ThemeChoice = Literal["system", "light", "dark"]
MOST_RECENT = 8
USUAL_HEIGHT = 292
"""Of the open drawer, in pixels."""


class Recent(msgspec.Struct, frozen=True):
    path: str
    title: str
    opened: float
    """Seconds since the epoch."""


class Settings(msgspec.Struct, frozen=True):
    version: int = 1
    theme: ThemeChoice = "system"
    speed: float = 8.0
    at_end: AtEnd = "stop"
    """What playing does at the end of the tape."""
    recent: tuple[Recent, ...] = ()
    scale: Annotated[int, msgspec.Meta(ge=sizes.LEAST, le=sizes.MOST)] = sizes.USUAL
    """The size of everything, in percent."""
    analyses: tuple[str, ...] = ("flow", "weights")
    """The sections of the analysis panel that are open."""
    drawer: Literal["", "training", "evaluation"] = ""
    """The tab of the drawer that is open; "": it is closed."""
    drawer_height: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = USUAL_HEIGHT
    geometry: str = ""
    """Of the window, Qt's own form in base64."""


def file() -> Path:
    folder = os.environ.get("GRADFLOW_SETTINGS") or platformdirs.user_config_dir("gradient-flow-explorer", False)
    return Path(folder) / "settings.json"


def load() -> Settings:
    try:
        settings = msgspec.json.decode(file().read_bytes(), type=Settings)
    except (OSError, ValueError, RecursionError):
        return Settings()
    return settings if settings.version == 1 else Settings()


def save(settings: Settings) -> None:
    """Best effort: a read-only home must not disturb anybody."""
    try:
        file().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file().parent, delete=False) as out:
            out.write(msgspec.json.encode(settings))
        os.replace(out.name, file())
    except OSError:
        return


def with_recent(settings: Settings, path: str, title: str, now: float) -> Settings:
    kept = tuple(one for one in settings.recent if one.path != path)
    recent = (Recent(path, title, now), *kept)[:MOST_RECENT]
    return msgspec.structs.replace(settings, recent=recent)
