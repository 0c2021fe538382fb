"""The tasks: batches that repeat to the bit, and hold what their documentation says."""

from __future__ import annotations

import math

import pytest
import torch

from engine import tasks
from engine.folders import presets
from engine.parameters import input_size, output_size
from engine.spec import AddingTask, ModelSpec, ReadoutSpec, SunspotsTask, Task
from engine.tasks import sunspots

LAST = ModelSpec(layers=())
EVERY = ModelSpec(layers=(), readout=ReadoutSpec(at="every"))
CLASSES = ModelSpec(layers=(), loss="cross_entropy")
CLASSES_EVERY = ModelSpec(layers=(), readout=ReadoutSpec(at="every"), loss="cross_entropy")
TASKS: list[Task] = [AddingTask(steps=9, batch_size=5), SunspotsTask(steps=9, batch_size=5)]
MODELS = [LAST, EVERY, CLASSES, CLASSES_EVERY]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_the_same_seed_and_iteration_give_the_same_bits_and_others_do_not(task: Task, model: ModelSpec) -> None:
    first = tasks.batch(task, model, 3, 7)
    torch.rand(3)  # the global generator has no say
    again = tasks.batch(task, model, 3, 7)
    assert torch.equal(first.x, again.x)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.x, tasks.batch(task, model, 4, 7).x)
    assert not torch.equal(first.x, tasks.batch(task, model, 3, 8).x)


@pytest.mark.parametrize("task", TASKS)
def test_the_global_generator_is_left_alone(task: Task) -> None:
    before = torch.get_rng_state()
    tasks.batch(task, LAST, 0, 0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_float32_is_the_rounded_float64(task: Task, model: ModelSpec) -> None:
    wide, narrow = tasks.batch(task, model, 0, 0, torch.float64), tasks.batch(task, model, 0, 0, torch.float32)
    assert narrow.x.dtype == torch.float32
    assert torch.equal(wide.x.float(), narrow.x)
    assert torch.equal(wide.targets.to(narrow.targets.dtype), narrow.targets)


@pytest.mark.parametrize("task", TASKS)
def test_shapes_and_types(task: Task) -> None:
    D = input_size(task)
    for model in MODELS:
        batch = tasks.batch(task, model, 0, 0)
        every, classes = model.readout.at == "every", model.loss == "cross_entropy"
        assert batch.x.shape == (9, 5, D)
        assert batch.targets.shape == ((9, 5) if every else (5,)) + (() if classes else (1,))
        assert batch.targets.dtype == (torch.int64 if classes else torch.float64)
        assert output_size(model) == (2 if classes else 1)


def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum() -> None:
    T, B = 11, 400
    task = AddingTask(steps=T, batch_size=B)
    batch = tasks.batch(task, LAST, 0, 0)
    numbers, marks = batch.x[..., 0], batch.x[..., 1]
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


def test_adding_of_two_steps_marks_both() -> None:
    batch = tasks.batch(AddingTask(steps=2, batch_size=3), LAST, 0, 0)
    assert torch.equal(batch.x[..., 1], torch.ones(2, 3, dtype=torch.float64))


def test_ignoring_the_input_of_the_adding_problem_costs_a_sixth() -> None:
    """Always answering 1 costs the variance of a sum of two U(0, 1)."""
    task = AddingTask(steps=4, batch_size=4096)
    targets = tasks.batch(task, LAST, 0, 0).targets
    # Standard error of the mean of (sum − 1)²: √(E[(s−1)⁴] − 1/36)/64 = √(1/15 − 1/36)/64 = .0031.
    assert float((targets - 1).square().mean()) == pytest.approx(1 / 6, abs=4 * 0.0031)


def test_the_sunspots_are_the_file_scaled_to_zero_mean_and_unit_variance() -> None:
    lines = (presets() / "data" / "sunspots.csv").read_text().split()[1:]
    numbers = [float(line.split(",")[1]) for line in lines]
    assert len(numbers) == 309
    assert numbers[:4] == [5.0, 11.0, 16.0, 23.0]  # 1700 to 1703
    mean = sum(numbers) / 309
    deviation = math.sqrt(sum((n - mean) ** 2 for n in numbers) / 309)
    expected = torch.tensor([(n - mean) / deviation for n in numbers], dtype=torch.float64)
    torch.testing.assert_close(sunspots.scaled(), expected, rtol=0, atol=1e-12)

    first = sunspots.windows(SunspotsTask(steps=3), EVERY, torch.tensor([0, 305]))
    torch.testing.assert_close(first.x[:, 0, 0], expected[:3], rtol=0, atol=1e-12)
    torch.testing.assert_close(first.targets[:, 0, 0], expected[1:4], rtol=0, atol=1e-12)
    torch.testing.assert_close(first.targets[-1, 1, 0], expected[308], rtol=0, atol=1e-12)  # 2008, the last
    assert sunspots.windows(SunspotsTask(steps=3), CLASSES, torch.tensor([0])).targets.tolist() == [1]  # 23 > 16


def test_windows_of_a_batch_differ_while_there_are_enough() -> None:
    few = tasks.batch(SunspotsTask(steps=300, batch_size=9), LAST, 0, 0)  # exactly 9 windows
    assert len({tuple(few.x[:, b, 0].tolist()) for b in range(9)}) == 9
    many = tasks.batch(SunspotsTask(steps=308, batch_size=4), LAST, 0, 0)
    assert many.x.shape == (308, 4, 1)
    assert torch.equal(many.x[:, 0], many.x[:, 3])  # only one window is that long
