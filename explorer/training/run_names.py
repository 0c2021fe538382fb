"""What an earlier run is called beside the present one: what of its settings is another, in few words: "clip none"."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from engine.spec import ClipSpec, Experiment, clip_of
from explorer.document.edit_words import changed_fields, field_words
from explorer.document.pins import of_experiments, of_what_ifs
from explorer.document.turns import Recipe

_MOST = 3
"""Parts of a name."""
_OPTIMIZERS = {"sgd": "SGD", "rmsprop": "RMSprop", "adam": "Adam", "adamw": "AdamW"}
_APART = (
    "clip",
    "optimizer.kind",
    "learning_rate",
    "truncation",
    "sampling",
    "schedule",
    "evaluate_every",
    "early_stop",
)
"""Of a training: said in words of their own."""


def name(own: Recipe, now: Recipe) -> str:
    """ "clip none, lr 0.1", "LSTM", "× 2", "as now"."""
    mine, its = own[0], now[0]
    parts: list[str] = []
    if mine is not None and its is not None:
        parts += _of_trainings(mine, its)
        parts += of_experiments(replace(mine, training=its.training), its)
    parts += of_what_ifs(own[1], now[1])
    return ", ".join(parts[:_MOST]) or "as now"


def numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Those that are called alike are told apart: "clip none", "clip none (2)"."""
    before = [names[:k].count(one) for k, one in enumerate(names)]
    return tuple(f"{one} ({count + 1})" if count else one for one, count in zip(names, before, strict=True))


def settings_words(recipe: Recipe) -> str:
    """What training goes on with: "rate 0.003 · clip norm 1"; "" where there is no experiment."""
    experiment, what_if = recipe
    if experiment is None:
        return ""
    tried = "what if: " if what_if.clip_norm is not None else ""
    return f"rate {experiment.training.learning_rate:.3g} · {tried}{_clip(clip_of(experiment, what_if))}"


def _of_trainings(own: Experiment, now: Experiment) -> list[str]:
    mine, its, parts = own.training, now.training, []
    if mine.optimizer.kind != its.optimizer.kind:
        parts.append(_OPTIMIZERS.get(mine.optimizer.kind, mine.optimizer.kind))
    if mine.clip != its.clip:
        parts.append(_clip(mine.clip))
    if mine.learning_rate != its.learning_rate:
        parts.append(f"lr {mine.learning_rate:.3g}")
    if mine.schedule != its.schedule:
        parts.append("lr constant" if mine.schedule.kind == "constant" else f"{mine.schedule.kind} schedule")
    if mine.truncation != its.truncation:
        cut = mine.truncation
        parts.append("full BPTT" if cut is None else f"truncated {cut.k1}, {cut.k2}")
    if mine.sampling != its.sampling:
        parts.append("teacher forcing" if mine.sampling is None else "scheduled sampling")
    for field, (value, _) in changed_fields(replace(now, training=mine), now).items():
        inside = field.removeprefix("training.")
        brought = inside.startswith("optimizer.") and mine.optimizer.kind != its.optimizer.kind
        if not brought and not inside.startswith(_APART):
            parts.append(f"{field_words(field)} {_value(value)}")
    return parts


def _clip(clip: ClipSpec) -> str:
    if clip.kind == "none":
        return "clip none"
    bound = {"value": clip.max_value, "agc": clip.ratio}.get(clip.kind, clip.max_norm)
    return f"clip {clip.kind} {bound:.3g}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
