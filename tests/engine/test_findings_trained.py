"""What was published of training, trained again: the quick runs of benchmarks.findings, held to the published numbers.
Counts of iterations with a margin of two or more, since they hang on seeds and rounding."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import pytest

from benchmarks.findings import __main__ as findings
from benchmarks.findings import adding, cliff, copying, gates, temporal_order
from benchmarks.findings.parts import Finding, Measured, Run, quiet, updates
from engine.checks import checked
from engine.spec import ClipSpec, LayerSpec

# -- the cliff --------------------------------------------------------------------------------------------------------


def by_hand(w: float, b: float) -> tuple[float, float, float]:
    """E, ∂E/∂w, ∂E/∂b by the chain rule, forward, in plain numbers."""
    x, dx_dw, dx_db = 0.5, 0.0, 0.0
    for _ in range(cliff.STEPS):
        s = cliff.sigmoid(x)
        slope = s * (1 - s)
        x, dx_dw, dx_db = w * s + b, s + w * slope * dx_dw, 1 + w * slope * dx_db
    y = cliff.sigmoid(x)
    factor = 2 * (y - 0.7) * y * (1 - y)
    return (y - 0.7) ** 2, factor * dx_dw, factor * dx_db


@pytest.mark.parametrize("clip", [None, 0.03])
def test_what_the_engine_trains_is_the_map_of_pascanu(clip: float | None) -> None:
    """Four units that share w, gates held, a read-out that stands still: step by step the descent on (w, b)."""
    w, b = cliff.START
    for point in itertools.islice(cliff.descent(cliff.START, clip), 6):
        error, dw, db = by_hand(w, b)
        assert point.error == pytest.approx(error, rel=1e-8)
        assert point.gradient == pytest.approx(math.hypot(dw, db), rel=1e-8)
        factor = 1.0 if clip is None else min(1.0, clip / math.hypot(dw, db))
        assert factor == 1.0 or factor < 0.7
        w, b = w - cliff.RATE * factor * dw, b - cliff.RATE * factor * db


def rows(monkeypatch: pytest.MonkeyPatch, points: list[cliff.Point]) -> list[Measured]:
    """What the unclipped run would say of these points."""
    monkeypatch.setattr(cliff, "descent", lambda _start: iter(points))
    return list(cliff._unclipped(quiet))


def test_every_row_of_the_unclipped_descent_can_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    w, b = cliff.START
    for point in itertools.islice(cliff.plain(cliff.START), 6):
        error, dw, db = by_hand(w, b)
        assert (point.error, point.gradient) == pytest.approx((error, math.hypot(dw, db)), rel=1e-10)
        w, b = w - cliff.RATE * dw, b - cliff.RATE * db
    path = list(itertools.islice(cliff.plain(cliff.START), 400))
    assert [row.agrees for row in rows(monkeypatch, path)] == [True] * 4
    assert [row.agrees for row in rows(monkeypatch, path[:200])] == [False] * 4, "it is never thrown away"
    other = [*path[:50], cliff.Point(path[50].error + 1e-6, 0.0), *path[51:]]
    assert [row.agrees for row in rows(monkeypatch, other)] == [False, True, True, True]
    early = [*path[:20], cliff.Point(path[20].error, 1e6), cliff.Point(path[21].error, 0.0)]
    assert [row.agrees for row in rows(monkeypatch, early)] == [True, False, False, False]


def test_at_the_wall_the_gradient_is_8_thousand_and_one_step_leaps_411_to_where_e_is_49() -> None:
    wall, after = itertools.islice(cliff.descent(cliff.AT_THE_WALL), 2)
    assert wall.gradient == pytest.approx(8.2e3, rel=0.01)
    assert cliff.RATE * wall.gradient == pytest.approx(411, abs=1)
    assert after.error == pytest.approx(0.49, abs=1e-6)
    assert after.gradient < 1e-100, "nothing leads back"


def test_with_a_rope_of_1_the_same_step_stays_in_the_valley() -> None:
    _, after = itertools.islice(cliff.descent(cliff.AT_THE_WALL, clip=1.0), 2)
    w, b = cliff.AT_THE_WALL
    _, dw, db = by_hand(w, b)
    norm = math.hypot(dw, db)
    error, *_ = by_hand(w - cliff.RATE * dw / norm, b - cliff.RATE * db / norm)
    assert after.error == pytest.approx(error, rel=1e-4)
    assert 1e-3 < after.gradient < 1e3


def test_the_clipped_descent_ends_below_1e_4() -> None:
    """From 68 steps before its end, so that a factor of 2 is 136; the whole way is a run of benchmarks.findings."""
    errors = [point.error for point in itertools.islice(cliff.descent(cliff.NEAR_THE_END, clip=1.0), 137)]
    assert min(errors[:34]) > 1e-4
    assert min(errors) < 1e-4


# -- the other quick ones ---------------------------------------------------------------------------------------------


def run_of(finding: Finding, name: str) -> Run:
    return next(run for run in finding.runs if run.name == name)


@pytest.mark.parametrize(
    ("finding", "name", "rows"),
    [(copying.FINDING, "delay 30", 2), (gates.FORGET_BIAS, "order", 5), (gates.CHRONO_FINDING, "ratios", 3)],
    ids=["copy plateau", "forget bias", "chrono"],
)
def test_a_quick_finding_is_as_it_was_published(finding: Finding, name: str, rows: int) -> None:
    measured = run_of(finding, name).measure(quiet)
    assert len(measured) == rows
    for row in measured:
        assert row.agrees, f"{row.what}: {row.value}, published {row.published}"


def test_the_plateau_of_copy_memory_is_ten_ln_eight_over_the_steps() -> None:
    """What the rows are held to, in the published digits."""
    assert {delay: f"{10 * math.log(8) / (delay + 20):.4f}" for delay in (30, 100)} == copying.PUBLISHED


# -- the others are there ---------------------------------------------------------------------------------------------


def test_every_experiment_of_the_long_ones_can_be_trained() -> None:
    """Those take minutes; here their specs alone."""
    for clip in (ClipSpec(), ClipSpec(kind="norm")):
        task = checked(temporal_order.experiment(clip, 0)).task
        assert (task.steps, task.batch_size) == (30, 20)
    for layer in (
        LayerSpec(cell="gru", hidden_size=32),
        LayerSpec(cell="lstm", hidden_size=64, init=gates.INITS["chrono"]),
    ):
        checked(adding.experiment(layer, 0.01, 0))


def test_a_row_agrees_within_a_factor_of_two_and_not_where_nothing_was_reached() -> None:
    assert updates("", 250, "", 200, 400).agrees
    assert updates("", 100, "", 200, 400).agrees
    assert updates("", 800, "", 200, 400).agrees
    assert not updates("", 99, "", 200, 400).agrees
    assert not updates("", 801, "", 200, 400).agrees
    assert not updates("", math.nan, "", 200, 400).agrees
    assert updates("", math.nan, "", 200).shown == "not reached"
    assert Measured("", 0.123456, "").shown == "0.123"
    assert updates("", 1440, "", 1440).shown == "1,440 updates"


def test_one_command_lists_runs_and_writes_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings.main(["--list"]) == 0
    listed = capsys.readouterr().out
    for finding in findings.FINDINGS:
        assert finding.slug in listed
    good = Run("good", lambda tell: (Measured("it is", 1.0, "1", 0.5, 2.0),), 0.1, quick=True)
    bad = Run("bad", lambda tell: (Measured("it is not", math.nan, "1", 0.5, 2.0),), 0.1, quick=True)
    long = Run("long", lambda tell: pytest.fail("it is not quick"), 100)
    monkeypatch.setattr(findings, "FINDINGS", (Finding("one", "One", "A paper", "so", (good, bad, long)),))
    assert findings.main(["one", "--quick", "--json", str(tmp_path / "rows.json")]) == 1
    out = capsys.readouterr().out
    assert "1 rows agree with what was published, 1 differ." in out
    assert "Not run: one (long)." in out
    assert out.count("DIFFERS") == 1
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert [(row["run"], row["value"], row["agrees"]) for row in rows] == [
        ("good", 1.0, True),
        ("bad", None, False),
        ("long", None, None),
    ]
    assert findings.main(["one", "--only", "good"]) == 0
    with pytest.raises(SystemExit):
        findings.main(["two"])
    assert "there is no finding 'two'; there are one" in capsys.readouterr().err


def interrupted(_tell: object) -> tuple[Measured, ...]:
    raise KeyboardInterrupt


def failing(_tell: object) -> tuple[Measured, ...]:
    raise OSError("no data")


def one_with(monkeypatch: pytest.MonkeyPatch, *runs: Run) -> None:
    monkeypatch.setattr(findings, "FINDINGS", (Finding("one", "One", "A paper", "so", runs),))


GOOD = Run("good", lambda tell: (Measured("it is", 1.0, "1", 0.5, 2.0),), 0.1, quick=True)


def test_whoever_interrupts_keeps_the_rows_that_are_there(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_with(monkeypatch, GOOD, Run("long", interrupted, 100), Run("after", interrupted, 100))
    assert findings.main(["--json", str(tmp_path / "rows.json")]) == 130
    out, err = capsys.readouterr()
    assert "it is" in out
    assert "1 rows agree with what was published, 0 differ." in out
    assert "Not run: one (long), one (after)." in out
    assert err == "Interrupted: what is above was measured.\n"
    rows = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert [(row["run"], row["value"]) for row in rows] == [("good", 1.0)]


def test_a_run_that_fails_is_said_ends_with_1_and_takes_no_other_with_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one_with(monkeypatch, Run("bad", failing, 0.1), GOOD)
    assert findings.main([]) == 1
    out = capsys.readouterr().out
    assert "bad: FAILED, OSError: no data" in out
    assert "1 rows agree with what was published, 0 differ." in out
    assert "Failed: one (bad)." in out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["onn"], "there is no finding 'onn'; did you mean one?"),
        (["--only", "nothing"], "no run of one is that"),
        (["--json", "/nowhere/rows.json"], "/nowhere/rows.json cannot be written"),
    ],
)
def test_what_cannot_be_run_or_written_is_said_before_anything_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str], said: str
) -> None:
    one_with(monkeypatch, Run("never", lambda tell: pytest.fail("it was run"), 0.1))
    with pytest.raises(SystemExit) as ended:
        findings.main(argv)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
