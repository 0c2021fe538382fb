"""A judgement is what a plain torch model, evaluated by hand, comes to: in the data's units, over what counts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_cases import OPTIMIZERS, PlainTorch, experiment

from engine import judged_draws, judging, tasks
from engine.data import TextChoices, import_text, look_at, store
from engine.data.datasets import SeriesData
from engine.errors import DataError, SpecError
from engine.judging import answers
from engine.network import Network
from engine.operations import run
from engine.parts import Part
from engine.requests import Weights
from engine.spec import (
    AddingTask,
    CopyTask,
    Experiment,
    LayerSpec,
    ModelSpec,
    ParityTask,
    ReadoutSpec,
    ReberTask,
    RecurrentDropoutSpec,
    SeriesTask,
    SinesTask,
    Split,
    SunspotsTask,
    TemporalOrderTask,
    WhatIf,
)
from engine.tasks import Batch, sunspots
from engine.tasks import text as text_tasks
from engine.training_requests import Judge, Judged, Train


def trained(given: Experiment, iterations: int = 5) -> Weights:
    found: Weights = run("train", Train(given, None, 0, iterations)).weights
    return found


def judged(given: Experiment, weights: Weights | None = None, **of: Any) -> Judged:
    found: Judged = run("judge", Judge(given, weights, **of))
    return found


def of(cell: Any, task: Any, at: Any = "last", loss: Any = "mse", **more: Any) -> Experiment:
    layer = LayerSpec(cell=cell, hidden_size=4, **more.pop("layer", {}))
    model = ModelSpec(layers=(layer,), readout=ReadoutSpec(at=at), loss=loss)
    return experiment(model=model, task=task, dtype="float64", **more)


def test_the_loss_and_the_error_of_numbers_are_torchs() -> None:
    given = of("lstm", AddingTask(steps=6, batch_size=3), learning_rate=0.05, optimizer=OPTIMIZERS["adam"])
    weights = trained(given)
    plain = PlainTorch(given)
    plain.load_state_dict(
        {PlainTorch.name(n): torch.from_numpy(w.copy()) for n, w in weights.items() if not n.startswith("optimizer")}
    )
    batches = [tasks.batch(given.task, given.model, given.seed, n, part="validation") for n in range(4)]
    x, targets = torch.cat([b.x for b in batches], 1), torch.cat([b.targets for b in batches])
    with torch.no_grad():
        answers = plain(x)
    found = judged(given, weights, shown=5)
    squares = (answers - targets).square()
    assert found.loss == pytest.approx(squares.mean().item(), rel=1e-12)
    assert (found.metric, found.shape, found.labels, found.confusion) == ("rmse", "value", (), None)
    assert found.value == pytest.approx(squares.mean().sqrt().item(), rel=1e-12)
    assert found.baseline == pytest.approx(1 / 6)
    np.testing.assert_allclose(found.predictions, answers[:5].numpy(), rtol=1e-12)
    np.testing.assert_array_equal(found.targets, targets[:5].numpy())
    np.testing.assert_array_equal(found.inputs, x[:, :5].transpose(0, 1).numpy())
    assert found.lengths.tolist() == [6] * 5
    assert found.probabilities is None
    assert judged(given, weights, part="test").loss != found.loss


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("at", ["mean", "every"])
def test_classes_are_counted_at_the_steps_that_are_there(loss: Any, at: Any) -> None:
    given = of("gru", AddingTask(steps=6, batch_size=4, shortest=2), at, loss)
    network = Network(given)
    total, right, answers, matrix = 0.0, 0, 0, np.zeros((2, 2), int)
    for n in range(3):
        b = tasks.batch(given.task, given.model, given.seed, n, part="validation")
        trace = network.trace(batch=b)
        logits: Tensor = trace.outputs
        p = logits.softmax(-1) if loss == "cross_entropy" else torch.cat([1 - logits.sigmoid(), logits.sigmoid()], -1)
        assert b.lengths is not None
        for sample in range(4):
            for t in range(int(b.lengths[sample])) if at == "every" else (None,):
                place = sample if t is None else (t, sample)
                truth = int(b.targets[place])
                total -= p[place][truth].log().item()
                right += int(p[place].argmax()) == truth
                matrix[truth, int(p[place].argmax())] += 1
                answers += 1
    found = judged(given, sequences=12)
    assert found.loss == pytest.approx(total / answers, rel=1e-10)
    assert found.value == right / answers
    assert found.metric == "accuracy"
    assert found.confusion is not None
    assert np.array_equal(found.confusion, matrix)
    assert found.labels == ("no", "yes")
    assert found.shape == ("tag" if at == "every" else "class")
    assert found.probabilities is not None
    real = ~np.isnan(found.predictions)
    assert real.sum(1).tolist() == (found.lengths.tolist() if at == "every" else [1] * 8)
    np.testing.assert_allclose(found.probabilities[real].sum(-1), 1.0)
    assert np.array_equal(found.probabilities[real].argmax(-1), found.predictions[real])
    assert np.array_equal(np.isnan(found.targets), ~real)


def test_the_metric_counts_what_is_judged_and_the_loss_everything() -> None:
    given = of("rnn", CopyTask(delay=3, batch_size=5), "every", "cross_entropy")
    found = judged(given, sequences=10)
    assert found.confusion is not None
    assert found.confusion.sum() == 2 * 5 * 10
    assert found.confusion[0].sum() == 0, "no blank is asked for"
    assert found.labels[:2] == ("blank", "1")
    assert found.inputs.shape == (8, 23)
    b = tasks.batch(given.task, given.model, given.seed, 0, part="validation")
    assert np.array_equal(found.inputs[:5], b.x.argmax(-1).T.numpy())


def test_the_reber_grammar_is_judged_by_its_last_symbol_but_one() -> None:
    given = of("gru", ReberTask(steps=20, batch_size=6), "every", "cross_entropy")
    found = judged(given, sequences=12)
    assert found.confusion is not None
    assert found.confusion.sum() == 12
    assert {symbol for symbol, row in zip(found.labels, found.confusion, strict=True) if row.sum()} <= {"T", "P"}
    assert (found.free, found.written) == (None, None)


def test_a_temporal_order_has_four_classes_with_names() -> None:
    found = judged(of("rnn", TemporalOrderTask(steps=12, batch_size=7), "last", "cross_entropy"))
    assert found.labels == ("AA", "AB", "BA", "BB")
    assert found.confusion is not None
    assert found.confusion.shape == (4, 4)
    assert found.confusion.sum() == 28
    assert found.baseline == pytest.approx(np.log(4))


@pytest.mark.parametrize(("part", "first", "last"), [("validation", 1916, 1961), ("test", 1962, 2008)])
def test_every_year_held_back_is_forecast_once(part: Part, first: int, last: int) -> None:
    given = of("gru", SunspotsTask(steps=9, batch_size=10), "last", learning_rate=0.1)
    weights = trained(given, 30)
    found = judged(given, weights, sequences=90, shown=3, part=part)
    assert found.forecasts is not None
    assert found.forecasts.noun == "year"
    assert found.forecasts.places.tolist() == list(range(first, last + 1))
    due = sunspots.series()[first - 1700 : last - 1699].numpy()
    np.testing.assert_allclose(found.forecasts.targets, due, rtol=1e-12, atol=1e-12)
    misses = found.forecasts.predictions - due
    assert found.value == pytest.approx(float(np.sqrt((misses**2).mean())), rel=1e-12)
    gru, out = nn.GRU(1, 4, dtype=torch.float64), nn.Linear(4, 1, dtype=torch.float64)
    network = Network(given, weights)
    gru.load_state_dict({n: w for n, w in network.weights.items() if not n.startswith("readout")})
    out.load_state_dict({n.removeprefix("readout."): w for n, w in network.weights.items() if n.startswith("readout")})
    size, shift = sunspots.series()[:216].std(correction=0).item(), sunspots.series()[:216].mean().item()
    read = (sunspots.series()[first - 1700 - 9 : first - 1700, None, None] - shift) / size
    assert found.forecasts.predictions[0] == pytest.approx(out(gru(read)[0][-1]).item() * size + shift, rel=1e-10)


def test_where_a_part_has_more_than_is_judged_it_is_judged_evenly_and_says_so() -> None:
    """46 years, 1916 to 1961: 4 of them are the first, the last, and those a third and two thirds of 45 years on. They
    are the same ones whatever the batch size."""
    given = of("gru", SunspotsTask(steps=9, batch_size=1), "last")
    found = judged(given, None, sequences=4, shown=0)
    assert found.forecasts is not None
    assert found.forecasts.places.tolist() == [1916, 1916 + 15, 1916 + 30, 1961]
    assert (found.sequences, found.there) == (4, 46)
    twos = judged(of("gru", SunspotsTask(steps=9, batch_size=2), "last"), None, sequences=4, shown=0)
    assert twos.loss == pytest.approx(found.loss, rel=1e-12)
    whole = judged(given, None, sequences=100, shown=0)
    assert (whole.sequences, whole.there) == (46, 46)
    drawn = judged(of("gru", AddingTask(steps=5, batch_size=3), "last"), None, sequences=10, shown=0)
    assert (drawn.sequences, drawn.there) == (12, None), "whole batches of 3"


@pytest.mark.parametrize("batch_size", [10, 2, 1])
def test_a_small_part_is_judged_whole_where_nobody_says_how_much(batch_size: int) -> None:
    """46 years are no more than 300, in batches of whatever size."""
    found = judged(of("gru", SunspotsTask(steps=9, batch_size=batch_size), "last"), None, shown=0)
    assert (found.sequences, found.there) == (46, 46)
    drawn = judged(of("rnn", AddingTask(steps=5, batch_size=3), "last"), None, shown=0)
    assert (drawn.sequences, drawn.there) == (12, None)


@pytest.mark.parametrize(("most", "count"), [(None, 46), (17, 17), (1, 1)])
def test_what_a_part_held_back_comes_to_does_not_depend_on_the_batch_size(
    most: int | None, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sunspots of 1916 to 1961, whole or so many of them, against every window forecast by itself with torch. Few
    at once, so that there are several passes."""
    monkeypatch.setattr(judged_draws, "_NUMBERS", 2000)
    if most is not None:
        monkeypatch.setattr(judged_draws, "USUAL_SEQUENCES", most)
    size = {"rel": 1e-12, "abs": 0.0}
    found = {B: judged(of("gru", SunspotsTask(steps=9, batch_size=B), "last"), shown=0) for B in (4, 8, 32)}
    given = of("gru", SunspotsTask(steps=9, batch_size=32), "last")
    network, places = Network(given), [round(n * 45 / max(1, count - 1)) for n in range(count)]
    losses, taken = [], found[4].forecasts
    assert taken is not None
    for year in taken.places.tolist():
        window = sunspots.windows(given.task, given.model, torch.tensor([year - 9 - 1700]))  # type: ignore[arg-type]
        losses.append(float(network.trace(batch=window).loss))
    assert [abs(year - 1916 - place) <= 1 for year, place in zip(taken.places.tolist(), places, strict=True)]
    assert taken.places[0] == 1916
    assert taken.places[-1] == (1916 if count == 1 else 1961)
    for one in found.values():
        assert (one.sequences, one.there) == (count, 46)
        assert one.loss == pytest.approx(np.mean(losses), **size)
        assert one.baseline == pytest.approx(found[4].baseline, **size)
        assert one.value == pytest.approx(found[4].value, **size)
        assert one.forecasts is not None
        assert one.forecasts.places.tolist() == taken.places.tolist()


def test_a_long_text_is_judged_over_all_of_it_whatever_the_batch_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The validation part has 1,500 symbols. One in ten of the first 1,300 is a b, and of the last 200 each: whoever
    leaves out the end knows nothing of them."""
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    (tmp_path / "a.txt").write_text(("a" * 9 + "b") * 830 + "b" * 200 + ("a" * 9 + "b") * 150)
    found = []
    for order in ("stream", "shuffled"):
        for batch_size in (4, 8, 32):
            choices = TextChoices(steps=4, batch_size=batch_size, order=order)  # type: ignore[arg-type]
            task = import_text(look_at(tmp_path / "a.txt"), choices)
            found.append(judged(of("gru", task, "every", "cross_entropy"), shown=0))
    assert all(one.there is not None and one.there > 300 and one.sequences == 300 for one in found)
    assert [one.loss for one in found] == pytest.approx([found[0].loss] * 6, rel=1e-12)
    assert found[0].confusion is not None
    truth = found[0].confusion.sum(1)
    assert truth[found[0].labels.index("b")] / truth.sum() == pytest.approx(0.1 * (1300 / 1500) + 200 / 1500, abs=0.02)


def test_batch_normalisation_takes_its_means_over_as_many_as_in_training() -> None:
    layer = {"batch_norm": True}
    given = of("gru", SunspotsTask(steps=9, batch_size=23), "last", layer=layer)
    found = judged(given, shown=0)
    halves = [tasks.batch(given.task, given.model, 0, n, part="validation") for n in range(2)]
    losses = [float(Network(given).trace(batch=half).loss) for half in halves]
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-12)


def test_windows_of_training_that_come_twice_are_one_forecast() -> None:
    given = of("gru", SunspotsTask(steps=200, batch_size=40), "last")
    found = judged(given, None, sequences=160, shown=2, part="train")
    assert found.forecasts is not None
    assert found.forecasts.places.tolist() == list(range(1900, 1916)), "16 windows, each in each of 4 batches twice"


def test_a_series_is_judged_in_its_own_units() -> None:
    given = of("gru", SunspotsTask(steps=9, batch_size=50), "every", learning_rate=0.1)
    weights = trained(given, 30)
    found = judged(given, weights, sequences=450, shown=3, free_running=5)
    network = Network(given, weights)
    batch = tasks.batch(given.task, given.model, 0, 0, part="validation")
    assert batch.x.shape[1] == 46 - 9 + 1, "all windows with their answers in 1916-1961, once"
    outputs = network.trace(batch=batch).outputs
    size, shift = sunspots.series()[:216].std(correction=0).item(), sunspots.series()[:216].mean().item()
    assert found.loss == pytest.approx((outputs - batch.targets).square().mean().item(), rel=1e-12)
    assert found.value == pytest.approx(found.loss**0.5 * size, rel=1e-12)
    years = sunspots.series()[215 : 215 + 10].numpy()
    np.testing.assert_allclose(found.inputs[0, :, 0], years[:-1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.targets[0], years[1:], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.predictions[0], (outputs[:, 0, 0] * size + shift).numpy(), rtol=1e-10)
    np.testing.assert_allclose(found.errors, (found.predictions - found.targets) ** 2, rtol=1e-12)
    learned = sunspots.scaled()[:216]
    windows = torch.stack([learned[s + 1 : s + 10] for s in range(216 - 9)])
    assert found.baseline == pytest.approx((batch.targets - windows.mean()).square().mean().item(), rel=1e-10)
    gru, out = nn.GRU(1, 4, dtype=torch.float64), nn.Linear(4, 1, dtype=torch.float64)
    gru.load_state_dict({n: w for n, w in network.weights.items() if not n.startswith("readout")})
    out.load_state_dict({n.removeprefix("readout."): w for n, w in network.weights.items() if n.startswith("readout")})
    x, said = batch.x[:, :1], []
    for _ in range(5):
        said.append(out(gru(x)[0][-1]).item())
        x = torch.cat([x, torch.full((1, 1, 1), said[-1], dtype=torch.float64)])
    assert found.free is not None
    np.testing.assert_allclose(found.free[0], np.array(said) * size + shift, rtol=1e-10)


def test_a_network_is_judged_without_its_dropout_and_with_its_what_if() -> None:
    layer = {"dropout": 0.5, "recurrent_dropout": RecurrentDropoutSpec(p=0.5)}
    given = of("gru", AddingTask(steps=6, batch_size=3), layer=layer)
    plain = of("gru", AddingTask(steps=6, batch_size=3))
    assert judged(given).loss == judged(plain).loss
    assert judged(given).loss == judged(given).loss
    what_if = WhatIf(recurrent_scale=2.0)
    batch = [tasks.batch(plain.task, plain.model, 0, n, part="validation") for n in range(4)]
    losses = [float(Network(plain, what_if=what_if).trace(batch=b).loss) for b in batch]
    assert judged(given, what_if=what_if).loss == pytest.approx(np.mean(losses), rel=1e-12)


def test_a_text_is_judged_by_its_own_symbols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "data"))
    (tmp_path / "a.txt").write_text("the cat sat on the mat. " * 60, encoding="utf-8")
    task = import_text(look_at(tmp_path / "a.txt"), TextChoices(steps=8, batch_size=4))
    given = of("gru", task, "every", "cross_entropy", optimizer=OPTIMIZERS["adam"], learning_rate=0.02)
    found = judged(given, free_running=6, shown=2)
    assert set("the cat") <= set(found.labels)
    said = "".join(found.labels[int(symbol)] for symbol in found.inputs[0])
    assert said in "the cat sat on the mat. " * 3
    assert found.shape == "symbol"
    assert found.free is not None
    assert found.free.shape == (2, 6)
    assert found.baseline is not None
    after = judged(given, trained(given, 150))
    assert after.loss < 0.7 * found.baseline
    assert after.value > found.value


def test_whatever_is_judged_repeats_and_cannot_be_written_to() -> None:
    given = of("rnn", ParityTask(steps=5, batch_size=4), "every", "binary_cross_entropy")
    one, other = judged(given), judged(given)
    assert one.loss == other.loss
    for array in (one.inputs, one.predictions, one.probabilities, one.targets, one.confusion, one.lengths):
        assert array is not None
        assert not array.flags.writeable
    assert judged(given, shown=0).predictions.shape[0] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"part": "training"}, "part is 'training'; train, validation, test"),
        ({"sequences": 0}, "sequences is 0"),
        ({"shown": -1}, "shown is -1"),
        ({"free_running": 5}, "the adding problem"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_sentence(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        judged(experiment(), **change)


def test_a_part_without_data_is_a_sentence() -> None:
    given = of("gru", SunspotsTask(steps=100, batch_size=4), "every")
    with pytest.raises(DataError, match="validation part"):
        judged(given)


def test_a_whole_state_is_judged_by_its_parameters() -> None:
    given = msgspec.structs.replace(of("gru", AddingTask(steps=5, batch_size=2), optimizer=OPTIMIZERS["adam"]))
    state = trained(given)
    bare = {name: array for name, array in state.items() if not name.startswith("optimizer")}
    assert judged(given, state).loss == judged(given, bare).loss


@pytest.mark.parametrize("at", ["last", "every", "mean", "attention"])
def test_a_forward_pass_alone_answers_as_the_trace_does(at: Any) -> None:
    layers = (
        LayerSpec(cell="lstm", hidden_size=3, bidirectional=True, batch_norm=True),
        LayerSpec(cell="gru", hidden_size=6, residual=True, layer_norm=True),
        LayerSpec(cell="rnn", hidden_size=3, bidirectional=True, residual=True),
    )
    model = ModelSpec(layers=layers, readout=ReadoutSpec(at=at))
    network = Network(experiment(model=model, task=AddingTask(steps=6, batch_size=40, shortest=4), dtype="float64"))
    batch = network.batch(2)
    trace = network.trace(batch=batch)
    outputs, losses = answers(network, batch)
    torch.testing.assert_close(outputs, trace.outputs, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(losses.sum(), trace.loss, rtol=1e-12, atol=1e-14)
    assert not outputs.requires_grad


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(("batch_size", "steps"), [(1, 5), (4, 7), (3, 6), (50, 9)])
def test_carried_states_make_one_pass_of_the_whole_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: Any, batch_size: int, steps: int
) -> None:
    """Against one long sequence for every stream, put together from the text itself."""
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    (tmp_path / "a.txt").write_text("".join(chr(97 + (n * n + n // 7) % 11) for n in range(3000)))
    choices = TextChoices(steps=steps, batch_size=min(batch_size, 8), order="stream")
    task = msgspec.structs.replace(import_text(look_at(tmp_path / "a.txt"), choices), batch_size=batch_size)
    layers = (LayerSpec(cell=cell, hidden_size=3), LayerSpec(cell="rnn", hidden_size=2))
    model = ModelSpec(layers=layers, readout=ReadoutSpec(at="every"), loss="cross_entropy")
    given = experiment(model=model, task=task, dtype="float64", carry=True)
    network, found = Network(given), judged(given, sequences=10_000)
    text = text_tasks.prepared(task)
    first, behind = text.parts["validation"]
    count = (behind - first - 1) // steps
    streams = min(batch_size, count)
    lengths = [count // streams + (row < count % streams) for row in range(streams)]
    total, begin = 0.0, first
    for length in lengths:
        piece = torch.from_numpy(text.numbers[begin : begin + length * steps + 1].astype(np.int64))[:, None]
        whole = Batch(piece[:-1], piece[1:]).one_hot(task.symbols).to(torch.float64, "cpu")
        _, losses = answers(network, whole)
        total += float(losses.sum()) * length * steps
        begin += length * steps
    assert begin == first + count * steps, "every piece once"
    assert found.loss == pytest.approx(total / (count * steps), rel=1e-12)
    forgetful = msgspec.structs.replace(given, training=msgspec.structs.replace(given.training, carry=False))
    assert (judged(forgetful, sequences=10_000).loss == pytest.approx(found.loss, rel=1e-12)) == (max(lengths) == 1)


def test_what_runs_free_goes_on_from_the_states_that_were_carried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    (tmp_path / "a.txt").write_text("".join(chr(97 + (n * n + n // 7) % 11) for n in range(3000)))
    task = import_text(look_at(tmp_path / "a.txt"), TextChoices(steps=5, batch_size=1, order="stream"))
    model = ModelSpec(
        layers=(LayerSpec(cell="rnn", hidden_size=3),), readout=ReadoutSpec(at="every"), loss="cross_entropy"
    )
    given = experiment(model=model, task=task, dtype="float64", carry=True)
    asked: list[Any] = []

    def watched(network: Any, batch: Any, count: int, number: int = 0, initial: Any = None) -> Tensor:
        asked.append(initial["l0"]["h"])
        return torch.zeros(batch.x.shape[1], count)

    monkeypatch.setattr(judging, "run_free", watched)
    judged(given, shown=2, free_running=3)
    network = Network(given)
    first = tasks.batch(task, model, given.seed, 0, torch.float64, part="validation")
    after = network.trace(batch=first).layers["l0"].values["h"][-1]
    torch.testing.assert_close(asked[0], torch.cat([torch.zeros(1, 3, dtype=torch.float64), after]))


@pytest.mark.parametrize("at", ["every", "last"])
def test_beside_what_runs_free_stands_what_came_up_to_the_end_of_the_part(at: Any) -> None:
    """Validation is asked about 1916 to 1961."""
    found = judged(of("gru", SunspotsTask(steps=9, batch_size=5), at), sequences=100, shown=100, free_running=4)
    assert found.came is not None
    assert found.came.shape == found.free.shape == (46 if at == "last" else 46 - 8, 4)
    numbers = {1700 + n: float(one) for n, one in enumerate(sunspots.series())}
    for n, came in enumerate(found.came):
        first = (1916 if at == "last" else 1924) + n
        assert found.targets[n, -1] == pytest.approx(numbers[first])
        due = [numbers[year] if (year := first + k) <= 1961 else math.nan for k in range(4)]
        assert came == pytest.approx(due, nan_ok=True)


def test_what_came_goes_over_no_gap_and_no_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 rows, row n holds n; the second half is for the test, row 40 is missing, and row 50 follows a jump."""
    monkeypatch.setenv("GRADFLOW_DATA", str(tmp_path / "store"))
    values, nan = np.arange(60.0)[:, None], math.nan
    values[40] = nan
    data = store.put(SeriesData(("a",), values, "leave_out", np.array([50])))
    split = Split(train=0.5, validation=0.0)
    task = SeriesTask(data=data, columns=("a",), target="a", steps=3, batch_size=50, split=split, scaling="none")
    found = judged(of("rnn", task), part="test", shown=50, free_running=4)
    assert found.came is not None
    due = {row[-1, 0] + 1: came for row, came in zip(found.inputs, found.came, strict=True)}
    assert due[30].tolist() == [30.0, 31.0, 32.0, 33.0]
    assert due[38] == pytest.approx([38.0, 39.0, nan, nan], nan_ok=True), "the next is missing"
    assert due[48] == pytest.approx([48.0, 49.0, nan, nan], nan_ok=True), "the next is no step on"
    assert due[57] == pytest.approx([57.0, 58.0, 59.0, nan], nan_ok=True), "the end"
    sines = judged(of("rnn", SinesTask(steps=5, batch_size=3)), shown=3, free_running=4)
    assert (sines.came, sines.free.shape) == (None, (3, 4)), "of what is generated nothing more is known"
