"""The carrier's signatures are judged by the `twilio` package, not by the code that made them."""

from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from simulators.phone_signature import sign

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FORM = st.dictionaries(TEXT.filter(bool), TEXT, max_size=8)
URLS = st.sampled_from(
    [
        "https://voice.example.com/twilio/voice",
        "https://voice.example.com/twilio/after?call=1&at=%2B1",
        "wss://voice.example.com/media/twilio/a-token",
    ]
)


@given(TEXT, URLS, FORM)
def test_twilio_accepts_the_signature(token: str, url: str, form: dict[str, str]) -> None:
    assert RequestValidator(token).validate(url, form, sign(token, url, form.items()))


@given(URLS, FORM)
def test_another_token_is_refused(url: str, form: dict[str, str]) -> None:
    assert not RequestValidator("right").validate(url, form, sign("wrong", url, form.items()))


def test_every_pair_is_signed() -> None:
    url = "https://voice.example.com/twilio/voice"
    signature = sign("token", url, [("CallSid", "CA1"), ("From", "+1")])
    validator = RequestValidator("token")
    assert not validator.validate(url, {"CallSid": "CA1", "From": "+2"}, signature)
    assert not validator.validate(url, {"CallSid": "CA1"}, signature)
    assert not validator.validate(url + "/", {"CallSid": "CA1", "From": "+1"}, signature)
