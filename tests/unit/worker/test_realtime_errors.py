"""What refusals, closes and rate limits of the API mean."""

import pytest

from services.worker.dialogue import Failure
from services.worker.realtime_errors import (
    Trouble,
    again_after_ms,
    failure_of_close,
    failure_of_status,
    trouble_of,
)


@pytest.mark.parametrize(
    ("message", "ms"),
    [
        ("Rate limit reached. Please try again in 320ms.", 320),
        ("Limit 40000, Used 39000. Please try again in 6.232s. Visit ...", 6232),
        ("Please try again in 1m26.4s.", 86_400),
        ("Please try again in 2m0s", 120_000),
        ("Please try again in 1h2m3s", 3_723_000),
        ("Please try again in 9s", 9000),
        ("Please try again later.", None),
        ("try again in ", None),
        ("try again in 1.2.3s", None),
        ("", None),
    ],
)
def test_hints_are_read(message: str, ms: int | None) -> None:
    assert again_after_ms(message) == ms


@pytest.mark.parametrize(
    ("code", "reason", "failure"),
    [
        (1013, "insufficient_quota.insufficient_quota", Failure.REFUSED),
        (1013, "", Failure.LOST),
        (1013, "rate_limit_error.rate_limit_exceeded", Failure.LOST),
        (1001, "Your session hit the maximum duration of 60 minutes.", Failure.EXPIRED),
        (1006, "", Failure.LOST),
        (1011, "server_error.server_error", Failure.LOST),
        (1012, "", Failure.LOST),
        (3000, "invalid_request_error.invalid_api_key", Failure.REFUSED),
        (3000, "", Failure.REFUSED),
        (4000, "invalid_request_error.beta_api_shape_disabled", Failure.REFUSED),
        (4004, "invalid_request_error.model_not_found", Failure.REFUSED),
        (None, "", Failure.LOST),
    ],
)
def test_the_reason_is_read_before_the_code(
    code: int | None, reason: str, failure: Failure
) -> None:
    assert failure_of_close(code, reason) is failure


@pytest.mark.parametrize(
    ("status", "failure"),
    [(401, Failure.REFUSED), (404, Failure.REFUSED), (429, Failure.LOST), (503, Failure.LOST)],
)
def test_handshakes(status: int, failure: Failure) -> None:
    assert failure_of_status(status) is failure


@pytest.mark.parametrize(
    ("kind", "code", "trouble"),
    [
        ("invalid_request_error", "response_cancel_not_active", Trouble.BENIGN),
        ("invalid_request_error", "conversation_already_has_active_response", Trouble.BUSY),
        ("invalid_request_error", "unknown_parameter", Trouble.CONFIG),
        ("invalid_request_error", "something_new", Trouble.CONFIG),
        ("insufficient_quota", "insufficient_quota", Trouble.FATAL),
        ("server_error", "server_error", Trouble.SERVER),
        ("server_error", None, Trouble.SERVER),
        ("invalid_request_error", "session_expired", Trouble.EXPIRED),
    ],
)
def test_error_events(kind: str, code: str | None, trouble: Trouble) -> None:
    assert trouble_of(kind, code) is trouble
