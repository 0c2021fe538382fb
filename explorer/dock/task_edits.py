"""What an edit of the task makes of an experiment: another task keeps what fits, and takes with it what it needs.
Plain functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec.structs import replace

from engine import reber
from engine.spec import EmbeddingSpec, Experiment, ModelSpec, OwnTask, Split, Task, TextTask, TrainingSpec
from engine.task_checks import YEARS
from engine.task_facts import FACTS, form
from engine.task_specs import MAX_STEPS
from engine.training_checks import feeds_itself
from explorer.dock.words import LOSSES, PLACES

Edit: TypeAlias = Callable[[Experiment, Any], Experiment]

KINDS: dict[str, type[Any]] = {str(task.__struct_config__.tag): task for task in FACTS}
"""Tasks by the name of their kind: "adding"."""
GROUPS: dict[str, tuple[str, ...]] = {
    "memory": ("adding", "copy", "temporal_order", "echo", "parity"),
    "language-like": ("reber",),
    "series": ("sines",),
    "real": ("sunspots", "digits"),
}
"""As the chooser shows them; beside them, somebody's own data."""
FIELDS: dict[str, tuple[str, ...]] = {
    "adding": ("steps", "batch_size", "shortest"),
    "copy": ("steps", "batch_size", "delay"),
    "temporal_order": ("steps", "batch_size"),
    "echo": ("steps", "batch_size", "delay"),
    "parity": ("steps", "batch_size"),
    "reber": ("steps", "batch_size"),
    "sines": ("steps", "batch_size", "waves", "noise"),
    "sunspots": ("steps", "batch_size"),
    "digits": ("steps", "batch_size", "by"),
    "series": ("steps", "batch_size", "target", "ahead", "stride", "scaling", "train_share", "validation_share"),
    "text": ("steps", "batch_size", "symbols", "order", "train_share", "validation_share"),
    "sequences": ("steps", "batch_size", "scaling", "train_share", "validation_share"),
}
"""What each task lets one choose."""
DERIVED_STEPS = ("copy", "digits", "sequences")
"""Tasks whose T follows from something else."""
ECHO_DELAY = 5
EMBEDDING_SIZE = 8
WIDE, WIDE_SIZE = 200, 32
"""From so many symbols on, vectors are larger, and symbols are not read one-hot unless somebody says so."""

_STEPS = {
    "adding": (2, MAX_STEPS),
    "temporal_order": (10, MAX_STEPS),
    "reber": (reber.SHORTEST - 1, MAX_STEPS),
    "sunspots": (1, YEARS - 1),
}


def kind_of(task: Task) -> str:
    return str(type(task).__struct_config__.tag)


def title_of(kind: str) -> str:
    """ "adding problem", "embedded Reber grammar"."""
    title = FACTS[KINDS[kind]].title
    return title[:1].lower() + title[1:]


def with_task(experiment: Experiment, wanted: str | OwnTask) -> Experiment:
    """Another task: a kind of generated ones, or somebody's own data. Steps, batch, read-out, loss and training stay
    as they are as far as the task has them; what it cannot have changes with it (`changed_with` says it). Iterations
    that a demonstration trains before it opens were meant for its own task: none is trained unasked on this one."""
    task = wanted if isinstance(wanted, OwnTask) else _drawn(wanted, experiment.task)
    model = _fitted_model(experiment, task)
    after = replace(experiment, task=task, model=model)
    training = _fitted_training(after)
    if task != experiment.task:
        training = replace(training, iterations=0)
    return replace(after, training=training)


def _drawn(kind: str, old: Task) -> Task:
    steps, batch_size = old.steps, old.batch_size
    low, high = _STEPS.get(kind, (1, MAX_STEPS))
    steps = max(low, min(steps, high))
    make = KINDS[kind]
    made: Task
    if kind == "copy":
        made = make(delay=max(1, min(old.steps - 20, MAX_STEPS - 20)), batch_size=batch_size)
    elif kind == "digits":
        made = make(batch_size=batch_size)
    elif kind == "echo":
        made = make(steps=steps, delay=min(ECHO_DELAY, steps - 1), batch_size=batch_size)
    else:
        made = make(steps=steps, batch_size=batch_size)
    return made


def _fitted_model(experiment: Experiment, task: Task) -> ModelSpec:
    model, given = experiment.model, form(task)
    at = model.readout.at if model.readout.at in given.readouts else given.readouts[0]
    loss = model.loss if model.loss in given.losses else given.losses[0]
    embedding = model.embedding
    if not given.symbols:
        embedding = None
    elif embedding is not None:
        embedding = replace(embedding, symbols=given.symbols)
    elif not form(experiment.task).symbols or given.symbols > WIDE:
        embedding = EmbeddingSpec(symbols=given.symbols, size=WIDE_SIZE if given.symbols > WIDE else EMBEDDING_SIZE)
    return replace(model, embedding=embedding, readout=replace(model.readout, at=at), loss=loss)


def _fitted_training(experiment: Experiment) -> TrainingSpec:
    training, task = experiment.training, experiment.task
    goes_on = isinstance(task, TextTask) and task.order == "stream"
    sampling = training.sampling if training.sampling is not None and feeds_itself(experiment) else None
    ends = form(task).lengths and experiment.model.readout.at == "last"
    return replace(
        training,
        carry=training.carry and goes_on,
        sampling=sampling,
        truncation=None if ends else training.truncation,
    )


def changed_with(old: Experiment, new: Experiment) -> str:
    """What a new task has brought along, in one sentence; "" where all stayed as it was."""
    said = []
    steps = old.task.steps, new.task.steps
    if steps[0] != steps[1]:
        said.append(f"T {steps[0]:,} → {steps[1]:,}")
    losses, places = dict(LOSSES), dict(PLACES)
    if old.model.loss != new.model.loss:
        said.append(f"loss {losses[old.model.loss]} → {losses[new.model.loss]}")
    if old.model.readout.at != new.model.readout.at:
        said.append(f"loss taken at {places[old.model.readout.at]} → {places[new.model.readout.at]}")
    was, now = (one.model.embedding for one in (old, new))
    if (was is None) != (now is None):
        said.append(f"embedding {_size(was)} → {_size(now)}")
    before = old.training.iterations, new.training.iterations
    if before[0] != before[1]:
        said.append(f"iterations before {before[0]:,} → {before[1]:,}")
    for word, gone in (
        ("truncation", old.training.truncation is not None and new.training.truncation is None),
        ("carried states", old.training.carry and not new.training.carry),
        ("scheduled sampling", old.training.sampling is not None and new.training.sampling is None),
    ):
        if gone:
            said.append(f"{word} → off")
    return f"Changed with the task: {'; '.join(said)}." if said else ""


def _size(embedding: EmbeddingSpec | None) -> str:
    return "none" if embedding is None else str(embedding.size)


# -- fields -----------------------------------------------------------------------------------------------------------


def _of_task(field: str) -> Edit:
    return lambda experiment, value: replace(experiment, task=replace(experiment.task, **{field: value}))


def _of_split(field: str) -> Edit:
    def edit(experiment: Experiment, value: Any) -> Experiment:
        split: Split = experiment.task.split  # type: ignore[union-attr]
        return replace(experiment, task=replace(experiment.task, split=replace(split, **{field: value})))

    return edit


def _symbols(experiment: Experiment, value: Any) -> Experiment:
    """The table of vectors has as many rows."""
    embedding = experiment.model.embedding
    if embedding is not None:
        embedding = replace(embedding, symbols=value)
    model = replace(experiment.model, embedding=embedding)
    return replace(experiment, task=replace(experiment.task, symbols=value), model=model)


def _order(experiment: Experiment, value: Any) -> Experiment:
    """States are carried only where sequences go on."""
    after = replace(experiment, task=replace(experiment.task, order=value))
    return replace(after, training=_fitted_training(after))


def _embedding(experiment: Experiment, value: Any) -> Experiment:
    """Its size; None: no table."""
    old = experiment.model.embedding or EmbeddingSpec(symbols=max(1, form(experiment.task).symbols))
    embedding = None if value is None else replace(old, size=value)
    return replace(experiment, model=replace(experiment.model, embedding=embedding))


TASK_EDITS: dict[str, Edit] = {
    "task": with_task,
    "steps": _of_task("steps"),
    "shortest": _of_task("shortest"),
    "delay": _of_task("delay"),
    "waves": _of_task("waves"),
    "noise": _of_task("noise"),
    "by": _of_task("by"),
    "target": _of_task("target"),
    "ahead": _of_task("ahead"),
    "stride": _of_task("stride"),
    "symbols": _symbols,
    "order": _order,
    "scaling": _of_task("scaling"),
    "train_share": _of_split("train"),
    "validation_share": _of_split("validation"),
    "batch_size": _of_task("batch_size"),
    "embedding": _embedding,
}


def task_values(experiment: Experiment) -> dict[str, Any]:
    """What each field of the input card shows; None where the task has no such field."""
    task, kind = experiment.task, kind_of(experiment.task)
    found: dict[str, Any] = {name: getattr(task, name, None) for name in TASK_EDITS if name in FIELDS[kind]}
    split: Split | None = getattr(task, "split", None)
    if split is not None:
        found |= {"train_share": split.train, "validation_share": split.validation}
    embedding = experiment.model.embedding
    found |= {"task": key_of(task), "embedding": None if embedding is None else embedding.size}
    return dict.fromkeys(TASK_EDITS) | found


def key_of(task: Task) -> str:
    """By which the chooser knows it: its kind, and of somebody's own data which they are."""
    return f"{kind_of(task)} {task.data}" if isinstance(task, OwnTask) else kind_of(task)
