"""Presets: ready experiments with a text and a view, one TOML file each in `presets/`. Plain data, no torch.

A preset's file, field by field (nothing else is accepted)::

    order = 1                       # its place on the start page
    title = "A vanilla RNN forgets" # the name on the card
    tag = "Vanishing"               # one of TAGS: the coloured word on the card
    text = "…"                      # one paragraph: what it is and what to look for
    prompt = "…"                    # one line over the stage: a question
    verdict = "vanishing"           # what the engine's verdict on it is

    [experiment]                    # engine.spec.Experiment
    [what_if]                       # engine.spec.WhatIf (optional)
    [view]
    tracks = ["network", "values.h", "grads.h", "norms"]
    moment = "loss"                 # engine.tape

    [[claims]]                      # what the text says, in a form that a test computes
    says = "10⁻¹¹"                  # words that stand in `text` or `title`, to the letter
    quantity = "norm_log10"         # one of engine.claims.QUANTITIES; `key` and `step` where it needs them
    key = "grads.h"
    step = 1
    low = -11.5                     # the computed number lies within low … high, both included …
    high = -10.5                    # … and so does the number that `says` states, if it states one

`engine.claims.measure(claim, excerpt)` computes a claim from the excerpt of the preset's trace and
`engine.claims.stated(claim.says)` reads the number in the words; tests hold both to low … high.

The curve on a preset's card (log₁₀‖∂L/∂h_t‖, t = 1 … T) is computed by `python -m engine.preset_curves` and kept in
`presets/curves.json`.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import re
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec

from engine import folders, spec_reading, tracks
from engine.checks import checked, checked_what_if
from engine.claims import Claim
from engine.errors import PresetError, SpecError
from engine.plaintext import one_line
from engine.spec import NO_WHAT_IF, Experiment, Spec, WhatIf
from engine.tape import Tape
from engine.task_specs import DigitsTask

Tag: TypeAlias = Literal[
    "Vanishing", "Exploding", "Clipped", "Overflow", "LSTM", "GRU", "Real series", "Training", "Text", "Digits"
]
TAGS: tuple[str, ...] = get_args(Tag)

"""Tracks that are not a quantity of the cell: the unrolled network, and the gradient-norm curves."""

MAX_FILE_BYTES = 64 * 1024
MAX_TITLE, MAX_PROMPT, MAX_TEXT = 60, 120, 700
CURVES_FILE = "curves.json"

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class ViewSpec(Spec, frozen=True, kw_only=True):
    """How a preset is shown first."""

    tracks: tuple[str, ...] = ("network", "values.h", "grads.h", "norms")
    """From top to bottom, as engine.tracks reads them."""
    moment: str = "loss"
    """As engine.tape.Tape.parse reads it."""


class PresetFile(Spec, frozen=True, kw_only=True):
    """A preset as its TOML file spells it."""

    order: int
    title: str
    tag: Tag
    text: str
    prompt: str
    verdict: Literal["vanishing", "healthy", "exploding", "undefined"]
    experiment: Experiment
    view: ViewSpec = ViewSpec()
    what_if: WhatIf = NO_WHAT_IF
    claims: tuple[Claim, ...] = ()


class _ExperimentFile(PresetFile, frozen=True, kw_only=True):
    """An experiment as somebody's TOML file spells it."""

    order: int = 0
    title: str = ""
    tag: Tag = "LSTM"
    text: str = ""
    prompt: str = ""
    verdict: Literal["vanishing", "healthy", "exploding", "undefined"] = "undefined"


class Preset(PresetFile, frozen=True, kw_only=True):
    """A preset, ready to be shown."""

    slug: str
    """Its name on the command line: the file's name."""
    curve: tuple[float, ...] = ()
    """log₁₀‖∂L/∂h_t‖, t = 1 … T (norm per sample, mean over the batch); −inf, inf and NaN included; () if unknown."""


def load_all(folder: Path | None = None) -> tuple[Preset, ...]:
    """Every preset (of another folder, if one is given) in the order of the start page. Raises PresetError."""
    return _all(folder or folders.presets())


def can_be_opened(preset: Preset) -> bool:
    """Whether its data are here: the handwritten digits come with scikit-learn, an extra."""
    return not isinstance(preset.experiment.task, DigitsTask) or importlib.util.find_spec("sklearn") is not None


def load(slug: str) -> Preset:
    """The preset of that name. Raises PresetError with a sentence that lists near names."""
    found = load_all()
    for preset in found:
        if preset.slug == slug:
            return preset
    shown = one_line(slug, 60)
    names = [p.slug for p in found]
    near = [name for name in names if shown and shown.lower() in name]
    if not near:
        import difflib

        near = difflib.get_close_matches(shown.lower(), names, n=3, cutoff=0.6)
    if near:
        raise PresetError(f"There is no preset '{shown}'; did you mean {' or '.join(near)}?")
    raise PresetError(f"There is no preset '{shown}'; there are {', '.join(names)}.")


def default() -> Preset:
    """The experiment that the app opens with."""
    return load_all()[0]


def read(path: Path, curve: tuple[float, ...] = ()) -> Preset:
    """One preset from its TOML file, checked. Raises PresetError with one sentence that names the file."""
    return _read(path, PresetFile, path.stem, f"Preset {path.name}: ", curve)


def read_experiment(path: Path) -> Preset:
    """Somebody's own experiment from a TOML file of any name: as a preset's, of which [experiment] alone is needed. It
    has no slug. Raises PresetError with one sentence that names the file."""
    return _read(path, _ExperimentFile, "", f"{one_line(path.name, 120)}: ", ())


def of_experiment(experiment: Experiment, title: str) -> Preset:
    """An experiment of no file, shown as a preset is. Raises SpecError."""
    return _checked(_ExperimentFile(experiment=experiment, title=title), "", ())


def _read(path: Path, kind: type[PresetFile], slug: str, where: str, curve: tuple[float, ...]) -> Preset:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise PresetError(f"{where}it cannot be read ({error.strerror}).") from None
    if len(data) > MAX_FILE_BYTES:
        raise PresetError(f"{where}it is larger than {MAX_FILE_BYTES:,} bytes.")
    try:
        raw = _file_of(msgspec.toml.decode(data), kind)
        if not slug and not raw.title:
            raw = msgspec.structs.replace(raw, title=path.stem)
        return _checked(raw, slug, curve)
    except SpecError as error:
        raise PresetError(f"{where}{error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PresetError(f"{where}it cannot be read as TOML: {one_line(str(error), 200).rstrip('.')}.") from None


def _file_of(data: Any, kind: type[PresetFile]) -> PresetFile:
    """What TOML spells, with one sentence where it is none. Raises SpecError."""
    try:
        read: PresetFile = spec_reading.read(data, kind, "the file")
    except ValueError as error:
        raise SpecError(str(error)) from None
    return read


def _checked(raw: PresetFile, slug: str, curve: tuple[float, ...]) -> Preset:
    """Raises SpecError."""
    if slug and not _SLUG.fullmatch(slug):
        raise SpecError("its name may have small letters, digits and single hyphens only.")
    fields: dict[str, Any] = {name: getattr(raw, name) for name in PresetFile.__struct_fields__}
    for name, limit in (("title", MAX_TITLE), ("prompt", MAX_PROMPT), ("text", MAX_TEXT)):
        fields[name] = one_line(fields[name], limit)
        if slug and not fields[name]:
            raise SpecError(f"{name} is empty; a text of 1 to {limit} characters is accepted.")
    checked(raw.experiment)
    checked_what_if(raw.what_if)
    Tape(raw.experiment.task.steps).parse(raw.view.moment)
    if not raw.view.tracks or len(set(raw.view.tracks)) != len(raw.view.tracks):
        raise SpecError("view.tracks is empty or names a track twice.")
    for text in raw.view.tracks:
        tracks.check(tracks.parse(text), tracks.layer_kinds(raw.experiment.model.layers))
    for claim in raw.claims:
        if claim.says not in fields["text"] and claim.says not in fields["title"]:
            raise SpecError(f"claims: '{one_line(claim.says, 60)}' stands neither in the text nor in the title.")
        if not claim.low <= claim.high:
            raise SpecError(f"claims: low {claim.low:g} is not below high {claim.high:g}.")
    return Preset(slug=slug, curve=curve, **fields)


@functools.cache
def _all(folder: Path) -> tuple[Preset, ...]:
    curves = _curves(folder / CURVES_FILE)
    found = [read(path, curves.get(path.stem, ())) for path in sorted(folder.glob("*.toml"))]
    if not found:
        raise PresetError(f"There is no preset in {folder}.")
    return tuple(sorted(found, key=lambda preset: (preset.order, preset.slug)))


def _curves(path: Path) -> dict[str, tuple[float, ...]]:
    """The generated curves; {} where the file is missing, since a card can do without one."""
    try:
        data = msgspec.json.decode(path.read_bytes())
        return {str(slug): tuple(number_from(v) for v in values) for slug, values in data.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise PresetError(f"{path.name} cannot be read ({one_line(str(error), 120)}).") from None


def number_from(value: Any) -> float:
    """A number of curves.json. JSON has no word for inf, −inf and NaN: they are strings there."""
    if value in ("inf", "-inf", "nan"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def number_to(value: float) -> float | str:
    """The other way round, rounded to 3 decimals: a card is 260 pixels wide."""
    return round(value, 3) if math.isfinite(value) else str(float(value))
