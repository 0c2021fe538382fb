"""What TARGET on the command line names: a preset, a task, a saved session, a recorded trace, an experiment in a TOML
file, or somebody's own data. Plain data, no Qt, no torch."""

from __future__ import annotations

import contextlib
import difflib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from engine import container, presets, session
from engine.container import Probe
from engine.errors import EngineError, PresetError
from engine.plaintext import one_line
from engine.presets import Preset
from engine.session import Session
from engine.tape import Tape
from explorer import endings
from explorer.cli import fresh


class UsageError(EngineError):
    """The command line is wrong; the sentence says how."""


@dataclass(frozen=True, eq=False)
class Target:
    """Exactly one of preset, session and probe is there; a file's `path` too. Of data there is the path alone."""

    preset: Preset | None = None
    """Or a task, or an experiment in a TOML file, which have no slug."""
    session: Session | None = None
    probe: Probe | None = None
    """Of a recorded trace."""
    path: Path | None = None
    stamp: str = ""
    """Of what was read from the path, where it is a session: its `Probe.sha256`."""
    task: str = ""
    """The name that it was asked for by, where it is a task's."""

    @property
    def is_data(self) -> bool:
        """Somebody's own: they become an experiment where they are read."""
        return self.preset is None and self.session is None and self.probe is None

    def refused(self) -> UsageError:
        """What a command says that needs an experiment or a trace, and is given data."""
        return UsageError(
            f"'{self.title}' is data; gradflow train {shlex.quote(str(self.path))} --iterations N -o FILE.gflow "
            "makes a session of it, which every command takes."
        )

    @property
    def title(self) -> str:
        if self.preset is not None:
            return self.preset.title
        if self.is_data:
            return self.path.name if self.path is not None else ""
        found = self.session.title if self.session is not None else self.probe.title if self.probe is not None else ""
        return found or (self.path.stem if self.path is not None else "")

    @property
    def steps(self) -> int:
        if self.probe is not None:
            return self.probe.steps
        owner = self.preset or self.session
        if owner is None:
            raise self.refused()
        return owner.experiment.task.steps

    @property
    def tape(self) -> Tape:
        return Tape(self.steps)


def resolve(text: str) -> Target:
    """The preset of that name, else the file, else the task. Raises PresetError or SessionError with one sentence.

    A file that has the name of a preset is reached with a path: ./sunspots.
    """
    found = next((preset for preset in presets.load_all() if preset.slug == text), None)
    if found is not None:
        return Target(preset=found)
    path = Path(text)
    if text and "\0" not in text and os.path.lexists(path):
        return _file(path)
    if (name := text.replace("_", "-")) in fresh.TASKS:
        return Target(preset=fresh.of_task(name), task=name)
    raise PresetError(_not_there(text))


def _not_there(text: str) -> str:
    """What nothing is called, and what is called nearly so."""
    path, shown = Path(text), one_line(text, 120)
    if path.suffix or len(path.parts) > 1:
        with contextlib.suppress(OSError, ValueError):
            ours = (".gflow", endings.EXPERIMENT, *endings.DATA)
            there = [name for name in os.listdir(path.parent) if Path(name).suffix in ours]
            near = [str(path.parent / name) for name in difflib.get_close_matches(path.name, there, n=2, cutoff=0.7)]
            if near:
                return f"There is no file '{shown}'; did you mean {one_line(' or '.join(near), 240)}?"
        return f"There is no file '{shown}', and no preset of that name."
    slugs = [preset.slug for preset in presets.load_all()]
    names = [*slugs, *(name for name in fresh.TASKS if name not in slugs)]
    typed = shown.lower().replace("_", "-")
    near = [name for name in names if typed and typed in name]
    near = near or difflib.get_close_matches(typed, names, n=3, cutoff=0.6)
    if near:
        return f"There is no preset '{shown}', and no task; did you mean {' or '.join(near)}?"
    return (
        f"There is no preset '{shown}'; there are {', '.join(slugs)}, and the tasks "
        f"{', '.join(name for name in names if name not in slugs)}."
    )


def _file(path: Path) -> Target:
    if endings.is_data(path):
        return Target(path=path)
    if path.suffix.lower() == endings.EXPERIMENT:
        return Target(preset=presets.read_experiment(path), path=path)
    probe = container.probe(path)
    if probe.content == "trace":
        return Target(probe=probe, path=path)
    return Target(session=session.load(path, probe.sha256), path=path, stamp=probe.sha256)
