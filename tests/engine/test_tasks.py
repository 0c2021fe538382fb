"""The tasks: batches that repeat to the bit, and hold what their documentation says."""

from __future__ import annotations

import math
from typing import Literal, get_args

import pytest
import torch
from msgspec import structs
from torch.nn import functional

from engine import tasks
from engine.draws import generator
from engine.errors import DataError
from engine.folders import presets
from engine.parameters import class_count, input_size, output_size
from engine.spec import (
    AddingTask,
    CopyTask,
    EchoTask,
    EmbeddingSpec,
    ModelSpec,
    ParityTask,
    ReadoutSpec,
    ReberTask,
    SinesTask,
    SunspotsTask,
    Task,
    TemporalOrderTask,
)
from engine.task_facts import form
from engine.tasks import Batch, Part, baseline, own, sunspots

Loss = Literal["mse", "cross_entropy", "binary_cross_entropy"]
At = Literal["last", "every", "mean", "attention"]


def model(loss: Loss = "mse", at: At = "last") -> ModelSpec:
    return ModelSpec(layers=(), readout=ReadoutSpec(at=at), loss=loss)


LAST, EVERY = model(), model(at="every")
CLASSES, CLASSES_EVERY = model("cross_entropy"), model("cross_entropy", "every")
BINARY, BINARY_EVERY = model("binary_cross_entropy"), model("binary_cross_entropy", "every")
TASKS: list[Task] = [
    AddingTask(steps=9, batch_size=5),
    AddingTask(steps=9, batch_size=5, shortest=3),
    SunspotsTask(steps=9, batch_size=5),
    CopyTask(delay=4, batch_size=5),
    TemporalOrderTask(steps=10, batch_size=5),
    EchoTask(steps=9, delay=2, batch_size=5),
    ParityTask(steps=9, batch_size=5),
    ReberTask(steps=11, batch_size=5),
    SinesTask(steps=9, batch_size=5),
    SinesTask(steps=9, batch_size=5, noise=0.1),
]
CASES = [(task, model(loss, at)) for task in TASKS for at in form(task).readouts for loss in form(task).losses]
"""Every task with every read-out and loss that it accepts."""
FIRST = [next(case for case in CASES if case[0] is task) for task in TASKS]


@pytest.mark.parametrize(("task", "model"), CASES)
def test_the_same_seed_and_iteration_give_the_same_bits_and_others_do_not(task: Task, model: ModelSpec) -> None:
    first = tasks.batch(task, model, 3, 7)
    torch.rand(3)  # the global generator has no say
    again = tasks.batch(task, model, 3, 7)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.targets, again.targets)
    if first.lengths is not None:
        assert again.lengths is not None
        assert torch.equal(first.lengths, again.lengths)
    if first.judged is not None:
        assert again.judged is not None
        assert torch.equal(first.judged, again.judged)
    assert not torch.equal(first.x, tasks.batch(task, model, 4, 7).x)
    assert not torch.equal(first.x, tasks.batch(task, model, 3, 8).x)


@pytest.mark.parametrize(("task", "model"), FIRST)
def test_every_part_has_batches_of_its_own(task: Task, model: ModelSpec) -> None:
    seen = [tasks.batch(task, model, 3, number, part=part).x for part in get_args(Part) for number in (0, 1)]
    assert all(not torch.equal(x, other) for place, x in enumerate(seen) for other in seen[:place])
    assert torch.equal(seen[0], tasks.batch(task, model, 3, 0).x), "training is what is drawn unless it is said"


@pytest.mark.parametrize(("task", "model"), FIRST)
def test_the_callers_generator_default_device_and_modes_have_no_say(task: Task, model: ModelSpec) -> None:
    before = torch.get_rng_state()
    plain = tasks.batch(task, model, 0, 0)
    with torch.device("meta"):
        elsewhere = tasks.batch(task, model, 0, 0)
    assert torch.equal(plain.x, elsewhere.x)
    assert torch.equal(plain.targets, elsewhere.targets)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("task", "model"), CASES)
def test_float32_is_the_rounded_float64_and_whole_numbers_stay_whole(task: Task, model: ModelSpec) -> None:
    wide, narrow = tasks.batch(task, model, 0, 0, torch.float64), tasks.batch(task, model, 0, 0, torch.float32)
    for before, after in ((wide.x, narrow.x), (wide.targets, narrow.targets), (wide.lengths, narrow.lengths)):
        if before is None or after is None:
            assert before is after
        elif before.is_floating_point():
            assert after.dtype == torch.float32
            assert torch.equal(before.float(), after)
        else:
            assert after.dtype == torch.int64
            assert torch.equal(before, after)


OWN_CLASSES = {CopyTask: 10, TemporalOrderTask: 4, ReberTask: 7}
"""Of the others, cross-entropy is asked a yes-or-no question."""


@pytest.mark.parametrize(("task", "of"), CASES)
def test_shapes_and_types(task: Task, of: ModelSpec) -> None:
    batch = tasks.batch(task, of, 0, 0)
    T, every, classes = task.steps, of.readout.at == "every", of.loss == "cross_entropy"
    assert batch.x.shape == (T, 5, input_size(of, task))
    assert batch.x.dtype == torch.float64
    # A sequence has one answer, whichever way the read-out comes to it.
    assert batch.targets.shape == ((T, 5) if every else (5,)) + (() if classes else (1,))
    assert batch.targets.dtype == (torch.int64 if classes else torch.float64)
    expected = OWN_CLASSES.get(type(task), 2)
    assert class_count(of, task) == (expected if classes else 0)
    assert output_size(of, task) == (expected if classes else 1)
    assert bool((batch.targets >= 0).all()) or of.loss == "mse"
    assert bool((batch.targets < output_size(of, task)).all()) or not classes
    assert (batch.lengths is not None) == form(task).lengths
    if batch.judged is not None:
        assert batch.judged.dtype == torch.bool
        assert batch.judged.shape == batch.targets.shape[: 2 if every else 1]


SYMBOLS = [(task, model) for task, model in FIRST if form(task).symbols]


@pytest.mark.parametrize(("task", "model"), SYMBOLS)
def test_symbols_are_whole_numbers_for_an_embedding_and_vectors_without_one(task: Task, model: ModelSpec) -> None:
    count = form(task).symbols
    plain = tasks.batch(task, structs.replace(model, embedding=EmbeddingSpec(symbols=count)), 3, 7)
    vectors = tasks.batch(task, model, 3, 7)
    assert plain.x.dtype == torch.int64
    assert plain.x.shape == (task.steps, 5)
    for ours, theirs in ((plain.targets, vectors.targets), (plain.lengths, vectors.lengths)):
        assert ours is theirs is None or torch.equal(ours, theirs)
    assert (plain.judged is None) == (vectors.judged is None)
    assert plain.judged is None or torch.equal(plain.judged, vectors.judged)
    lengths = [task.steps] * 5 if plain.lengths is None else plain.lengths.tolist()
    for b, length in enumerate(lengths):
        for t in range(task.steps):
            one = [float(symbol == plain.x[t, b]) for symbol in range(count)] if t < length else [0.0] * count
            assert vectors.x[t, b].tolist() == one
            assert t < length or plain.x[t, b] == 0


def copied_symbols(task: CopyTask) -> Batch:
    return tasks.batch(task, structs.replace(CLASSES_EVERY, embedding=EmbeddingSpec(symbols=10)), 0, 0)


def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum() -> None:
    T, B = 11, 400
    task = AddingTask(steps=T, batch_size=B)
    batch = tasks.batch(task, LAST, 0, 0)
    numbers, marks = batch.x[..., 0], batch.x[..., 1]
    assert batch.lengths is None
    assert bool(((numbers >= 0) & (numbers < 1)).all())
    assert bool((marks[: T // 2].sum(0) == 1).all())
    assert bool((marks[T // 2 :].sum(0) == 1).all())
    assert set(marks.unique().tolist()) == {0.0, 1.0}
    assert bool((marks.sum(1) > 0).all()), "every step can be marked"
    torch.testing.assert_close(batch.targets[:, 0], (numbers * marks).sum(0))

    so_far = tasks.batch(task, EVERY, 0, 0).targets[..., 0]
    for t in range(T):
        torch.testing.assert_close(so_far[t], (numbers[: t + 1] * marks[: t + 1]).sum(0))
    assert torch.equal(tasks.batch(task, CLASSES, 0, 0).targets, (so_far[-1] > 1).long())
    assert torch.equal(tasks.batch(task, CLASSES_EVERY, 0, 0).targets, (so_far > 1).long())
    assert torch.equal(tasks.batch(task, BINARY, 0, 0).targets[:, 0], (so_far[-1] > 1).double())
    assert torch.equal(tasks.batch(task, BINARY_EVERY, 0, 0).targets[..., 0], (so_far > 1).double())


@pytest.mark.parametrize("steps", [2, 11, 50])
def test_adding_of_equal_lengths_keeps_the_bits_that_saved_experiments_have(steps: int) -> None:
    """Written out once more: the first batches of version 0.1."""
    B = 7
    source = generator(3, "adding", 5)
    numbers = torch.rand((steps, B), generator=source, dtype=torch.float64)
    first = torch.randint(0, steps // 2, (B,), generator=source)
    second = torch.randint(steps // 2, steps, (B,), generator=source)
    batch = tasks.batch(AddingTask(steps=steps, batch_size=B), LAST, 3, 5)
    assert torch.equal(batch.x[..., 0], numbers)
    for b in range(B):
        assert batch.x[:, b, 1].nonzero().flatten().tolist() == [int(first[b]), int(second[b])]
        assert float(batch.targets[b, 0]) == float(numbers[first[b], b] + numbers[second[b], b])


def test_adding_of_two_steps_marks_both() -> None:
    batch = tasks.batch(AddingTask(steps=2, batch_size=3), LAST, 0, 0)
    assert torch.equal(batch.x[..., 1], torch.ones(2, 3, dtype=torch.float64))


def test_adding_of_several_lengths_keeps_to_each_sequences_own_length() -> None:
    T, B, shortest = 12, 600, 2
    task = AddingTask(steps=T, batch_size=B, shortest=shortest)
    whole = tasks.batch(AddingTask(steps=T, batch_size=B), LAST, 0, 0)
    batch, every = tasks.batch(task, LAST, 0, 0), tasks.batch(task, EVERY, 0, 0)
    classes, binary = tasks.batch(task, CLASSES_EVERY, 0, 0), tasks.batch(task, BINARY_EVERY, 0, 0)
    assert batch.lengths is not None
    assert batch.lengths.dtype == torch.int64
    marked: dict[int, set[int]] = {}
    for b, length in enumerate(batch.lengths.tolist()):
        numbers, marks = batch.x[:length, b, 0], batch.x[:length, b, 1]
        assert torch.equal(numbers, whole.x[:length, b, 0]), "the numbers are those of equal lengths"
        assert float(marks[: length // 2].sum()) == float(marks[length // 2 :].sum()) == 1.0
        marked.setdefault(length, set()).update(marks.nonzero().flatten().tolist())
        so_far = (numbers * marks).cumsum(0)
        assert float(batch.targets[b, 0]) == float(so_far[-1]), "the target of the last step, wherever that is"
        assert torch.equal(every.targets[:length, b, 0], so_far)
        assert torch.equal(classes.targets[:length, b], (so_far > 1).long())
        assert torch.equal(binary.targets[:length, b, 0], (so_far > 1).double())
        for padding in (batch.x, every.targets, classes.targets, binary.targets):
            assert not bool(padding[length:, b].any())
    assert marked.keys() == set(range(shortest, T + 1))
    assert all(steps == set(range(length)) for length, steps in marked.items()), "every step can be marked"


def test_lengths_are_uniform_and_differ_from_iteration_to_iteration() -> None:
    task = AddingTask(steps=7, batch_size=4096, shortest=4)
    first, second = tasks.batch(task, LAST, 0, 0).lengths, tasks.batch(task, LAST, 0, 1).lengths
    assert first is not None
    assert second is not None
    assert not torch.equal(first, second)
    # Each of 4 lengths has the probability 1/4: the standard error of its share is √(3/16/4096) = .0068.
    shares = torch.bincount(first, minlength=8)[4:] / 4096
    torch.testing.assert_close(shares, torch.full((4,), 0.25), rtol=0, atol=4 * 0.0068)


def test_marks_are_uniform_in_the_halves_of_each_length() -> None:
    task = AddingTask(steps=5, batch_size=4096, shortest=5)
    shares = tasks.batch(task, LAST, 0, 0).x[..., 1].mean(1)
    expected = torch.tensor([1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3], dtype=torch.float64)
    torch.testing.assert_close(shares, expected, rtol=0, atol=4 * 0.0078)  # √(1/4/4096)


def test_the_longest_that_is_asked_for_may_be_the_only_length() -> None:
    batch = tasks.batch(AddingTask(steps=6, batch_size=4, shortest=6), LAST, 0, 0)
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [6] * 4


@pytest.mark.parametrize("delay", [1, 2, 30])
def test_copy_memory_is_ten_symbols_blanks_a_marker_and_the_symbols_again(delay: int) -> None:
    """Tallec & Ollivier 2018, section 3, after Arjovsky et al. 2016: of T + 20 characters the first 10 are drawn, T − 1
    dummies follow, a signal, and 10 dummies; the target is T + 10 dummies and the 10 characters."""
    batch = copied_symbols(CopyTask(delay=delay, batch_size=200))
    x, targets = batch.x, batch.targets
    assert len(x) == len(targets) == delay + 20 == CopyTask(delay=delay).steps
    assert set(x[:10].unique().tolist()) == set(range(1, 9))
    assert not bool(x[10 : 10 + delay - 1].any())
    assert x[10 + delay - 1].unique().tolist() == [9]
    assert not bool(x[-10:].any())
    assert not bool(targets[: delay + 10].any())
    assert torch.equal(targets[-10:], x[:10])
    assert batch.judged is not None
    assert batch.judged.all(1).tolist() == batch.judged.any(1).tolist() == (delay + 10) * [False] + 10 * [True]


def test_the_symbols_of_copy_memory_are_uniform_at_every_place() -> None:
    symbols = copied_symbols(CopyTask(batch_size=4096)).x[:10]
    for row in symbols:
        shares = torch.bincount(row, minlength=9)[1:] / 4096
        # √(1/8·7/8/4096) = .0052; of 80 shares the largest error is seldom above 4 of them.
        torch.testing.assert_close(shares, torch.full((8,), 1 / 8), rtol=0, atol=4.5 * 0.0052)


@pytest.mark.parametrize(("delay", "expected"), [(30, 0.4159), (100, 0.1733)])
def test_copy_memory_costs_ten_ln_eight_over_its_steps_where_nothing_is_remembered(delay: int, expected: float) -> None:
    task = CopyTask(delay=delay, batch_size=64)
    assert baseline(task, CLASSES_EVERY) == pytest.approx(expected, abs=5e-5)
    # The answers of a network that knows the step and nothing else: the blank, and then any of the 8 symbols.
    logits = torch.full((task.steps, 10), -1e3, dtype=torch.float64)
    logits[:-10, 0] = 0.0
    logits[-10:, 1:9] = 0.0
    targets = tasks.batch(task, CLASSES_EVERY, 0, 0).targets
    loss = functional.cross_entropy(logits[:, None].expand(-1, 64, -1).flatten(0, 1), targets.flatten())
    assert baseline(task, CLASSES_EVERY) == pytest.approx(float(loss), rel=1e-12)


@pytest.mark.parametrize("at", ["last", "mean", "attention"])
def test_ignoring_the_input_of_the_adding_problem_costs_the_variance_of_its_sum(at: At) -> None:
    """The sum of two U(0, 1) has the density 1 − |s − 1| on [0, 2]: its variance by Simpson's rule, which is exact for
    the two cubic pieces."""
    half = [(s - 1) ** 2 * (1 - abs(s - 1)) for s in (0.0, 0.5, 1.0)]
    variance = 2 * (half[0] + 4 * half[1] + half[2]) / 6
    assert baseline(AddingTask(), model(at=at)) == pytest.approx(variance, rel=1e-12)


@pytest.mark.parametrize("shortest", [None, 2])
def test_the_baselines_of_the_adding_problem_are_what_constant_answers_cost(shortest: int | None) -> None:
    task = AddingTask(steps=4, batch_size=4096, shortest=shortest)
    sums = tasks.batch(task, LAST, 0, 0).targets
    expected = baseline(task, LAST)
    # Standard error of the mean of (sum − 1)²: √(E[(s−1)⁴] − 1/36)/64 = √(1/15 − 1/36)/64 = .0031.
    assert float((sums - 1).square().mean()) == pytest.approx(expected, abs=4 * 0.0031)
    # The best constant logit is that of the share above 1: both answers are as likely, √(1/4/4096) = .0078.
    above = tasks.batch(task, BINARY, 0, 0).targets
    assert float(above.mean()) == pytest.approx(0.5, abs=4 * 0.0078)
    loss = functional.binary_cross_entropy_with_logits(torch.zeros_like(above), above)
    assert baseline(task, BINARY) == baseline(task, CLASSES) == pytest.approx(float(loss), rel=1e-12)


def test_no_baseline_is_invented_where_there_is_no_formula() -> None:
    assert baseline(AddingTask(), EVERY) is None
    assert baseline(SunspotsTask(), LAST) is None


def test_the_sunspots_are_the_file_scaled_by_mean_and_deviation_of_the_years_that_are_learned_from() -> None:
    """70 % of 309 years: 216, 1700 to 1915."""
    lines = (presets() / "data" / "sunspots.csv").read_text().split()[1:]
    numbers = [float(line.split(",")[1]) for line in lines]
    assert len(numbers) == 309
    assert numbers[:4] == [5.0, 11.0, 16.0, 23.0]  # 1700 to 1703
    mean = sum(numbers[:216]) / 216
    deviation = math.sqrt(sum((n - mean) ** 2 for n in numbers[:216]) / 216)
    expected = torch.tensor([(n - mean) / deviation for n in numbers], dtype=torch.float64)
    torch.testing.assert_close(sunspots.scaled(), expected, rtol=0, atol=1e-12)

    first = sunspots.windows(SunspotsTask(steps=3), EVERY, torch.tensor([0, 305]))
    torch.testing.assert_close(first.x[:, 0, 0], expected[:3], rtol=0, atol=1e-12)
    torch.testing.assert_close(first.targets[:, 0, 0], expected[1:4], rtol=0, atol=1e-12)
    torch.testing.assert_close(first.targets[-1, 1, 0], expected[308], rtol=0, atol=1e-12)  # 2008, the last


def test_sunspots_ask_for_the_next_years_number_or_whether_it_is_higher() -> None:
    starts, task = torch.tensor([0, 76]), SunspotsTask(steps=3)
    years = [[5.0, 11.0, 16.0, 23.0], [19.8, 92.5, 154.4, 125.9]]  # 1700 to 1703, 1776 to 1779
    lines = (presets() / "data" / "sunspots.csv").read_text().split()[1:]
    assert years == [[float(line.split(",")[1]) for line in lines[start : start + 4]] for start in (0, 76)]
    higher = [[numbers[t + 1] > numbers[t] for numbers in years] for t in range(3)]
    assert sunspots.windows(task, CLASSES_EVERY, starts).targets.tolist() == [[int(b) for b in row] for row in higher]
    assert sunspots.windows(task, CLASSES, starts).targets.tolist() == [1, 0]
    assert sunspots.windows(task, BINARY, starts).targets.tolist() == [[1.0], [0.0]]
    assert torch.equal(
        sunspots.windows(task, BINARY_EVERY, starts).targets[..., 0],
        sunspots.windows(task, CLASSES_EVERY, starts).targets.double(),
    )


def test_no_answer_about_the_sunspots_lies_in_another_part() -> None:
    task, series = SunspotsTask(steps=20, batch_size=16), sunspots.scaled()
    windows = {tuple(series[at : at + 21].tolist()): at + 1700 for at in range(289)}
    bounds = {"train": (1700, 1915), "validation": (1916, 1961), "test": (1962, 2008)}
    seen: dict[str, set[int]] = {part: set() for part in bounds}
    for part, (first, last) in bounds.items():
        for number in range(60 if part == "train" else sunspots_batches(task, part)):
            batch = tasks.batch(task, EVERY, 0, number, part=part)  # type: ignore[arg-type]
            rows = torch.cat([batch.x[..., 0], batch.targets[-1:, :, 0]]).T.tolist()
            seen[part] |= {windows[tuple(row)] for row in rows}
        assert min(seen[part]) + 1 == max(first, 1701), "the first answer is of the first year that has one before it"
        assert max(seen[part]) + 20 == last
    assert len(seen["validation"]) == 46 - 20 + 1
    assert len(seen["test"]) == 47 - 20 + 1
    for part in ("validation", "test"):
        count = own.batches(task, LAST, part) or 0
        drawn = [tasks.batch(task, LAST, 0, number, part=part) for number in range(count)]
        first, last = bounds[part]
        assert torch.equal(torch.cat([one.targets[:, 0] for one in drawn]), series[first - 1700 : last - 1699])
        assert torch.equal(torch.cat([one.x[-1, :, 0] for one in drawn]), series[first - 1701 : last - 1700])


def sunspots_batches(task: SunspotsTask, part: str) -> int:
    found = own.batches(task, EVERY, part)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_part_of_the_sunspots_too_short_for_a_window_says_so() -> None:
    with pytest.raises(DataError, match=r"46 years.*50 steps.*at most 46 steps"):
        tasks.batch(SunspotsTask(steps=50), EVERY, 0, 0, part="validation")
    with pytest.raises(DataError, match=r"47 years.*50 steps.*at most 47 steps"):
        tasks.batch(SunspotsTask(steps=50), EVERY, 0, 0, part="test")
    for part, years in (("validation", 46), ("test", 47)):
        assert tasks.batch(SunspotsTask(steps=years, batch_size=9), EVERY, 0, 0, part=part).x.shape == (years, 1, 1)  # type: ignore[arg-type]
        with pytest.raises(DataError, match=r"Windows of 216 steps.*none are held back; at most 215 steps"):
            tasks.batch(SunspotsTask(steps=216), LAST, 0, 0, part=part)  # type: ignore[arg-type]
        assert tasks.batch(SunspotsTask(steps=215, batch_size=60), LAST, 0, 0, part=part).x.shape[1] == years  # type: ignore[arg-type]
    assert own.batches(SunspotsTask(steps=50), EVERY, "validation") == 0


def test_windows_of_a_batch_differ_while_there_are_enough() -> None:
    few = tasks.batch(SunspotsTask(steps=300, batch_size=9), LAST, 0, 0)  # exactly 9 windows
    assert len({tuple(few.x[:, b, 0].tolist()) for b in range(9)}) == 9
    many = tasks.batch(SunspotsTask(steps=308, batch_size=4), LAST, 0, 0)
    assert many.x.shape == (308, 4, 1)
    assert torch.equal(many.x[:, 0], many.x[:, 3])  # only one window is that long
