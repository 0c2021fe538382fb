"""What is said of a training, in words. Shared by the bar, the controls and the curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.figures import duration, percent
from engine.history import Evaluation
from engine.task_facts import METRIC_NAMES
from explorer.document.turns import Turn
from explorer.training.curves import Curves, Floats, Ghost
from explorer.widgets.numbers import exact, short

SEPARATOR = "   ·   "
"""Of the parts of a line."""
RECENT = 100
"""Iterations that "lately" means."""
_LEAST_RECENT, _RECENT_SHARE = 10, 5
"""Of the loss: at the beginning the last hundred would be all that has been learned since."""
TAIL = RECENT * _RECENT_SHARE
"""Of more losses than these none but the last `RECENT` are "lately": to say it they are enough."""
_NEAR, _DOUBTFUL = 0.05, 0.2
"""Of the baseline. A mean so near is at it; so far off it is not, however much single losses differ."""
LATELY = (
    f"Mean of the losses of the last fifth of the iterations, {_LEAST_RECENT} to {RECENT} of them. At the baseline: "
    f"within {_NEAR:.0%} of it, or within two standard errors of that mean, {_DOUBTFUL:.0%} at most"
)
_LAYER = re.compile(r"l(\d+)(_reverse)?")


def baseline_words(baseline: float) -> str:
    return f"baseline {short(baseline, 3)}"


def persistence_words(persistence: float) -> str:
    return f"repeating the last value {short(persistence, 3)}"


def layer_words(name: str) -> str:
    """ "l0" → "layer 1", "l1_reverse" → "layer 2, reverse", "readout" → "read-out"."""
    if match := _LAYER.fullmatch(name):
        return f"layer {int(match[1]) + 1}" + (", reverse" if match[2] else "")
    return {"readout": "read-out"}.get(name, name)


def metric_words(evaluation: Evaluation) -> str:
    """ "accuracy 93.1 %", "RMSE 0.183"."""
    return " ".join(named_metric(evaluation))


def named_metric(evaluation: Evaluation) -> tuple[str, str]:
    """Its name and its value."""
    value = percent(evaluation.value) if evaluation.metric == "accuracy" else short(evaluation.value, 3)
    return METRIC_NAMES[evaluation.metric], value


def loss_name(curves: Curves) -> str:
    """A loss of scaled numbers says so: beside an error in the data's units it would not fit."""
    return "scaled loss" if curves.scaled else "loss"


def clipped_share(curves: Curves) -> float | None:
    """Of the last `RECENT` iterations; None where there is none."""
    lately = curves.clipped[-RECENT:]
    return float(lately.mean()) if len(lately) else None


def lately_of(losses: Floats) -> Floats:
    """Of losses by iteration, (n,), the last fifth: at least ten of them and at most `RECENT`."""
    return losses[-max(_LEAST_RECENT, min(RECENT, len(losses) // _RECENT_SHARE)) :]


def _lately(curves: Curves) -> Floats:
    """Of the losses since they were last not to be compared with those before."""
    breaks = curves.breaks()
    return lately_of(curves.losses[breaks[-1] if len(breaks) else 0 :])


def beside_baseline(losses: Floats, baseline: float | None) -> str:
    """Where losses lie on the whole, (n,): "at the baseline", "below the baseline", "above the baseline"; "" where
    nobody can say."""
    if baseline is None or not len(losses) or np.isnan(losses).any():
        return ""
    mean = float(losses.mean())
    error = float(losses.std()) / len(losses) ** 0.5 if np.isfinite(losses).all() else 0.0
    if abs(mean - baseline) <= max(_NEAR * abs(baseline), min(_DOUBTFUL * abs(baseline), 2 * error)):
        return "at the baseline"
    return "below the baseline" if mean < baseline else "above the baseline"


@dataclass(frozen=True)
class Figures:
    """What stands in the column of numbers. Each says of which iteration it is, where there are several."""

    newest: str = "–"
    shown: str = "–"
    took: str = "–"
    loss: str = "–"
    lately: str = "–"
    baseline: str = "–"
    gradient: str = "–"
    validation: str = "not evaluated yet"
    metric: str = "not evaluated yet"
    clipped: str = "–"
    metric_name: str = ""
    """Of the evaluations; "": there is none yet."""
    loss_name: str = "loss"


def figures(curves: Curves, seconds: float, shown: int) -> Figures:
    """`seconds`: that an iteration takes. `shown`: the iteration on the stage."""
    baseline = "not known yet" if curves.baseline is None else short(curves.baseline, 3)
    if curves.persistence is not None:  # of the legend there may be no room for it
        baseline += f"; last value {short(curves.persistence, 3)}"
    newest = f"{curves.count:,}" + (f" of {curves.goal:,}" if curves.goal is not None else "")
    if not len(curves):
        where = _shown_words(curves, shown)
        return Figures(newest=newest, shown=where, baseline=baseline, loss_name=loss_name(curves))
    share = clipped_share(curves)
    lately = _lately(curves)
    with np.errstate(over="ignore", invalid="ignore"):
        parts = _brief(float(lately.mean())), beside_baseline(lately, curves.baseline)
    found = Figures(
        newest=newest,
        shown=_shown_words(curves, shown),
        took=f"{duration(each)} each" if (each := seconds or float(curves.seconds)) > 0 else "–",
        loss=f"{short(float(curves.losses[-1]), 3)} at {int(curves.iterations[-1]):,}",
        lately=", ".join(part for part in parts if part),
        baseline=baseline,
        gradient=_gradient_words(curves),
        clipped=_clipped_words(share, len(curves)),
        loss_name=loss_name(curves),
    )
    if not curves.evaluations:
        return found
    judged = curves.evaluations[-1]
    name, value = named_metric(judged)
    at = f"at {judged.iteration:,}"
    return replace(found, validation=f"{short(judged.loss, 3)} {at}", metric=f"{value} {at}", metric_name=name)


def _clipped_words(share: float | None, count: int) -> str:
    """ "31 % of the last 100"; of one iteration there is no share."""
    if share is None:
        return "–"
    return f"{100 * share:.0f} % of the last {min(RECENT, count):,}" if count > 1 else "yes" if share else "no"


def _brief(value: float) -> str:
    """To three digits, to two where it is long."""
    text = short(value, 3)
    return text if len(text) <= 6 else short(value, 2)


def _gradient_words(curves: Curves) -> str:
    """Of the last iteration: "0.263", "3.21 → 1.00"."""
    before, after = short(float(curves.grad_norms[-1]), 3), short(float(curves.clipped_norms[-1]), 3)
    return f"{before} → {after}" if curves.clipped[-1] else before


def _shown_words(curves: Curves, shown: int) -> str:
    """Of the iteration on the stage."""
    if shown == curves.count:
        return "the newest"
    row = curves.row(shown)
    known = row is not None and int(curves.iterations[row]) == shown
    # The loss on the stage may be another: of another T, or with a what-if.
    loss = short(float(curves.losses[row]), 3) if known and row is not None else ""
    return f"{shown:,}" + (f", training loss {loss}" if loss else "")


@dataclass(frozen=True)
class Part:
    """Of the bar's line. What has no room is said briefly, and then not at all: that of the highest rank first."""

    words: str
    rank: int
    brief: str = ""


_ENDINGS = {
    "diverged": "diverged",
    "failed": "failed",
    "early stop": "stopped early",
    "until": "reached",
    "changed": "changed",
    "stepped": "changed",
}


def summary(curves: Curves, *, shown: int, ending: str = "", sentence: str = "") -> tuple[Part, ...]:
    """The bar's one line. `ending`, `sentence`: why training does not run, if there is something to say."""
    newest = Part(f"newest iteration {curves.count:,}", 0, f"iteration {curves.count:,}")
    where = [] if shown == curves.count else [Part(f"on the stage {shown:,}", 2)]
    if not len(curves):
        return (newest, *where) if curves.count else (Part("not trained yet", 0, "untrained"),)
    loss = f"{loss_name(curves)} {short(float(curves.losses[-1]), 3)} at {int(curves.iterations[-1]):,}"
    beside = beside_baseline(_lately(curves), curves.baseline)
    parts = [newest, Part(loss, 3), *([Part(f"lately {beside}", 3)] if beside else [])]
    parts.append(Part(f"grad norm {short(float(curves.grad_norms[-1]), 3)}", 5))
    if curves.evaluations:
        judged = curves.evaluations[-1]
        parts.append(Part(f"{metric_words(judged)} at {judged.iteration:,}", 4))
    return (*parts, *where, *([Part(sentence, 1, _ENDINGS.get(ending, ""))] if sentence else []))


def fitted(parts: Sequence[Part], fits: Callable[[str], bool]) -> str:
    """As many of the parts as there is room for, in their order: whole words, whole numbers."""
    if not parts:
        return ""
    words = {part: part.words for part in parts}
    first, *rest = sorted(parts, key=lambda part: part.rank)
    briefer = [(part, part.brief) for part in rest if part.brief]
    briefer += [(part, "") for part in reversed(rest)] + [(first, first.brief or first.words)]
    for part, brief in briefer:
        if fits(SEPARATOR.join(words.values())):
            break
        words[part] = brief
        if not brief:
            del words[part]
    return SEPARATOR.join(words.values())


_MOST_CHANGES = 4
"""Of a turn, a line each."""


def turn_words(turn: Turn) -> tuple[str, ...]:
    """What was changed there, a line each: "from 60 on: T 6 → 9"."""
    first, *rest = turn.words.split(", ")
    if len(rest) >= _MOST_CHANGES:
        rest = [*rest[: _MOST_CHANGES - 2], f"and {len(rest) - _MOST_CHANGES + 2} more"]
    return (f"from {turn.iteration:,} on: {first}", *rest)


def ghost_words(ghost: Ghost, iteration: int) -> str:
    """Its numbers at an iteration: "clip none: loss 0.25, norm 10"; "" where it has none."""
    row = ghost.curves.row(iteration)
    if row is None or iteration >= ghost.curves.count:
        return ""
    of, known = ghost.curves, int(ghost.curves.iterations[row])
    at = "" if known == iteration else f" at {known:,}"
    return f"{ghost.name}{at}: loss {_exact(of.losses[row])}, norm {_exact(of.grad_norms[row])}"


def at_iteration(curves: Curves, iteration: int, reach: float = 0.5) -> tuple[str, ...]:
    """The numbers of an iteration, a line each, to six digits: losses are mostly of single precision. Changes of the
    training within `reach` of it are said."""
    row = curves.row(iteration)
    judged = next((one for one in curves.evaluations if one.iteration == iteration), None)
    lines = [f"iteration {iteration:,}"]
    if row is not None and int(curves.iterations[row]) != iteration and iteration < curves.count:
        lines.append(f"recorded: {int(curves.iterations[row]):,}")
    if row is None or (iteration >= curves.count and int(curves.iterations[row]) != iteration):
        lines.append("not trained on yet")
    else:
        lines.append(f"loss {_exact(curves.losses[row])}")
        before, after = float(curves.grad_norms[row]), float(curves.clipped_norms[row])
        said = f"gradient norm {_exact(before)}"
        lines.append(f"{said} → {_exact(after)} clipped" if curves.clipped[row] else said)
        lines.extend(f"{layer_words(name)} {_exact(norms[row])}" for name, norms in curves.layer_norms.items())
    if judged is not None:
        lines.append(f"validation {_exact(judged.loss)} · {metric_words(judged)}")
    if curves.out_of_reach(iteration):
        lines.append(f"cannot be gone back to: only from {curves.known_from:,} on")
    if len(curves.kept) and iteration in curves.kept:
        lines.append("shown at once: its weights are kept")
    lines.extend(said for ghost in curves.ghosts if (said := ghost_words(ghost, iteration)))
    turn = curves.turn_at(iteration, reach)
    return (*lines, *(() if turn is None else turn_words(turn)))


def _exact(value: float) -> str:
    return exact(float(f"{value:.6g}"))
