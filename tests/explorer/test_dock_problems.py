"""Every sentence of the engine's checks finds its card, and speaks there the language of the card."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.checks import checked
from engine.errors import SpecError
from engine.spec import (
    AddingTask,
    ClipSpec,
    CopyTask,
    EmbeddingSpec,
    Experiment,
    InitSpec,
    LayerSpec,
    ModelSpec,
    ReadoutSpec,
    TrainingSpec,
    TruncationSpec,
)
from explorer.dock.problems import problem

RNN, LSTM = LayerSpec(cell="rnn"), LayerSpec(cell="lstm")
TRUNCATED = TrainingSpec(truncation=TruncationSpec(k1=2, k2=4))
SYMBOLS = EmbeddingSpec(symbols=10)


def stack(*layers: LayerSpec, **model: object) -> Experiment:
    return Experiment(model=ModelSpec(layers=layers, **model), task=AddingTask())


CASES = [
    (
        stack(RNN, replace(LSTM, hidden_size=8, residual=True)),
        ("l1", "residual"),
        "The residual connection is on, but the layer reads 16 numbers a step and gives 8; both must be the same to be "
        "added.",
    ),
    (
        replace(stack(replace(RNN, batch_norm=True)), task=AddingTask(batch_size=1)),
        ("l0", "batch_norm"),
        "Batch normalisation is on, but batch size is 1; a batch of 2 or more is needed.",
    ),
    (stack(RNN, replace(LSTM, hidden_size=0)), ("l1", "hidden_size"), "0: a whole number from 1 to 4,096 is accepted."),
    (
        stack(replace(LSTM, init=InitSpec(chrono=9, forget_bias=1.0))),
        ("l0", "chrono"),
        "Chrono is 9 beside forget_bias 1, which is the same gate's; one of them is accepted.",
    ),
    (
        stack(RNN, embedding=SYMBOLS),
        ("input", "embedding"),
        "Embedding is a table, but this task's input is numbers; only symbols are embedded.",
    ),
    (
        replace(stack(RNN, embedding=SYMBOLS), task=CopyTask()),
        ("readout", "at"),
        "The loss is taken at 'last'; the copy task accepts only 'every'.",
    ),
    (
        replace(stack(RNN, embedding=SYMBOLS, readout=ReadoutSpec(at="every")), task=CopyTask()),
        ("readout", "loss"),
        "Loss is 'mse'; the copy task accepts only 'cross-entropy'.",
    ),
    (
        replace(stack(RNN), task=AddingTask(steps=9, shortest=12)),
        ("input", "shortest"),
        "12: a whole number from 2 to 9 is accepted.",
    ),
    (
        replace(stack(RNN, replace(LSTM, bidirectional=True)), training=TRUNCATED),
        ("training", "truncation"),
        "Truncation is set, but layer l1 runs in both directions, and the reverse one has the whole future in it; "
        "forward layers alone are accepted.",
    ),
    (
        replace(stack(RNN, readout=ReadoutSpec(at="mean")), training=TRUNCATED),
        ("training", "truncation"),
        "Truncation is set, but the loss is taken at 'mean', one loss that reads every step; 'last' or 'every' is "
        "accepted.",
    ),
    (
        replace(stack(RNN), training=replace(TRUNCATED, clip=ClipSpec(kind="step"))),
        ("training", "truncation"),
        "Truncation is set beside clipping of kind 'step', which both change the way back; one of them is accepted.",
    ),
    (replace(stack(RNN), seed=-1), ("run", "seed"), "-1: a whole number from 0 to 2,147,483,647 is accepted."),
    (
        replace(stack(RNN), training=TrainingSpec(clip=ClipSpec(kind="value", max_value=0.0))),
        ("training", "max_value"),
        "0: a number from 1e-12 to 1e12 is accepted.",
    ),
    (
        replace(stack(replace(RNN, hidden_size=4096)), task=AddingTask(steps=100_000, batch_size=4096)),
        ("input", "steps"),
        "Steps × batch size × units is 1,677,721,600,000, too large to record; at most 500,000,000 is accepted.",
    ),
    (
        stack(*[replace(LSTM, hidden_size=4096)] * 5),
        ("", ""),
        # 4·H gates, each with weights of what it reads (2 features, then H), of H and two biases; the read-out H + 1.
        f"The model has {4 * 4096 * (4100 + 4 * 8194) + 4097:,} parameters; at most 500,000,000 are accepted.",
    ),
]


@pytest.mark.parametrize(("experiment", "place", "sentence"), CASES, ids=[f"{p[0]}-{p[1]}" for _, p, _ in CASES])
def test_a_sentence_stands_at_the_card_that_it_is_about(
    experiment: Experiment, place: tuple[str, str], sentence: str
) -> None:
    with pytest.raises(SpecError) as raised:
        checked(experiment)
    found = problem(raised.value)
    assert (found.card, found.field, found.sentence) == (*place, sentence)
