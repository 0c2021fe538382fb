"""Every field of every spec refuses what it cannot hold, and accepts numbers up to the ends of its range."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from spec_data import one_sentence, with_field

from engine import spec as specs
from engine.checks import checked, checked_what_if, experiment_from
from engine.errors import SpecError
from engine.spec import (
    AddingTask,
    Clamp,
    CopyTask,
    Cut,
    DigitsTask,
    EarlyStopSpec,
    EchoTask,
    EmbeddingSpec,
    Experiment,
    GateBias,
    InitSpec,
    LayerSpec,
    Loss,
    ModelSpec,
    OptimizerSpec,
    ParityTask,
    ReadAt,
    ReadoutSpec,
    ReberTask,
    RecurrentDropoutSpec,
    SamplingSpec,
    ScheduleSpec,
    SequencesTask,
    SeriesTask,
    SinesTask,
    Spec,
    Split,
    SunspotsTask,
    Task,
    TemporalOrderTask,
    TextTask,
    TrainingSpec,
    TruncationSpec,
    WhatIf,
)
from engine.spec_reading import plain, read
from engine.task_facts import FACTS

INF, NAN = math.inf, math.nan
DATA = "0123456789abcdef" * 4
"""The SHA-256 of nothing that is there."""
SPLIT = Split(train=0.01, validation=0.0)


def of_task(task: Task, at: ReadAt = "last", loss: Loss = "mse", training: TrainingSpec | None = None) -> Experiment:
    model = ModelSpec(layers=(LayerSpec(cell="rnn"),), readout=ReadoutSpec(at=at), loss=loss)
    return Experiment(model=model, task=task, training=training or TrainingSpec())


# Every field of every spec, with a value: what is wrong in one of them is the only thing that is wrong.
WHOLE = [
    Experiment(
        model=ModelSpec(
            layers=(
                LayerSpec(
                    cell="lstm",
                    recurrent_dropout=RecurrentDropoutSpec(),
                    init=InitSpec(recurrent="normal", std=0.1, spectral_radius=1.0, forget_bias=1.0),
                ),
                LayerSpec(cell="gru", init=InitSpec(update_bias=1.0)),
                LayerSpec(cell="gru", init=InitSpec(chrono=20)),
            )
        ),
        task=AddingTask(batch_size=5, shortest=40),
    ),
    Experiment(model=ModelSpec(layers=(LayerSpec(cell="rnn"),)), task=SunspotsTask()),
    Experiment(
        model=ModelSpec(
            layers=(LayerSpec(cell="rnn"),),
            embedding=EmbeddingSpec(symbols=10),
            readout=ReadoutSpec(at="every"),
            loss="cross_entropy",
        ),
        task=CopyTask(),
        training=TrainingSpec(truncation=TruncationSpec(k1=1, k2=5)),
    ),
    of_task(TemporalOrderTask(), loss="cross_entropy"),
    of_task(EchoTask(delay=0), "every"),
    of_task(ParityTask()),
    of_task(ReberTask(), "every", "cross_entropy", TrainingSpec(sampling=SamplingSpec())),
    of_task(SinesTask(), training=TrainingSpec(optimizer=OptimizerSpec(), schedule=ScheduleSpec())),
    of_task(DigitsTask(), loss="cross_entropy", training=TrainingSpec(early_stop=EarlyStopSpec())),
    of_task(SeriesTask(data=DATA, columns=("a", "b"), target="a", split=SPLIT)),
    of_task(
        TextTask(data=DATA, symbols=30, order="stream", split=SPLIT),
        "every",
        "cross_entropy",
        TrainingSpec(carry=True),
    ),
    of_task(SequencesTask(data=DATA, steps=20, inputs=3, classes=2, split=SPLIT), loss="cross_entropy"),
    of_task(
        SequencesTask(data=DATA, steps=20, symbols=9, answers="tags", classes=5, split=SPLIT), "every", "cross_entropy"
    ),
]
WHAT_IFS = [
    WhatIf(
        recurrent_scale=1.5,
        gate_biases=(GateBias(gate="f", shift=1.0), GateBias(gate="", shift=1.0)),
        clamps=(Clamp(gate="f", value=1.0, first=2, last=3, units=(0, 4)),),
        cuts=(Cut(route="carousel"),),
        dtype="bfloat16",
        clip_norm=1.0,
    ),
    WhatIf(spectral_radius=1.0),
]


def fields(spec: Spec, path: str = "") -> Iterator[tuple[type[Spec], str, str, Any]]:
    """Every field below a spec: whose it is, its name, its path and its value."""
    for name in spec.__struct_fields__:
        value, here = getattr(spec, name), f"{path}.{name}" if path else name
        yield type(spec), name, here, value
        for place, one in enumerate(value if isinstance(value, tuple) else ()):
            if isinstance(one, Spec):
                yield from fields(one, f"{here}[{place}]")
        if isinstance(value, Spec):
            yield from fields(value, here)


FIELDS = [(whole, *field) for whole in WHOLE for field in fields(whole)]
WHAT_IF_FIELDS = [(what_if, *field) for what_if in WHAT_IFS for field in fields(what_if, "what_if")]


def test_every_spec_there_is_stands_in_the_whole_ones() -> None:
    seen = {kind for _, kind, *_ in FIELDS + WHAT_IF_FIELDS} | {Experiment, WhatIf}
    assert seen == {kind for kind in vars(specs).values() if isinstance(kind, type) and issubclass(kind, Spec)} - {Spec}
    for whole in WHOLE:
        assert checked(whole) is whole
    for what_if in WHAT_IFS:
        assert checked_what_if(what_if) is what_if


def what_if_from(data: Any) -> WhatIf:
    try:
        return checked_what_if(read(data, WhatIf, "the what-if", "what_if"))
    except ValueError as error:
        raise SpecError(str(error)) from None


def refused_with(whole: Spec, path: str, value: Any) -> str:
    """The sentence, if that is put in one field."""
    data = with_field(path.removeprefix("what_if."), value, plain(whole))
    with pytest.raises(SpecError) as caught:
        what_if_from(data) if isinstance(whole, WhatIf) else experiment_from(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("whole", "path"),
    [(whole, path) for whole, _, _, path, _ in FIELDS + WHAT_IF_FIELDS],
    ids=[f"{path}-{n}" for n, (_, _, _, path, _) in enumerate(FIELDS + WHAT_IF_FIELDS)],
)
def test_every_field_refuses_what_is_of_no_type_that_it_has(whole: Spec, path: str) -> None:
    sentence = refused_with(whole, path, [[[]]])
    assert re.match(re.escape(path) + r"(\[0\])? is a list of 1; .* (is|are) accepted", sentence), sentence
    assert one_sentence(sentence)


BELOW_ONE = math.nextafter(1.0, 0.0)
RANGES: dict[tuple[str, str], tuple[float, float]] = {
    ("InitSpec", "std"): (0.0, 1e6),
    ("InitSpec", "gain"): (0.0, 1e6),
    ("InitSpec", "spectral_radius"): (0.0, 1e6),
    ("InitSpec", "forget_bias"): (-100.0, 100.0),
    ("InitSpec", "update_bias"): (-100.0, 100.0),
    ("InitSpec", "chrono"): (3, 100_000),
    ("RecurrentDropoutSpec", "p"): (0.0, 0.99),
    ("LayerSpec", "hidden_size"): (1, 4096),
    ("LayerSpec", "norm_eps"): (0.0, 1.0),
    ("LayerSpec", "dropout"): (0.0, 0.99),
    ("EmbeddingSpec", "symbols"): (10, 1_000_000),
    ("EmbeddingSpec", "size"): (1, 4096),
    ("ReadoutSpec", "attention_size"): (1, 4096),
    **{(kind.__name__, "batch_size"): (1, 4096) for kind in FACTS},
    ("AddingTask", "steps"): (40, 100_000),  # not below `shortest`
    ("AddingTask", "shortest"): (2, 50),
    ("SunspotsTask", "steps"): (1, 308),
    ("CopyTask", "delay"): (1, 99_980),
    ("TemporalOrderTask", "steps"): (10, 100_000),
    ("EchoTask", "steps"): (1, 100_000),
    ("EchoTask", "delay"): (0, 29),  # below `steps`
    ("ParityTask", "steps"): (1, 100_000),
    ("ReberTask", "steps"): (8, 100_000),
    ("SinesTask", "steps"): (1, 100_000),
    ("SinesTask", "waves"): (1, 100),
    ("SinesTask", "noise"): (0.0, 1e3),
    ("SeriesTask", "steps"): (1, 100_000),
    ("SeriesTask", "ahead"): (1, 100_000),
    ("SeriesTask", "stride"): (1, 100_000),
    ("TextTask", "symbols"): (2, 50_000),
    ("TextTask", "steps"): (1, 100_000),
    ("SequencesTask", "steps"): (1, 100_000),
    ("SequencesTask", "inputs"): (1, 4096),
    ("SequencesTask", "symbols"): (1, 50_000),
    ("SequencesTask", "classes"): (2, 50_000),
    ("Split", "train"): (0.01, 1.0),
    ("Split", "validation"): (0.0, 0.99),  # beside the training part's 0.01
    ("TrainingSpec", "learning_rate"): (0.0, 1e6),
    ("TrainingSpec", "l1"): (0.0, 1e6),
    ("TrainingSpec", "l2"): (0.0, 1e6),
    ("TrainingSpec", "evaluate_every"): (1, 1_000_000),
    ("TrainingSpec", "iterations"): (0, 1_000_000),
    ("OptimizerSpec", "momentum"): (0.0, BELOW_ONE),
    ("OptimizerSpec", "alpha"): (0.0, BELOW_ONE),
    ("OptimizerSpec", "beta1"): (0.0, BELOW_ONE),
    ("OptimizerSpec", "beta2"): (0.0, BELOW_ONE),
    ("OptimizerSpec", "epsilon"): (0.0, 1.0),
    ("ScheduleSpec", "warmup"): (0, 1_000_000),
    ("ScheduleSpec", "every"): (1, 1_000_000),
    ("ScheduleSpec", "factor"): (0.0, 1.0),
    ("ScheduleSpec", "length"): (1, 1_000_000),
    ("ScheduleSpec", "floor"): (0.0, 1.0),
    ("SamplingSpec", "k"): (0.0, 1.0),
    ("SamplingSpec", "c"): (0.0, 1.0),
    ("SamplingSpec", "floor"): (0.0, 1.0),
    ("EarlyStopSpec", "patience"): (1, 1_000_000),
    ("EarlyStopSpec", "least"): (0.0, 1e6),
    ("TruncationSpec", "k1"): (1, 5),  # not above k2
    ("TruncationSpec", "k2"): (1, 100_000),
    ("Experiment", "seed"): (0, 2**31 - 1),
    ("WhatIf", "recurrent_scale"): (0.0, 3.0),
    ("WhatIf", "spectral_radius"): (0.0, 1e3),
    ("WhatIf", "forget_bias"): (-8.0, 8.0),
    ("WhatIf", "clip_norm"): (1e-12, 1e12),
    ("GateBias", "shift"): (-100.0, 100.0),
    ("Clamp", "value"): (0.0, 1.0),  # what a forget gate can be
    ("Clamp", "first"): (1, 3),  # not past `last`
    ("Clamp", "last"): (2, 100_000),  # not before `first`
}
NUMBERS = [
    (whole, (kind.__name__, name), path)
    for whole, kind, name, path, value in FIELDS + WHAT_IF_FIELDS
    if isinstance(value, (int, float)) and not isinstance(value, bool) and kind is not specs.ClipSpec
    if not (whole is WHAT_IFS[1] and name == "recurrent_scale")  # beside a spectral radius it is 1
    if not (kind is SequencesTask and value == 0)  # the one of inputs and symbols that there is none of
]
MORE = 0.99 + 1e-8
"""Of the validation part beside 0.01: parts that are 1 together may be so but for a rounding."""
ONE_OF_BOTH = "task.inputs is 0 and task.symbols is 0; one of them is accepted, and 0 for the other."
ELSEWHERE: dict[tuple[tuple[str, str], float], str] = {
    (("AddingTask", "steps"), 39): "task.shortest is 40; a whole number from 2 to 39 is accepted.",
    (("Clamp", "first"), 4): "what_if.clamps[0].last is 3; a whole number from 4 to 100,000 is accepted.",
    (("Split", "validation"), MORE): "task.split.train 0.01 and task.split.validation 0.99 are more than 1 together.",
    (("SequencesTask", "inputs"), 0): ONE_OF_BOTH,
    (("SequencesTask", "symbols"), 0): ONE_OF_BOTH,
}
"""Where a number in its own range goes with no other: what is said then."""


def test_every_field_with_a_number_has_a_range() -> None:
    assert {field for _, field, _ in NUMBERS} == RANGES.keys()


@pytest.mark.parametrize(
    ("whole", "field", "path"), NUMBERS, ids=[f"{path}-{n}" for n, (_, _, path) in enumerate(NUMBERS)]
)
def test_a_number_is_accepted_up_to_the_ends_of_its_range_and_refused_beyond(
    whole: Spec, field: tuple[str, str], path: str
) -> None:
    low, high = RANGES[field]
    for good in (low, high):
        data = with_field(path.removeprefix("what_if."), good, plain(whole))
        what_if_from(data) if isinstance(whole, WhatIf) else experiment_from(data)
    beyond: list[float]
    if isinstance(low, int):
        beyond = [low - 1, int(high) + 1, -(10**30), 10**30]
    else:
        above = MORE if field == ("Split", "validation") else math.nextafter(high, INF)
        beyond = [math.nextafter(low, -INF), above, NAN, INF, -INF]
    for bad in beyond:
        sentence = refused_with(whole, path, bad)
        if (said := ELSEWHERE.get((field, bad))) is not None:
            assert sentence == said
            continue
        assert sentence.startswith(f"{path} is "), sentence
        noun = "a whole number" if isinstance(low, int) else "a number"
        assert re.search(rf"; {noun} from \S+ to (below )?\S+ is accepted\.$", sentence), sentence


@pytest.mark.parametrize("whole", WHOLE)
def test_what_is_written_is_read_again(whole: Experiment) -> None:
    assert experiment_from(plain(whole)) == whole
