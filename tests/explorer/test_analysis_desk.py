"""Analyses are computed of the trace on screen, while their section is open, and never in the way of a new trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from analysis_parts import AnalysisCourier, answer_to, flow_part, subject
from pytestqt.qtbot import QtBot

from engine.analysis_requests import AskBlock, AskFlow, AskSlope
from explorer.analysis.chains import Choice, FlowChoice, FlowResult, HistogramChoice, SpectrumChoice, WeightsChoice
from explorer.analysis.desk import Desk
from explorer.analysis.subject import LayerName

FLOW, WEIGHTS, SPECTRUM = "analysis.flow", "analysis.weights", "analysis.spectrum"
OPEN: dict[str, Choice] = {"flow": FlowChoice("l0")}


class Seen:
    """What the panel would be told."""

    def __init__(self, desk: Desk) -> None:
        self.results: list[tuple[str, Any]] = []
        desk.resultChanged.connect(self.take)

    def take(self, name: str, result: Any) -> None:
        self.results.append((name, result))


@pytest.fixture
def courier() -> AnalysisCourier:
    return AnalysisCourier()


def open_up(qtbot: QtBot, desk: Desk, questions: Mapping[str, Choice]) -> None:
    desk.set_questions(questions)
    qtbot.waitUntil(lambda: not desk._quiet.isActive(), timeout=2000)


@pytest.fixture
def desk(courier: AnalysisCourier, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("explorer.analysis.desk._QUIET_MS", 1)
    monkeypatch.setattr("explorer.analysis.desk._PATIENCE_MS", 20)
    made = Desk(courier)  # type: ignore[arg-type]
    yield made
    made.deleteLater()


def test_nothing_is_asked_for_a_section_that_is_closed(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    desk.set_subject(subject())
    desk.set_questions({})
    qtbot.wait(60)
    assert courier.asked == []
    open_up(qtbot, desk, OPEN)
    assert [channel for channel, _, _ in courier.asked] == [FLOW]


def test_a_chain_goes_on_piece_by_piece_to_the_whole(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    seen = Seen(desk)
    desk.set_subject(subject())
    open_up(qtbot, desk, OPEN)
    assert desk.standing("flow").kind == "computing"
    courier.answer(FLOW)
    assert courier.last(FLOW)[1].start == 4
    assert desk.standing("flow").progress == 0.5
    courier.answer(FLOW)
    assert desk.standing("flow").kind == "there"
    assert courier.count(FLOW) == 2
    _, result = seen.results[-1]
    assert isinstance(result, FlowResult)
    assert result.known == 8


def test_the_weights_are_asked_block_by_block_then_the_slope(
    qtbot: QtBot, desk: Desk, courier: AnalysisCourier
) -> None:
    desk.set_subject(subject())
    open_up(qtbot, desk, {"weights": WeightsChoice("l0")})
    assert isinstance(courier.last(WEIGHTS)[1], AskBlock)
    courier.answer(WEIGHTS)
    assert isinstance(courier.last(WEIGHTS)[1], AskSlope)
    courier.answer(WEIGHTS)
    assert desk.standing("weights").kind == "there"


def test_a_wanted_trace_drops_everything_and_ends_what_takes_long(
    qtbot: QtBot, desk: Desk, courier: AnalysisCourier
) -> None:
    desk.set_subject(subject())
    open_up(qtbot, desk, OPEN)
    generation, request = courier.last(FLOW)
    desk.renew()
    assert courier.dropped == [FLOW]
    qtbot.waitUntil(lambda: courier.ended == [FLOW], timeout=2000)
    courier.answered.emit(FLOW, generation, request)  # an answer that comes all the same is nobody's
    qtbot.wait(60)
    assert courier.count(FLOW) == 1


def test_a_slider_that_is_dragged_asks_for_no_analyses(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    desk._quiet.setInterval(80)
    desk.set_questions(OPEN)
    for trace in range(6):
        desk.renew()
        desk.set_subject(subject(trace))
        qtbot.wait(10)
        assert courier.asked == []
    qtbot.waitUntil(lambda: courier.count(FLOW) == 1, timeout=2000)


def test_an_old_answer_never_becomes_part_of_the_new_traces_numbers(
    qtbot: QtBot, desk: Desk, courier: AnalysisCourier
) -> None:
    seen = Seen(desk)
    desk.set_subject(subject(1))
    open_up(qtbot, desk, OPEN)
    stale = courier.last(FLOW)
    desk.set_subject(subject(2))
    qtbot.waitUntil(lambda: courier.count(FLOW) == 2, timeout=2000)
    courier.answered.emit(FLOW, stale[0], answer_to(stale[1]))
    assert seen.results == []
    assert courier.last(FLOW)[1].start == 0


def test_what_is_shown_says_that_it_is_of_the_trace_before_until_the_new_one_is_whole(
    qtbot: QtBot, desk: Desk, courier: AnalysisCourier
) -> None:
    seen = Seen(desk)
    desk.set_subject(subject(1))
    open_up(qtbot, desk, OPEN)
    courier.answer(FLOW)
    courier.answer(FLOW)
    assert not desk.standing("flow").stale
    desk.renew()
    assert desk.standing("flow").stale
    desk.set_subject(subject(2))
    qtbot.waitUntil(lambda: courier.count(FLOW) == 3, timeout=2000)
    before = len(seen.results)
    courier.answer(FLOW)
    assert len(seen.results) == before  # half of the new one is not mixed with, nor put before, the old one
    assert desk.standing("flow").stale
    courier.answer(FLOW)
    assert len(seen.results) == before + 1
    assert desk.standing("flow") == replace(desk.standing("flow"), kind="there", stale=False)


def test_a_trace_that_fails_leaves_the_old_ones_analyses_valid(
    qtbot: QtBot, desk: Desk, courier: AnalysisCourier
) -> None:
    desk.set_subject(subject())
    open_up(qtbot, desk, OPEN)
    courier.answer(FLOW)
    courier.answer(FLOW)
    desk.renew()
    desk.stay()
    assert not desk.standing("flow").stale
    qtbot.wait(60)
    assert courier.count(FLOW) == 2  # nothing has to be computed again


def test_cancel_stops_between_pieces_and_goes_on_from_there(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    desk.set_subject(subject())
    open_up(qtbot, desk, OPEN)
    courier.answer(FLOW)
    desk.cancel("flow")
    assert desk.standing("flow").kind == "stopped"
    assert courier.dropped == [FLOW]
    qtbot.waitUntil(lambda: courier.ended == [FLOW], timeout=2000)  # what cannot be split ends with its process
    desk.again("flow")
    assert courier.last(FLOW)[1].start == 4
    courier.answer(FLOW)
    assert desk.standing("flow").kind == "there"


def test_a_closed_section_is_dropped_and_computed_anew_when_it_is_opened(
    qtbot: QtBot, desk: Desk, courier: AnalysisCourier
) -> None:
    desk.set_subject(subject())
    open_up(qtbot, desk, OPEN)
    desk.set_questions({})
    assert courier.dropped == [FLOW]
    assert desk.standing("flow").kind == "closed"
    open_up(qtbot, desk, OPEN)
    assert courier.last(FLOW)[1].start == 0


def test_what_was_whole_when_it_was_closed_is_there_again_unless_the_trace_is_another(
    qtbot: QtBot, desk: Desk, courier: AnalysisCourier
) -> None:
    desk.set_subject(subject(1))
    open_up(qtbot, desk, OPEN)
    courier.answer(FLOW)
    courier.answer(FLOW)
    desk.set_questions({})
    open_up(qtbot, desk, OPEN)
    assert courier.count(FLOW) == 2
    assert (desk.standing("flow").kind, desk.standing("flow").stale) == ("there", False)
    desk.set_questions({})
    desk.set_subject(subject(2))
    open_up(qtbot, desk, OPEN)
    assert courier.count(FLOW) == 3
    assert desk.standing("flow").stale


def test_another_choice_is_another_question(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    desk.set_subject(subject())
    open_up(qtbot, desk, {"histogram": HistogramChoice("l0", "grads.h", -20, 2)})
    open_up(qtbot, desk, {"histogram": HistogramChoice("l0", "grads.a", -20, 2)})
    assert courier.last("analysis.histogram")[1].key == "grads.a"
    open_up(qtbot, desk, {"histogram": HistogramChoice("l0", "grads.a", -20, 2)})
    assert courier.count("analysis.histogram") == 2


def test_only_the_singular_values_hang_on_the_sample(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    desk.set_subject(subject(sample=0, batch=4))
    open_up(qtbot, desk, {"flow": FlowChoice("l0"), "spectrum": SpectrumChoice("l0")})
    for _ in range(2):
        courier.answer(FLOW)
    for _ in range(4):
        courier.answer(SPECTRUM)
    desk.set_subject(subject(sample=2, batch=4))
    qtbot.waitUntil(lambda: courier.count(SPECTRUM) == 5, timeout=2000)
    courier.answer(SPECTRUM)
    assert courier.last(SPECTRUM)[1].sample == 2
    assert courier.count(FLOW) == 2


def test_what_takes_minutes_waits_for_a_command(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    large = (LayerName("l0", "Layer 1 · LSTM", "lstm", 1024),)
    desk.set_subject(subject(T=300, layers=large))
    open_up(qtbot, desk, {"spectrum": SpectrumChoice("l0")})
    standing = desk.standing("spectrum")
    assert (standing.kind, courier.asked) == ("heavy", [])
    assert "300 Jacobians of 1,024 × 1,024" in standing.sentence
    desk.again("spectrum")
    assert courier.count(SPECTRUM) == 1


def test_a_failure_is_one_sentence_and_again_begins_anew(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    desk.set_subject(subject())
    open_up(qtbot, desk, OPEN)
    courier.failed.emit(FLOW, courier.last(FLOW)[0], "There is not enough memory for this.")
    assert desk.standing("flow").sentence == "There is not enough memory for this."
    assert desk.settled
    desk.again("flow")
    assert courier.count(FLOW) == 2


def test_another_document_takes_the_old_ones_numbers_away(qtbot: QtBot, desk: Desk, courier: AnalysisCourier) -> None:
    seen = Seen(desk)
    desk.set_subject(subject())
    open_up(qtbot, desk, OPEN)
    courier.answer(FLOW)
    desk.set_subject(None)
    assert seen.results[-1] == ("flow", None)
    assert not desk.standing("flow").stale


def test_losses_are_taken_back_so_many_at_a_time_that_a_piece_is_short(
    qtbot: QtBot, desk: Desk, courier: AnalysisCourier
) -> None:
    desk.set_subject(subject(T=200))
    open_up(qtbot, desk, OPEN)
    generation, request = courier.last(FLOW)
    assert isinstance(request, AskFlow)
    courier.answered.emit(FLOW, generation, replace(flow_part(request, T=200), seconds=0.001))
    assert courier.last(FLOW)[1].count == 4 * request.count
    generation, request = courier.last(FLOW)
    courier.answered.emit(FLOW, generation, replace(flow_part(request, T=200), seconds=0.2))
    assert courier.last(FLOW)[1].count == request.count // 4
