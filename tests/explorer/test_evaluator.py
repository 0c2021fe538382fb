"""When something is judged: by itself once the stage rests, at once where somebody asks, never two at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from judgements import experiment, judged
from pytestqt.qtbot import QtBot
from slow_courier import SlowCourier

from engine.requests import Computed
from engine.training_requests import Judge
from explorer.evaluation import evaluator as asking
from explorer.evaluation.answers import Answers
from explorer.evaluation.evaluator import CHANNEL, Evaluator, Extent, Standing, Subject

GIVEN = experiment()


def of(trace: int) -> Subject:
    return Subject(trace, Computed(GIVEN, {"w": np.zeros(1)}, iteration=10 * trace))


def answer(**more: Any) -> Any:
    chances = np.tile([0.5, 0.5], (1, 1, 1))
    return judged("tag", probabilities=chances, labels=("no", "yes"), **more)


class Rig:
    def __init__(self) -> None:
        self.courier = SlowCourier()
        self.cancelled: list[str] = []
        self.courier.cancel = self.cancelled.append  # type: ignore[attr-defined]
        self.evaluator = Evaluator(self.courier)  # type: ignore[arg-type]
        self.results: list[Answers | None] = []
        self.standings: list[Standing] = []
        self.evaluator.resultChanged.connect(self.results.append)
        self.evaluator.standingChanged.connect(self.standings.append)

    @property
    def asked(self) -> int:
        return self.courier.count(CHANNEL)


@pytest.fixture
def rig(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(asking, "_QUIET_MS", 1)
    monkeypatch.setattr(asking, "_PATIENCE_MS", 1)
    monkeypatch.setattr(asking, "_PACE_MS", 1)
    return Rig()


def test_what_rests_on_the_stage_is_judged_by_itself_once(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_open(True)
    rig.evaluator.set_subject(of(1))
    qtbot.waitUntil(lambda: rig.asked == 1)
    request = rig.courier.last(CHANNEL)[1]
    assert isinstance(request, Judge)
    assert (request.part, request.sequences, request.experiment) == ("validation", None, GIVEN)
    rig.courier.reply(CHANNEL, answer())
    assert rig.results[-1] is not None
    assert rig.results[-1].iteration == 10
    assert rig.evaluator.standing == Standing("there")
    rig.evaluator.set_subject(of(1))
    qtbot.wait(20)
    assert rig.asked == 1


def test_nothing_is_asked_while_nobody_looks(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_subject(of(1))
    qtbot.wait(20)
    assert rig.asked == 0
    rig.evaluator.set_open(True)
    qtbot.waitUntil(lambda: rig.asked == 1)


def test_travelling_leaves_one_question_not_a_row_of_them(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_open(True)
    rig.evaluator.set_subject(of(1))
    qtbot.waitUntil(lambda: rig.asked == 1)
    for trace in range(2, 9):
        rig.evaluator.renew()
        rig.evaluator.set_subject(of(trace))
    assert rig.courier.dropped == [CHANNEL]
    rig.courier.answered.emit(CHANNEL, rig.courier.last(CHANNEL)[0], answer())
    assert rig.results == []  # of the first, which nobody sees any more
    qtbot.waitUntil(lambda: rig.asked == 2)
    qtbot.wait(20)
    assert rig.asked == 2
    rig.courier.reply(CHANNEL, answer())
    assert rig.results[0] is not None
    assert rig.results[0].iteration == 80


def test_what_takes_long_is_ended_when_the_stage_goes_on(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_open(True)
    rig.evaluator.set_subject(of(1))
    qtbot.waitUntil(lambda: rig.asked == 1)
    rig.evaluator.renew()
    qtbot.waitUntil(lambda: rig.cancelled == [CHANNEL])


def test_training_judges_for_itself_and_only_judge_asks_more(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_open(True)
    rig.evaluator.set_training(True)
    rig.evaluator.set_subject(of(1))
    qtbot.wait(20)
    assert rig.asked == 0
    assert rig.evaluator.standing == Standing("resting", stale=True)
    rig.evaluator.take(answer(), 300, GIVEN)
    assert rig.results[-1] is not None
    assert rig.results[-1].iteration == 300
    rig.evaluator.judge()
    assert rig.asked == 1
    rig.evaluator.set_subject(of(2))  # the stage follows training: what somebody has asked for still comes
    rig.courier.reply(CHANNEL, answer())
    assert rig.results[-1].iteration == 10
    rig.evaluator.set_training(False)
    qtbot.waitUntil(lambda: rig.asked == 2)


def test_another_part_is_judged_at_once_and_not_mixed_with_what_training_judges(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_open(True)
    rig.evaluator.set_subject(of(1))
    rig.evaluator.set_extent(Extent("test", 32))
    assert rig.asked == 1
    assert rig.courier.last(CHANNEL)[1].part == "test"
    rig.evaluator.take(answer(), 300, GIVEN)
    assert rig.results == []


def test_a_failure_is_said_and_not_tried_again_by_itself(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_open(True)
    rig.evaluator.set_subject(of(1))
    qtbot.waitUntil(lambda: rig.asked == 1)
    rig.courier.failed.emit(CHANNEL, rig.courier.last(CHANNEL)[0], "The test part is empty.")
    assert rig.evaluator.standing == Standing("failed", "The test part is empty.", stale=True)
    rig.evaluator.set_subject(of(1))
    qtbot.wait(20)
    assert rig.asked == 1
    rig.evaluator.judge()
    assert rig.asked == 2


def test_it_can_be_stopped_and_left_to_people(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_open(True)
    rig.evaluator.set_subject(of(1))
    qtbot.waitUntil(lambda: rig.asked == 1)
    rig.evaluator.cancel()
    assert rig.cancelled == [CHANNEL]
    assert rig.evaluator.standing.kind == "stopped"
    rig.evaluator.set_automatic(False)
    rig.evaluator.set_subject(of(2))
    qtbot.wait(20)
    assert rig.asked == 1
    assert rig.evaluator.standing.kind == "waiting"


def test_another_document_has_no_answers_yet(rig: Rig, qtbot: QtBot) -> None:
    rig.evaluator.set_open(True)
    rig.evaluator.set_subject(of(1))
    qtbot.waitUntil(lambda: rig.asked == 1)
    rig.courier.reply(CHANNEL, answer())
    rig.evaluator.forget()
    assert rig.results[-1] is None
    assert rig.evaluator.standing.kind == "nothing"
