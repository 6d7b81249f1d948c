"""Log lines: JSON for machines, plain for a terminal; a short phrase, and facts in fields.

The call a line is about comes from a context variable, so nobody has to pass it along. Everything
written goes through redaction, lines of libraries too.
"""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TextIO

from callfleet import telemetry_traces as traces
from callfleet.telemetry_outlet import Outlet
from callfleet.telemetry_redaction import Redactor, allowed, traced

_call: ContextVar[str] = ContextVar("call_id", default="")
_FIELDS: Final = "callfleet_fields"
_COLOURS = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_VALUE_CHARS_MAX = 2000  # a field is a fact, not a document


class Logger:
    """`log.info("call ended", reason=...)`: a constant phrase, then facts by name."""

    __slots__ = ("_log",)

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def debug(self, phrase: str, /, **fields: Any) -> None:
        self._write(logging.DEBUG, phrase, fields)

    def info(self, phrase: str, /, **fields: Any) -> None:
        self._write(logging.INFO, phrase, fields)

    def warning(self, phrase: str, /, **fields: Any) -> None:
        self._write(logging.WARNING, phrase, fields)

    def error(self, phrase: str, /, **fields: Any) -> None:
        self._write(logging.ERROR, phrase, fields)

    def exception(
        self, phrase: str, /, *, cause: BaseException | None = None, **fields: Any
    ) -> None:
        """Inside an `except`, or given the cause: the phrase, the fields and the traceback."""
        self._write(logging.ERROR, phrase, fields, failed=cause or True)

    def debugging(self) -> bool:
        """Whether `debug` would write; to be asked once and kept where frames pass."""
        return self._log.isEnabledFor(logging.DEBUG)

    def _write(
        self,
        level: int,
        phrase: str,
        fields: dict[str, Any],
        *,
        failed: BaseException | bool = False,
    ) -> None:
        if self._log.isEnabledFor(level):
            self._log.log(level, "%s", phrase, exc_info=failed, extra={_FIELDS: fields})


@contextmanager
def bind_call(call_id: str) -> Iterator[None]:
    """Every line written inside, and in tasks started inside, is about this call."""
    token = _call.set(call_id)
    try:
        yield
    finally:
        _call.reset(token)


def bound_call() -> str:
    return _call.get()


def set_up_logs(service: str, *, log_format: str, level: str, redactor: Redactor) -> None:
    """Send everything to stdout in one format; libraries only from warnings up."""
    stream: TextIO = sys.stdout
    plain = log_format == "plain" or (log_format == "auto" and stream.isatty())
    formatter: logging.Formatter = JsonFormatter(service, redactor)
    if plain:
        formatter = PlainFormatter(redactor, colour=stream.isatty())
    handler = Outlet(stream, formatter)
    logging.raiseExceptions = False  # a reader that went away must not become a flood on stderr
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for ours in ("callfleet", "services", "__main__"):
        logging.getLogger(ours).setLevel(level.upper())


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = dict(allowed(getattr(record, _FIELDS, {})))
    call_id = _call.get()
    if call_id:
        fields.setdefault("call_id", call_id)
    trace_id = traces.current_trace_id()
    if trace_id:
        fields.setdefault("trace_id", trace_id)
    return fields


def _error(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return traced(error) if error is not None else ""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts, level, service, msg, then facts."""

    def __init__(self, service: str, redactor: Redactor) -> None:
        super().__init__()
        self._service = service
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        clean = self._redactor.clean
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "ts": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "service": self._service,
            "msg": clean(record.getMessage()),
            "logger": record.name,
        }
        for key, value in _facts(record).items():
            line.setdefault(key, _plain_value(value, clean))
        if error := _error(record):
            line["error"] = clean(error)
        return json.dumps(line, ensure_ascii=False)


def _plain_value(value: Any, clean: Any) -> Any:
    """What JSON can hold; text cleaned and bounded, containers walked."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _plain_value(one, clean) for key, one in allowed(value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain_value(one, clean) for one in value]
    return str(clean(str(value)))[:_VALUE_CHARS_MAX]


class PlainFormatter(logging.Formatter):
    """For people: time, level where it matters, phrase, facts as key=value."""

    def __init__(self, redactor: Redactor, *, colour: bool) -> None:
        super().__init__()
        self._redactor = redactor
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        facts = "".join(
            f"  {key}={_plain_value(value, str)}" for key, value in _facts(record).items()
        )
        level = f"{record.levelname:<7} " if record.levelno != logging.INFO else ""
        line = f"{moment} {level}{record.getMessage()}{facts}"
        if error := _error(record):
            line += "\n" + error
        line = self._redactor.clean(line)
        colour = _COLOURS.get(record.levelname, "") if self._colour else ""
        return f"{colour}{line}\x1b[0m" if colour else line
