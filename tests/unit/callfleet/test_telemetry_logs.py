"""Log lines: what is in them, and what never is."""

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from callfleet import telemetry
from callfleet.errors import SessionFault
from callfleet.telemetry_outlet import QUEUE_LINES_MAX, Outlet
from callfleet.telemetry_redaction import FORBIDDEN_FIELDS, REDACTED, Redactor, told, traced

SECRET = "a-secret-of-some-length"
SPEECH = "my card number is four one one one"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            handler.close()  # and its thread with it
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    logging.raiseExceptions = True


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    telemetry.setup("worker", log_format="json", level="debug", secrets=[SECRET])
    return stream


def written(out: io.StringIO) -> str:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return out.getvalue()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(out).splitlines()]


log = telemetry.logger("callfleet.some_module")


def test_a_line_is_one_json_object_with_its_facts(out: io.StringIO) -> None:
    log.info("call ended", reason="caller_hung_up", turns=3, lasted_s=1.5, path=None, tags={"a"})
    (line,) = lines(out)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "service": "worker",
        "msg": "call ended",
        "logger": "callfleet.some_module",
        "reason": "caller_hung_up",
        "turns": 3,
        "lasted_s": 1.5,
        "path": None,
        "tags": ["a"],
    }


def test_the_call_a_line_is_about_comes_from_the_context(out: io.StringIO) -> None:
    with telemetry.bind_call("c1"):
        log.info("inside")
        with telemetry.bind_call("c2"):
            log.info("deeper")
        log.info("named", call_id="c9")
    log.info("outside")
    assert [line.get("call_id") for line in lines(out)] == ["c1", "c2", "c9", None]


def test_facts_cannot_overwrite_what_every_line_has(out: io.StringIO) -> None:
    log.info("phrase", level="x", service="y", ts="z")
    (line,) = lines(out)
    assert (line["level"], line["service"], line["msg"]) == ("info", "worker", "phrase")


@pytest.mark.parametrize("field", sorted(FORBIDDEN_FIELDS))
def test_a_field_that_may_hold_speech_or_a_secret_is_never_written(
    out: io.StringIO, field: str
) -> None:
    log.info("turn ended", **{field: SPEECH}, nested={field: [SPEECH], "safe": 1})
    assert SPEECH not in written(out)
    assert lines(out)[0][field] == REDACTED
    assert lines(out)[0]["nested"] == {field: REDACTED, "safe": 1}


def test_secrets_are_cut_out_wherever_they_turn_up(out: io.StringIO) -> None:
    log.warning(f"phrase {SECRET}", url=f"redis://u:{SECRET}@h/0", more=["Bearer abcdefghij"])
    log.info("key", given="sk-proj-abcdefghijk", deep={"x": [SECRET]})
    logging.getLogger("somebodys.library").warning("refused %s", SECRET)
    try:
        raise ConnectionError(f"login with {SECRET} failed")
    except ConnectionError:
        log.exception("no connection")
    told_all = written(out)
    assert len(lines(out)) == 4
    for private in (SECRET, "abcdefghij", "sk-proj"):
        assert private not in told_all


def test_an_exception_that_may_quote_somebody_keeps_its_place_but_not_its_words(
    out: io.StringIO,
) -> None:
    try:
        try:
            int(SPEECH)
        except ValueError as error:
            raise SessionFault("the session broke") from error
    except SessionFault:
        log.exception("call failed")
    (line,) = lines(out)
    assert SPEECH not in written(out)
    assert "SessionFault: the session broke" in line["error"]
    assert "ValueError" in line["error"]
    assert "test_telemetry_logs.py" in line["error"]


def test_a_group_of_exceptions_is_told_one_by_one() -> None:
    group = ExceptionGroup(SPEECH, [OSError("socket closed"), ValueError(SPEECH)])
    assert traced(group).splitlines()[0] == "ExceptionGroup"
    assert "OSError: socket closed" in traced(group)
    assert SPEECH not in traced(group)


def test_an_error_in_a_line_says_what_it_may() -> None:
    assert told(OSError("no route")) == "OSError: no route"
    assert told(KeyError(SPEECH)) == "KeyError"
    assert told(SessionFault()) == "SessionFault: The Realtime session broke."


def test_a_traceback_whose_cause_is_itself_ends() -> None:
    error = OSError("round")
    error.__cause__ = other = OSError("and round")
    other.__cause__ = error
    assert traced(error).count("round") == 2


def test_a_fact_is_bounded(out: io.StringIO) -> None:
    log.info("long", blob="x" * 100_000)
    assert len(written(out)) < 3000


def test_levels_below_the_chosen_one_cost_no_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    telemetry.setup("worker", log_format="json", level="warning")
    log.info("not this")
    assert not log.debugging()
    log.error("this")
    logging.getLogger("somebodys.library").info("nor this")
    assert [line["msg"] for line in lines(stream)] == ["this"]


def test_a_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    telemetry.setup("worker", log_format="auto", secrets=[SECRET])
    log.info("call ended", reason="drained", text=SPEECH)
    log.error(f"bad {SECRET}")
    first, second = written(stream).splitlines()
    assert first.endswith("call ended  reason=drained  text=[redacted]")
    assert "ERROR" in second
    assert SECRET not in second


def test_plain_can_be_asked_for_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    telemetry.setup("worker", log_format="plain")
    log.error("bad")
    assert written(stream).endswith("ERROR   bad\n")  # and no colours


def test_a_fact_that_cannot_be_written_costs_its_line_only(out: io.StringIO) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError

    log.info("first", fact=Unprintable())
    log.info("second")
    assert [line["msg"] for line in lines(out)] == ["log line could not be written", "second"]


def after_line(line: str, next_number: int, dropped: int) -> tuple[int, int]:
    """Lines come in order; a note stands where lines are missing, and says how many."""
    number, rest = line.split(maxsplit=1)
    if rest == "log lines dropped\n":
        return next_number + int(number), dropped + int(number)
    assert int(number) == next_number
    return next_number + 1, dropped


def test_a_reader_that_stalls_holds_nobody_up_and_hears_what_it_missed() -> None:
    reader, writer = os.pipe()
    count, text = QUEUE_LINES_MAX + 2000, "x" * 200
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as pipe:
        outlet = Outlet(stream, logging.Formatter("%(message)s"))

        def say(phrase: str) -> None:
            outlet.emit(logging.LogRecord("x", logging.INFO, "", 0, phrase, None, None))

        for number in range(count):
            say(f"{number} {text}")  # returns although nobody reads
        assert pipe.readline() == f"0 {text}\n"
        next_number, dropped = 1, 0
        while next_number < QUEUE_LINES_MAX:  # then there is room again
            next_number, dropped = after_line(pipe.readline(), next_number, dropped)
        say("after")
        while (line := pipe.readline()) != "after\n":
            next_number, dropped = after_line(line, next_number, dropped)
        assert dropped > 0
        assert next_number == count, "every line was heard, or counted as dropped"
        outlet.close()


def test_a_short_secret_does_not_eat_the_log() -> None:
    assert Redactor(["", "a", "ab"]).clean("about a thing") == "about a thing"
