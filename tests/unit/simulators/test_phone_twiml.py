"""TwiML is read as strictly as the carrier documents it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.phone_twiml import (
    Connect,
    Dial,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    Stream,
    TwimlError,
    read_document,
    stream_url_fault,
)

XML = "text/xml; charset=utf-8"


def read(*verbs: str) -> tuple[object, ...]:
    document = read_document(f"<Response>{''.join(verbs)}</Response>".encode(), XML)
    assert document.warnings == ()
    return document.verbs


def warnings(*verbs: str) -> tuple[str, ...]:
    return read_document(f"<Response>{''.join(verbs)}</Response>".encode(), XML).warnings


def test_every_verb_is_read_with_its_defaults() -> None:
    assert read("<Say>Hello <break/> there</Say>", "<Pause/>", "<Hangup/>") == (
        Say("Hello there"),
        Pause(1),
        Hangup(),
    )
    assert read("<Reject/>", '<Reject reason="busy"/>') == (Reject("rejected"), Reject("busy"))
    assert read('<Redirect method="GET">/next?a=1&amp;b=2</Redirect>') == (
        Redirect("/next?a=1&b=2", "GET"),
    )
    assert read("<Play>https://x.example/a.mp3</Play>") == (Play("https://x.example/a.mp3"),)


def test_connect_carries_its_stream_and_parameters() -> None:
    verbs = read(
        '<Connect action="/after"><Stream url="wss://x.example/m/1" name="n"'
        ' statusCallback="/s" statusCallbackMethod="GET">'
        '<Parameter name="a" value="1"/><Parameter name="b" value=""/></Stream></Connect>'
    )
    stream = Stream(
        url="wss://x.example/m/1",
        name="n",
        status_callback="/s",
        status_callback_method="GET",
        parameters={"a": "1", "b": ""},
    )
    assert verbs == (Connect(stream, "/after"),)


def test_dial_reads_numbers_in_its_text_and_in_its_nouns() -> None:
    assert read('<Dial timeout="20" callerId="+15550001" action="/d">+15550100</Dial>') == (
        Dial(("+15550100",), "/d", timeout_s=20, caller_id="+15550001"),
    )
    assert read("<Dial><Number>+15550100</Number><Sip>sip:a@b.example</Sip></Dial>") == (
        Dial(("+15550100", "sip:a@b.example")),
    )


@pytest.mark.parametrize(
    ("verbs", "word"),
    [
        ("<Speak>Hi</Speak>", "Speak"),
        ("<say>Hi</say>", "say"),
        ('<Say volume="11">Hi</Say>', "volume"),
        ("<Say></Say>", "nothing to say"),
        ("Hi", "text content"),
        ('<Connect url="/x"><Stream url="wss://x.example/"/></Connect>', "url"),
        ("<Connect/>", "nouns"),
        ('<Connect><Stream url="wss://x.example/">text</Stream></Connect>', "text content"),
        ('<Stream url="wss://x.example/"/>', "Stream"),
        ('<Dial timeout="2">+15550100</Dial>', "timeout"),
        ('<Dial callerId="me">+15550100</Dial>', "callerId"),
        ('<Redirect method="PUT">/x</Redirect>', "method"),
        ('<Pause length="long"/>', "length"),
        ('<Reject reason="later"/>', "reason"),
        ("<Gather/>", "Gather"),
        ('<Connect action="/a b"><Stream url="wss://x.example/"/></Connect>', "action"),
    ],
)
def test_what_the_schema_does_not_know_is_a_warning(verbs: str, word: str) -> None:
    found = warnings(verbs)
    assert len(found) == 1
    assert found[0].startswith("12200")
    assert word in found[0]


def test_unknown_verbs_are_left_out_and_the_rest_is_performed() -> None:
    document = read_document(b"<Response><Speak/><Say>Hi</Say></Response>", XML)
    assert document.verbs == (Say("Hi"),)


@pytest.mark.parametrize("length", [490, 491])
def test_a_parameter_has_fewer_than_500_characters(length: int) -> None:
    parameter = f'<Parameter name="nine_char" value="{"x" * length}"/>'
    found = warnings(f'<Connect><Stream url="wss://x.example/">{parameter}</Stream></Connect>')
    assert bool(found) == (length + len("nine_char") >= 500)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"<Response/>", "application/json", 12300),
        (b"<Response/>", "text/html", 12300),
        (b"<Response/>", "", 12300),
        (b"<Response>", XML, 12100),
        (b"", XML, 12100),
        (b"<!DOCTYPE x><Response/>", XML, 12100),
        (b"<response/>", XML, 12102),
        (b"<Response><Say>" + b"x" * 65536 + b"</Say></Response>", XML, 11750),
    ],
)
def test_what_cannot_be_performed_at_all_is_an_error(body: bytes, kind: str, code: int) -> None:
    with pytest.raises(TwimlError) as caught:
        read_document(body, kind)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("wss://x.example/media/1", None),
        ("wss://x.example:443/media/1", None),
        ("wss://x.example/media?t=1", 31920),
        ("wss://x.example:8443/media", 31920),
        ("wss://x.example:port/media", 31920),
        ("ws://x.example/media", 31922),
        ("https://x.example/media", 31922),
        ("/media", 31920),
        ("", 31920),
    ],
)
def test_only_plain_wss_urls_are_dialled(url: str, code: int | None) -> None:
    fault = stream_url_fault(url)
    assert (fault and fault[0]) == code


@given(st.binary(max_size=200))
def test_no_body_raises_anything_but_its_own_error(body: bytes) -> None:
    for document in (body, b"<Response>" + body + b"</Response>"):
        try:
            read_document(document, XML)
        except TwimlError as error:
            assert error.code in (12100, 12102)
