"""What TARGET on the command line names: a preset, a saved session, a recorded trace or an experiment in a TOML file.
Plain data, no Qt, no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine import container, presets, session
from engine.container import Probe
from engine.errors import EngineError, PresetError
from engine.plaintext import one_line
from engine.presets import Preset
from engine.session import Session
from engine.tape import Tape


class UsageError(EngineError):
    """The command line is wrong; the sentence says how."""


@dataclass(frozen=True, eq=False)
class Target:
    """Exactly one of preset, session and probe is there; a file's `path` too."""

    preset: Preset | None = None
    """Or an experiment in a TOML file, which has no slug."""
    session: Session | None = None
    probe: Probe | None = None
    """Of a recorded trace."""
    path: Path | None = None

    @property
    def title(self) -> str:
        if self.preset is not None:
            return self.preset.title
        found = self.session.title if self.session is not None else self.probe.title if self.probe is not None else ""
        return found or (self.path.stem if self.path is not None else "")

    @property
    def steps(self) -> int:
        if self.probe is not None:
            return self.probe.steps
        owner = self.preset or self.session
        assert owner is not None
        return owner.experiment.task.steps

    @property
    def tape(self) -> Tape:
        return Tape(self.steps)


def resolve(text: str) -> Target:
    """The preset of that name, or else the file. Raises PresetError or SessionError with one sentence.

    A file that has the name of a preset is reached with a path: ./sunspots.
    """
    try:
        return Target(preset=presets.load(text))
    except PresetError as error:
        path = Path(text)
        if text and "\0" not in text and os.path.lexists(path):
            return _file(path)
        looks_like_a_file = path.suffix or len(path.parts) > 1
        if looks_like_a_file:
            raise PresetError(f"There is no file '{one_line(text, 120)}', and no preset of that name.") from None
        raise error from None


def _file(path: Path) -> Target:
    if path.suffix.lower() == ".toml":
        return Target(preset=presets.read_experiment(path), path=path)
    probe = container.probe(path)
    if probe.content == "trace":
        return Target(probe=probe, path=path)
    return Target(session=session.load(path, probe.sha256), path=path)
