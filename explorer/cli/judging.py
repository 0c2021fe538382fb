"""What the parts that are held back say at the end of a training, of how many sequences, and whether that fulfils what
it was to be trained until."""

from __future__ import annotations

from engine.errors import DataError
from engine.figures import figure
from engine.history import Evaluation
from engine.parts import Part
from engine.spec import DigitsTask, OwnTask, SunspotsTask
from engine.task_facts import metric_words
from engine.training_loop import Progress
from engine.training_requests import MOST_SEQUENCES, Judge, Judged
from engine.until import Until, iterations_words
from explorer.cli.compute import compute

BATCHES = 20
"""Of each part of a generated task that are judged at the end."""


def judged(at: Progress, part: Part) -> Judged | None:
    """None where nothing is held back for it."""
    of_data = isinstance(at.experiment.task, (OwnTask, SunspotsTask, DigitsTask))
    return _judged(at, part, MOST_SEQUENCES if of_data else BATCHES * at.experiment.task.batch_size)


def judged_line(found: Judged) -> str:
    beside = {"baseline": found.baseline, "repeating the last value": found.persistence}
    known = ", ".join(f"{what} {figure(loss)}" for what, loss in beside.items() if loss is not None)
    nothing = f" ({known})" if known else ""
    metric = metric_words(found.metric, found.value)
    return f"{found.part:<11} loss {figure(found.loss)}{nothing}, {metric}, of {_many(found)}"


def of_usual(at: Progress) -> str:
    """Of how many sequences of the validation part the evaluations on the way are: "64 sequences". "" where nothing is
    held back."""
    usual = at.judged if at.judged is not None else _judged(at, "validation", None)
    return "" if usual is None else _many(usual)


def held_against(bound: Until, at: Progress, found: Judged | None, begun: int) -> str:
    """Whether a training that has ended by something else fulfils the bound, and where nobody looked before, that. Of
    one that has ended by it, whether more sequences say otherwise; "" where they do not. `found`: the validation part
    at the end."""
    newest = at.evaluations[-1] if at.evaluations else None
    if at.ended == "until":
        assert newest is not None, "it has ended by an evaluation"
        return _against_more(bound, at, newest, found)
    if at.ended not in ("iterations", "early stop"):
        return ""
    assert found is not None, "a bound is refused where nothing is held back"
    whole, said = Evaluation.of(at.iteration, found), ""
    if newest is None or newest.iteration != at.iteration:
        said = bound.sentence(whole, _many(found))
    else:
        said = bound.sentence(newest, of_usual(at))
        said += _but(bound, newest, whole, found)
    if begun < at.iteration and not any(begun < one.iteration for one in at.evaluations):
        every = at.experiment.training.evaluate_every
        said += f" It was looked at here alone: evaluations are made every {iterations_words(every)}."
    return said


def _against_more(bound: Until, at: Progress, newest: Evaluation, found: Judged | None) -> str:
    if found is None or newest.iteration != at.iteration:
        return ""
    return _but(bound, newest, Evaluation.of(at.iteration, found), found).lstrip()


def _but(bound: Until, newest: Evaluation, whole: Evaluation, found: Judged) -> str:
    """Where an evaluation of more sequences says the opposite of the one that was made on the way."""
    if bound.reached(newest) == bound.reached(whole):
        return ""
    is_reached = "is reached" if bound.reached(whole) else "is not reached"
    return (
        f" Of {_many(found)} {bound} {is_reached}: --until looks at the evaluations on the way, which are of fewer, to "
        "be quick."
    )


def _judged(at: Progress, part: Part, sequences: int | None) -> Judged | None:
    request = Judge(at.experiment, at.state, part, sequences, shown=0, what_if=at.what_if)
    try:
        found: Judged = compute("judge", request)
    except DataError:
        return None
    return found


def _many(found: Judged) -> str:
    many = f"{found.sequences:,} sequences"
    if found.there is None:
        return many
    return f"all {many}" if found.sequences >= found.there else f"{found.sequences:,} of {found.there:,} sequences"
