"""The newest question wins, the picture never starves, and nothing arrives that nobody wants any more."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from typing import Any

import compute_operations as operations
import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QThread, Slot
from pytestqt.qtbot import QtBot

from engine.errors import SpecError
from explorer.compute.courier import Courier
from explorer.compute.executor import EngineProcess
from explorer.compute.failures import EngineCancelledError, EngineCrashError
from explorer.compute.inline import InlineExecutor


class ByHand(Executor):
    """Computes nothing: the test says what comes back, and when."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.futures: list[Future[Any]] = []
        self.ended: list[Future[Any] | None] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        self.asked.append(args)
        self.futures.append(future)
        return future

    def answer(self, with_what: Any = "answer") -> None:
        """The one under way, from another thread."""
        thread = threading.Thread(target=self.futures[-1].set_result, args=(with_what,))
        thread.start()
        thread.join()

    def cancel_running(self, future: Future[Any] | None = None) -> bool:
        self.ended.append(future)
        self.futures[-1].set_exception(EngineCancelledError("Cancelled."))
        return True


class Diary(QObject):
    """Everything that a courier says, in order."""

    def __init__(self, courier: Courier) -> None:
        super().__init__()
        self.lines: list[tuple[Any, ...]] = []
        self.busy: list[bool] = []
        courier.answered.connect(self.answered)
        courier.failed.connect(self.failed)
        courier.cancelled.connect(self.cancelled)
        courier.busyChanged.connect(self.busy_changed)

    @Slot(str, int, object)
    def answered(self, channel: str, generation: int, answer: object) -> None:
        assert QThread.currentThread() is QCoreApplication.instance().thread()
        self.lines.append((channel, generation, answer))

    @Slot(str, int, str)
    def failed(self, channel: str, generation: int, sentence: str) -> None:
        self.lines.append((channel, generation, "failed", sentence))

    @Slot(str, int)
    def cancelled(self, channel: str, generation: int) -> None:
        self.lines.append((channel, generation, "cancelled"))

    @Slot(bool)
    def busy_changed(self, busy: bool) -> None:
        self.busy.append(busy)


@pytest.fixture
def hand() -> ByHand:
    return ByHand()


@pytest.fixture
def courier(qtbot: QtBot, hand: ByHand) -> Iterator[Courier]:
    made = Courier(hand, run=operations.run)
    yield made
    made.close()


@pytest.fixture
def diary(courier: Courier) -> Diary:
    return Diary(courier)


def deliver() -> None:
    QCoreApplication.sendPostedEvents()


def finish(hand: ByHand, with_what: Any = "answer") -> None:
    hand.answer(with_what)
    deliver()


# --- order -------------------------------------------------------------------------------------------------------


def test_an_answer_comes_with_its_channel_and_generation(courier: Courier, hand: ByHand, diary: Diary) -> None:
    generation = courier.ask("excerpt", "look", 5)
    assert hand.asked == [("look", 5)]
    hand.answer("picture")
    assert diary.lines == [], "it waits for the event loop"
    deliver()
    assert diary.lines == [("excerpt", generation, "picture")]


def test_an_answer_is_shown_to_who_prepares_it_first_and_in_its_own_thread(qtbot: QtBot, hand: ByHand) -> None:
    said: list[object] = []
    courier = Courier(
        hand, run=operations.run, arrived=lambda answer: said.append((answer, threading.current_thread()))
    )
    diary = Diary(courier)
    generation = courier.ask("excerpt", "look", 5)
    hand.answer("picture")
    ((answer, thread),) = said
    assert answer == "picture"
    assert thread is not threading.main_thread()
    assert diary.lines == []
    deliver()
    assert diary.lines == [("excerpt", generation, "picture")]
    courier.close()


def test_an_answer_that_cannot_be_prepared_comes_all_the_same(
    qtbot: QtBot, hand: ByHand, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(answer: object) -> None:
        raise ValueError("no room")

    courier = Courier(hand, run=operations.run, arrived=fail)
    diary = Diary(courier)
    generation = courier.ask("excerpt", "look", 5)
    finish(hand, "picture")
    assert diary.lines == [("excerpt", generation, "picture")]
    assert "could not be prepared" in caplog.text
    courier.close()


def test_while_one_is_under_way_only_the_newest_of_a_channel_waits(
    courier: Courier, hand: ByHand, diary: Diary
) -> None:
    generations = [courier.ask("excerpt", "look", number) for number in range(10)]
    assert generations == sorted(set(generations))
    assert hand.asked == [("look", 0)]
    finish(hand, "first")
    finish(hand, "last")
    assert hand.asked == [("look", 0), ("look", 9)]
    assert diary.lines == [("excerpt", generations[0], "first"), ("excerpt", generations[9], "last")]


def test_the_picture_moves_while_newer_questions_keep_coming(courier: Courier, hand: ByHand, diary: Diary) -> None:
    """A drag: by the time of each answer the slider has moved on three times."""
    for number in range(60):
        courier.ask("excerpt", "look", number)
        if number % 3 == 2:
            finish(hand, hand.asked[-1][1])
    shown = [answer for _, _, answer in diary.lines]
    assert len(shown) == 20
    assert shown == sorted(shown)


def test_the_excerpt_goes_before_the_audit_and_the_audit_before_the_rest(courier: Courier, hand: ByHand) -> None:
    for channel in ("train", "sweep", "audit", "excerpt", "train"):
        courier.ask(channel, channel, None)
        courier.ask(channel, channel, None)
    for _ in range(4):
        finish(hand)
    assert [operation for operation, _ in hand.asked] == ["train", "excerpt", "audit", "train", "sweep"]


def test_the_next_is_asked_before_the_answer_is_shown(courier: Courier, hand: ByHand) -> None:
    """So the engine computes while the window paints."""
    seen: list[int] = []

    class Painter(QObject):
        @Slot(str, int, object)
        def paint(self, *_: object) -> None:
            seen.append(len(hand.asked))

    painter = Painter()
    courier.answered.connect(painter.paint)
    courier.ask("excerpt", "look", 1)
    courier.ask("excerpt", "look", 2)
    finish(hand)
    assert seen == [2]


# --- what is not wanted any more ---------------------------------------------------------------------------------


def test_what_belongs_to_another_document_never_arrives(courier: Courier, hand: ByHand, diary: Diary) -> None:
    courier.set_scope("one")
    courier.ask("excerpt", "look", 1)
    courier.ask("excerpt", "look", 2)
    courier.set_scope("two")
    mine = courier.ask("excerpt", "look", 3)
    courier.ask("audit", "check", 3, scope="one")
    finish(hand, "of one")
    assert hand.asked == [("look", 1), ("look", 3)]
    finish(hand, "of two")
    finish(hand, "of one again")
    assert diary.lines == [("excerpt", mine, "of two")]
    assert courier.idle()


def test_scopes_that_nobody_has_set_keep_nothing_back(courier: Courier, hand: ByHand, diary: Diary) -> None:
    generation = courier.ask("excerpt", "look", 1, scope="mine")
    finish(hand)
    assert diary.lines == [("excerpt", generation, "answer")]


def test_a_dropped_channel_says_nothing_and_can_be_asked_again(courier: Courier, hand: ByHand, diary: Diary) -> None:
    courier.ask("train", "train", 1)
    courier.ask("train", "train", 2)
    courier.drop("train")
    again = courier.ask("train", "train", 3)
    finish(hand, "dropped")
    finish(hand, "wanted")
    assert [request for _, request in hand.asked] == [1, 3]
    assert diary.lines == [("train", again, "wanted")]


def test_what_has_been_under_way_for_long_is_ended_and_what_is_short_is_let_go(
    courier: Courier, hand: ByHand, diary: Diary
) -> None:
    courier.ask("audit", "audit", 1)
    courier.end_long("audit", 60.0)
    courier.end_long("excerpt", -1.0)
    assert hand.ended == [], "it is short, and the other channel has nothing"
    finish(hand, "let go")
    assert diary.lines == []
    courier.ask("audit", "audit", 2)
    courier.end_long("audit", -1.0)
    assert len(hand.ended) == 1


def test_what_has_not_begun_can_be_withdrawn_without_a_word(courier: Courier, hand: ByHand, diary: Diary) -> None:
    courier.ask("excerpt", "look", 1)
    courier.ask("train", "train", 2)
    assert courier.withdraw("train")
    assert not courier.withdraw("train"), "it is gone already"
    assert not courier.withdraw("excerpt"), "it is under way"
    finish(hand, "picture")
    assert hand.asked == [("look", 1)]
    assert [line[0] for line in diary.lines] == ["excerpt"]
    assert courier.idle()
    assert diary.busy == [True, False]


def test_after_close_nothing_is_asked_and_nothing_arrives(courier: Courier, hand: ByHand, diary: Diary) -> None:
    courier.ask("excerpt", "look", 1)
    courier.ask("excerpt", "look", 2)
    courier.close()
    finish(hand)
    courier.ask("excerpt", "look", 3)
    assert hand.asked == [("look", 1)]
    assert diary.lines == []
    assert courier.idle()


def test_an_answer_to_a_courier_that_is_gone_is_harmless(qtbot: QtBot) -> None:
    for way in ("deleted by its parent", "deleted at once", "collected"):
        hand, parent = ByHand(), QObject()
        courier = Courier(hand, parent if way == "deleted by its parent" else None, run=operations.run)
        courier.ask("excerpt", "look", 1)
        if way == "deleted by its parent":
            parent.deleteLater()
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        elif way == "deleted at once":
            shiboken6.delete(courier)
        else:
            del courier
            gc.collect()
        finish(hand)


# --- errors and cancelling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SpecError("hidden_size is 0."), "hidden_size is 0."),
        (EngineCrashError("The engine stopped.", "SIGKILL"), "The engine stopped."),
        (ValueError("three\nlines\nlong"), "The computation failed (ValueError: three lines long)."),
    ],
)
def test_an_error_comes_as_a_sentence_and_the_next_question_is_asked(
    courier: Courier, hand: ByHand, diary: Diary, error: Exception, sentence: str
) -> None:
    failing = courier.ask("excerpt", "look", 1)
    good = courier.ask("excerpt", "look", 2)
    hand.futures[-1].set_exception(error)
    deliver()
    finish(hand)
    assert diary.lines == [("excerpt", failing, "failed", sentence), ("excerpt", good, "answer")]


def test_an_executor_that_takes_nothing_any_more_is_a_failure_like_any_other(qtbot: QtBot) -> None:
    executor = InlineExecutor()
    executor.shutdown()
    courier = Courier(executor, run=operations.run)
    diary = Diary(courier)
    generation = courier.ask("excerpt", "echo", 1)
    deliver()
    sentence = "The computation failed (RuntimeError: The engine has been shut down.)."
    assert diary.lines == [("excerpt", generation, "failed", sentence)]
    courier.close()


def test_cancelling_ends_what_runs_and_what_waits_and_says_so_of_each(
    courier: Courier, hand: ByHand, diary: Diary
) -> None:
    running = courier.ask("train", "train", 1)
    waiting = courier.ask("audit", "check", 1)
    courier.cancel()
    deliver()
    assert hand.ended == [hand.futures[0]]
    assert sorted(diary.lines) == sorted([("train", running, "cancelled"), ("audit", waiting, "cancelled")])
    assert courier.idle()


def test_one_channel_can_be_cancelled_alone(courier: Courier, hand: ByHand, diary: Diary) -> None:
    running = courier.ask("train", "train", 1)
    waiting = courier.ask("excerpt", "look", 1)
    courier.cancel("excerpt")
    assert hand.ended == []
    finish(hand)
    assert diary.lines == [("excerpt", waiting, "cancelled"), ("train", running, "answer")]


def test_an_answer_that_was_too_quick_for_its_cancel_does_not_arrive_as_one(
    courier: Courier, hand: ByHand, diary: Diary
) -> None:
    generation = courier.ask("train", "train", 1)
    hand.answer()
    courier.cancel()
    assert hand.ended == [], "nothing ran any more"
    deliver()
    assert diary.lines == [("train", generation, "cancelled")]


def test_busy_is_told_once_at_the_beginning_and_once_at_the_end(courier: Courier, hand: ByHand, diary: Diary) -> None:
    for number in range(5):
        courier.ask("excerpt", "look", number)
        courier.ask("audit", "check", number)
    assert diary.busy == [True]
    for _ in range(2):
        finish(hand)
    assert diary.busy == [True]
    finish(hand)
    assert diary.busy == [True, False]
    assert courier.idle()


def test_a_chain_of_requests_does_not_flicker(courier: Courier, hand: ByHand, diary: Diary) -> None:
    class Trainer(QObject):
        @Slot(str, int, object)
        def go_on(self, channel: str, _: int, answer: object) -> None:
            if answer != "done":
                courier.ask(channel, "train", answer)

    trainer = Trainer()
    courier.answered.connect(trainer.go_on)
    courier.ask("train", "train", 0)
    for number in range(1, 4):
        finish(hand, number)
    finish(hand, "done")
    assert [request for _, request in hand.asked] == [0, 1, 2, 3]
    assert diary.busy == [True, False]


# --- with real executors -----------------------------------------------------------------------------------------


def test_inline_answers_arrive_through_the_event_loop_too(qtbot: QtBot) -> None:
    courier = Courier(InlineExecutor(), run=operations.run)
    diary = Diary(courier)
    generation = courier.ask("excerpt", "echo", 5)
    assert diary.lines == []
    qtbot.waitUntil(courier.idle)
    assert diary.lines == [("excerpt", generation, 5)]
    courier.close()


def test_a_process_that_crashes_or_is_cancelled_does_not_stop_the_conversation(qtbot: QtBot) -> None:
    with EngineProcess(prepare=None, spare_after=0.0) as engine:
        courier = Courier(engine, run=operations.run)
        diary = Diary(courier)
        crashed = courier.ask("excerpt", "leave", 3)
        qtbot.waitUntil(courier.idle, timeout=20_000)
        cancelled = courier.ask("train", "wait", 60.0)
        courier.cancel()
        qtbot.waitUntil(courier.idle, timeout=20_000)
        answered = courier.ask("excerpt", "echo", 5)
        qtbot.waitUntil(courier.idle, timeout=20_000)
        courier.close()
    assert diary.lines == [
        ("excerpt", crashed, "failed", "The engine stopped unexpectedly (exit code 3); a fresh one takes over."),
        ("train", cancelled, "cancelled"),
        ("excerpt", answered, 5),
    ]


def test_the_window_may_close_while_the_engine_is_busy(qtbot: QtBot) -> None:
    engine = EngineProcess(prepare=None)
    courier = Courier(engine, run=operations.run)
    diary = Diary(courier)
    courier.ask("excerpt", "wait", 60.0)
    courier.close()
    engine.shutdown()
    deliver()
    assert diary.lines == []
