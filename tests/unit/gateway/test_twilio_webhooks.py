"""Signatures, judged by Twilio's own package, and forms."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from callfleet.errors import CallerFault
from services.gateway.carriers.twilio_webhooks import (
    is_signed,
    read_form,
    read_webhook,
    sign,
    stream_urls,
)

TOKEN = "12345"
URL = "https://voice.example.com/twilio/voice"
JUDGE = RequestValidator(TOKEN)

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
forms = st.dictionaries(words.filter(bool), words, max_size=8)


@given(forms, st.sampled_from([URL, f"{URL}?a=1&b=%20", "https://voice.example.com:8443/x"]))
def test_twilio_and_we_accept_each_other(form: dict[str, str], url: str) -> None:
    pairs = list(form.items())
    assert JUDGE.validate(url, form, sign(TOKEN, url, pairs))
    assert is_signed(TOKEN, (url,), pairs, JUDGE.compute_signature(url, form))


def test_a_signature_made_with_the_port_is_accepted() -> None:
    made = JUDGE.compute_signature("https://voice.example.com:443/twilio/voice", {"a": "1"})
    assert is_signed(TOKEN, (URL,), [("a", "1")], made)


@pytest.mark.parametrize(
    ("url", "form", "signature"),
    [
        (URL, [("a", "1")], ""),
        (URL, [("a", "1")], "nonsense \u00fc"),
        (URL, [("a", "2")], sign(TOKEN, URL, [("a", "1")])),
        (URL, [], sign(TOKEN, URL, [("a", "1")])),
        (f"{URL}/", [("a", "1")], sign(TOKEN, URL, [("a", "1")])),
        (URL, [("a", "1")], sign("another", URL, [("a", "1")])),
    ],
)
def test_what_twilio_did_not_sign_is_refused(
    url: str, form: list[tuple[str, str]], signature: str
) -> None:
    assert not is_signed(TOKEN, (url,), form, signature)


@pytest.mark.parametrize(
    "spelling", ["wss://voice.example.com/m/t", "wss://voice.example.com/m/t/"]
)
def test_a_handshake_is_signed_for_the_socket_url(spelling: str) -> None:
    urls = stream_urls("https://voice.example.com", "/m/t")
    assert is_signed(TOKEN, urls, (), JUDGE.compute_signature(spelling, {}))
    assert not is_signed(TOKEN, urls, (), JUDGE.compute_signature(f"{spelling}x", {}))


@given(st.lists(st.tuples(words.filter(bool), words), max_size=8))
def test_a_form_is_read_as_it_was_written(pairs: list[tuple[str, str]]) -> None:
    assert read_form(urlencode(pairs).encode()) == pairs


@pytest.mark.parametrize("body", [b"\xff", b"a=%ff", b"&".join([b"a=1"] * 201)])
def test_a_form_twilio_would_not_send_is_refused(body: bytes) -> None:
    with pytest.raises(CallerFault):
        read_form(body)


def test_a_webhook_tells_of_a_call() -> None:
    form = [("CallSid", "CA1"), ("From", "+15550001"), ("To", "+15550002")]
    webhook = read_webhook([*form, ("CallStatus", "ringing")])
    assert (webhook.call_sid, webhook.caller, webhook.called) == ("CA1", "+15550001", "+15550002")
    assert not webhook.is_over
    assert read_webhook([*form, ("CallStatus", "completed")]).is_over


@pytest.mark.parametrize("who", ["", "anonymous", "sip:someone@example.com", "+0123", "client:x"])
def test_a_caller_without_a_number_is_anonymous(who: str) -> None:
    assert read_webhook([("CallSid", "CA1"), ("From", who)]).caller == "anonymous"


@pytest.mark.parametrize("sid", ["", "CA 1", "CA1\n", "x" * 65, "CA{1}"])
def test_a_webhook_without_a_name_is_refused(sid: str) -> None:
    with pytest.raises(CallerFault):
        read_webhook([("CallSid", sid)])
