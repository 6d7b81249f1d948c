"""How a session of the Realtime API comes to its end, as the code around it says so."""

from typing import Final

from callfleet import telemetry
from services.worker import metrics
from services.worker import realtime_events as api
from services.worker.dialogue import Failure
from services.worker.realtime_errors import Said, Trouble, said_of_org, trouble_of

_SETUP_FAILURES: Final = {
    Trouble.FATAL: Failure.REFUSED,
    Trouble.CONFIG: Failure.MISCONFIGURED,
    Trouble.EXPIRED: Failure.EXPIRED,
}

log = telemetry.logger(__name__)


class SessionOver(Exception):
    """The session is of no more use."""

    def __init__(self, failure: Failure, why: str, said: Said | None = None) -> None:
        super().__init__(why)
        self.failure = failure
        self.said = said  # of the org's account


def raise_if_error(event: api.ServerEvent | api.Unused | api.Unknown) -> None:
    """While a session is set up, an error is the end of it."""
    if not isinstance(event, api.Error):
        return
    tell_error(event.error)
    error = event.error
    trouble = trouble_of(error.type, error.code)
    # Of a setting the message says what is wrong with it; nothing a caller said is in there yet.
    why = f"{error.param}: {error.message}" if trouble is Trouble.CONFIG else str(error.code)
    said = said_of_org(error.code or "")
    raise SessionOver(_SETUP_FAILURES.get(trouble, Failure.LOST), why, said)


def said_by(event: api.ServerEvent) -> Said | None:
    """What an error in a running session says of the org; a response's is told as it is heard."""
    return said_of_org(event.error.code or "") if isinstance(event, api.Error) else None


def tell_error(error: api.ErrorFacts) -> None:
    trouble = trouble_of(error.type, error.code)
    metrics.session_error(trouble.value)
    if trouble not in (Trouble.BENIGN, Trouble.BUSY):
        # The message may quote an item's content; code and parameter say enough.
        log.warning(
            "session error",
            trouble=trouble.value,
            code=error.code,
            param=error.param,
            event_id=error.event_id,
        )
