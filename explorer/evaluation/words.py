"""What is said of a judgement."""

from __future__ import annotations

import math

from engine.figures import percent as percent
from engine.parts import Part
from engine.task_facts import METRIC_NAMES
from engine.training_requests import Judged, Written
from explorer.evaluation.answers import Answers, Floats, top
from explorer.widgets.labels import label_of, spoken
from explorer.widgets.numbers import exact, short

PARTS: tuple[tuple[Part, str], ...] = (("validation", "validation"), ("test", "test"), ("train", "training"))
_NO_BETTER = 0.98
"""Of the baseline: from there on it is no better for practical purposes."""


def metric_name(judged: Judged) -> str:
    return METRIC_NAMES[judged.metric]


def metric_value(judged: Judged) -> str:
    return percent(judged.value) if judged.metric == "accuracy" else short(judged.value, 4)


def against_baseline(judged: Judged) -> str:
    """One sentence."""
    if not math.isfinite(judged.loss):
        return "The loss is not a finite number: the network’s answers have run away."
    if judged.baseline is None:
        return "Nobody knows what answers would lose here that have learned nothing."
    if not judged.baseline > 0:
        return "Answers that have learned nothing lose nothing here."
    share = judged.loss / judged.baseline
    if share <= _NO_BETTER:
        return f"Its loss is {percent(share)} of the baseline."
    return _against(share, "having learned nothing")


def against_repeating(judged: Judged) -> str:
    """One sentence of a series: whether it forecasts better than one who repeats the last value; "" elsewhere."""
    if judged.persistence is None or not math.isfinite(judged.loss):
        return ""
    if not judged.persistence > 0:
        return "Repeating the last value loses nothing here."
    number = f" ({short(judged.persistence, 4)})"
    return _against(judged.loss / judged.persistence, "repeating the last value", number)


def _against(share: float, what: str, number: str = "") -> str:
    """`share`: of the loss that `what` has, which may be followed by its number."""
    if share >= 1 / _NO_BETTER:
        return f"Worse than {what}: {short(share, 3)} times that loss."
    if share > _NO_BETTER:
        return f"No better than {what}."
    return f"Its loss is {percent(share)} of that of {what}{number}."


def against_both(judged: Judged) -> str:
    """Baseline, and of a series the last value; in one sentence where it is better than both."""
    base, last = judged.baseline, judged.persistence
    if base and last and judged.loss <= _NO_BETTER * min(base, last):
        shares = percent(judged.loss / base), percent(judged.loss / last)
        return f"Its loss is {shares[0]} of the baseline, {shares[1]} of repeating the last value ({short(last, 4)})."
    return " ".join(one for one in (against_baseline(judged), against_repeating(judged)) if one)


def repeating(judged: Judged) -> str:
    """The second baseline of a series; "" elsewhere."""
    if judged.persistence is None:
        return ""
    naive = f"repeating the last value that was read, the naive forecast, loses {short(judged.persistence, 4)}"
    return f"The loss of answers that have learned nothing; {naive} (Hyndman & Koehler 2006)"


def in_units(answers: Answers) -> str:
    """One sentence where the loss and the error are of different numbers."""
    return "The RMSE is in the units of the data, the loss of scaled numbers." if answers.scaled else ""


def running_free(answers: Answers) -> str:
    """What a network has written by itself comes to, in a sentence or two; or why it does not run free."""
    judged = answers.judged
    if answers.not_free:
        return f"It does not run free: {answers.not_free}."
    if judged.written is None:
        return ""
    said = f"By itself it writes {written_share(judged.written)} strings of the language."
    if judged.foreseen is None:
        return said
    return f"{said} {judged.foreseen:,} of {judged.sequences:,} are foreseen at every step."


def whose_measure(judged: Judged) -> str:
    """Of what `running_free` says, where somebody has defined it."""
    return "" if judged.foreseen is None else "Foreseen at every step: as Hochreiter & Schmidhuber count it"


def written_share(written: Written) -> str:
    """ "14 of 20": of the strings that were drawn. The first one is not; it takes the likeliest symbols."""
    return f"{sum(written.belong[1:]):,} of {len(written.belong) - 1:,}"


def of_written(written: Written, n: int) -> str:
    """ "of the language", "wrong at symbol 8", "without an end"."""
    wrong = written.wrong[n]
    if written.belong[n]:
        return "of the language"
    return "without an end" if wrong is None else f"wrong at symbol {wrong + 1:,}"


def extent(judged: Judged) -> str:
    """ "30 of 270 sequences", "all 90 sequences"; of what there is no end of "32 sequences"."""
    many = f"{judged.sequences:,}"
    if judged.there is not None:
        many = f"{many} of {judged.there:,}" if judged.sequences < judged.there else f"all {many}"
    return f"{many} sequence" + ("" if (judged.there or judged.sequences) == 1 else "s")


def how_much(judged: Judged) -> str:
    """One sentence where not all is judged that is there."""
    if judged.there is None or judged.sequences >= judged.there:
        return ""
    return f"Evaluated on {judged.sequences:,} of {judged.there:,} sequences, evenly over the part."


def at_class(answers: Answers, n: int, t: int) -> str:
    """What was to be said at a place of a sequence, and the likeliest answers. `t` from 0."""
    truth, labels = answers.truth(n)[t], answers.judged.labels
    chances = answers.probabilities(n)[t]
    given = float(chances[int(truth)])
    where = f"t = {t + 1:,}" if answers.every else f"Sequence {n + 1:,}"
    right = "right" if answers.answer(n)[t] == truth else "wrong"
    first = f"{where}: {spoken(label_of(labels, truth))} was due, its probability {percent(given)}: {right}."
    return f"{first} Likeliest: {likeliest(labels, chances)}."


def likeliest(labels: tuple[str, ...], chances: Floats) -> str:
    return ", ".join(f"{spoken(label_of(labels, one))} {percent(chance)}" for one, chance in top(chances))


def at_number(answers: Answers, n: int, t: int) -> str:
    """Of a series at the place `t` of its answers, from 0; past their end, of what it says running free."""
    truth, said = answers.truth(n), answers.answer(n)
    start = answers.length(n) if answers.every else 1
    if t >= start:
        free = answers.free(n)
        assert free is not None
        step = answers.length(n) + 1 + t - start
        came, own = answers.came(n), number(free[t - start])
        if came is None or math.isnan(came[t - start]):
            return f"t = {step:,}: {own}, running free on its own answers."
        return f"t = {step:,}: {answers.target} {number(came[t - start])}, running free on its own answers {own}."
    where = answers.place(int(answers.about(n)[t]))
    if answers.places is not None:
        where = where.capitalize()
    parts = [f"{where}: {answers.target} {number(truth[t])}, prediction {number(said[t])}"]
    errors = answers.errors(n)
    if errors is not None:
        parts.append(f"squared error {number(errors[t])}")
    return ", ".join(parts) + "."


def number(value: float) -> str:
    return exact(float(f"{value:.7g}")) if math.isfinite(value) else short(value)
