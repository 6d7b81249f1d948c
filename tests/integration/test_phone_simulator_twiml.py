"""The simulated carrier follows TwiML as Twilio does: verbs, webhooks, errors, and their order."""

import pytest

from simulators.phone_faults import Fault
from simulators.phone_humans import Human
from simulators.phone_report import CallReport
from simulators.phone_scripts import HangUp, Script, Wait, talk
from tests.integration.phone_application import PUBLIC, STAYS, Answer, Scene, connect, scene, twiml

VOICE = "/twilio/voice"


async def place(on: Scene, *bodies: Answer, script: Script = STAYS) -> CallReport:
    on.application.answer(VOICE, *bodies)
    return await on.company.place("+15550001", "+15551230000", script)


async def test_the_voice_webhook_is_what_twilio_sends() -> None:
    async with scene() as on:
        report = await place(on, twiml("<Hangup/>"))
        asked = on.application.asked[0]
    assert (asked.path, asked.method, asked.signed) == (VOICE, "POST", True)
    assert asked.headers["Host"] == "voice.example.com"
    assert asked.headers["User-Agent"].startswith("TwilioProxy")
    form = asked.form
    assert (form["From"], form["To"]) == (form["Caller"], form["Called"])
    assert (form["From"], form["To"]) == ("+15550001", "+15551230000")
    assert form["CallSid"] == report.call_sid
    assert form["CallSid"].startswith("CA")
    assert len(form["CallSid"]) == len(form["AccountSid"]) == 34
    assert form["CallStatus"] == "ringing"
    assert form["Direction"] == "inbound"
    assert form["ApiVersion"] == "2010-04-01"
    assert (report.ended_by, report.violations, report.errors) == ("twiml_hangup", [], [])


async def test_verbs_are_performed_in_order_and_take_their_time() -> None:
    async with scene() as on:
        report = await place(on, twiml("<Say>Please hold.</Say>", "<Pause/>", "<Say>Bye.</Say>"))
    assert report.spoken_by_twiml == ["Please hold.", "Bye."]
    assert [turn.who for turn in report.heard] == ["carrier", "carrier"]
    first, second = report.heard
    assert second.started_ms - first.ended_ms >= 1000
    assert report.ended_by == "twiml_ended"


@pytest.mark.parametrize(("reason", "ended_by"), [("busy", "busy"), ("rejected", "rejected")])
async def test_a_rejected_call_is_never_answered(reason: str, ended_by: str) -> None:
    async with scene(status_url=f"{PUBLIC}/twilio/status") as on:
        on.application.answer("/twilio/status", "")
        report = await place(on, twiml(f'<Reject reason="{reason}"/>', "<Say>Never.</Say>"))
        status = on.application.forms("/twilio/status")[0]
    assert report.ended_by == ended_by
    assert report.duration_s == 0
    assert report.spoken_by_twiml == []
    assert status["CallStatus"] == {"busy": "busy", "rejected": "no-answer"}[reason]


async def test_redirect_asks_the_next_url_with_the_call_in_progress() -> None:
    async with scene() as on:
        on.application.answer("/twilio/next", twiml("<Hangup/>"))
        report = await place(
            on, twiml('<Redirect method="GET">next?a=1</Redirect>', "<Say>x</Say>")
        )
        asked = on.application.asked[1]
    assert (asked.path, asked.method, asked.signed) == ("/twilio/next", "GET", True)
    assert report.twiml_log[1].purpose == "redirect"
    assert report.spoken_by_twiml == []
    assert report.ended_by == "twiml_hangup"


async def test_a_redirect_loop_ends() -> None:
    async with scene() as on:
        report = await place(on, twiml("<Redirect>/twilio/voice</Redirect>"))
    assert report.ended_by == "application_error"


async def test_http_redirects_are_followed_and_signed_anew() -> None:
    async with scene() as on:
        on.application.answer("/moved", twiml("<Redirect>here</Redirect>"))
        on.application.answer("/here", twiml("<Hangup/>"))
        report = await place(on, (307, "", "/moved"))
        assert all(asked.signed for asked in on.application.asked)
        assert on.application.paths() == [VOICE, "/moved", "/here"]
    assert report.ended_by == "twiml_hangup"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((500, "text/plain", "oops"), 11200),
        ((403, "text/plain", ""), 11200),
        ((200, "application/json", "{}"), 12300),
        ("<Response", 12100),
        ("<Answer/>", 12102),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_application_error(
    answer: Answer, code: int
) -> None:
    async with scene() as on:
        report = await place(on, answer)
    assert report.error_codes == [code]
    assert report.ended_by == "application_error"
    assert report.spoken_by_twiml == ["We are sorry, an application error has occurred. Goodbye."]


async def test_the_fallback_url_is_asked_with_the_error() -> None:
    async with scene(fallback_url=f"{PUBLIC}/fallback") as on:
        on.application.answer("/fallback", twiml("<Say>Sorry.</Say>"))
        report = await place(on, (500, "text/plain", ""))
        form = on.application.forms("/fallback")[0]
    assert (form["ErrorCode"], form["ErrorUrl"]) == ("11200", f"{PUBLIC}{VOICE}")
    assert report.spoken_by_twiml == ["Sorry."]
    assert report.ended_by == "twiml_ended"


async def test_an_application_that_is_too_slow_or_not_there() -> None:
    async with scene(answer_limit_s=0.1) as on:
        on.application.delay_s[VOICE] = 0.4
        report = await place(on, twiml("<Hangup/>"))
    assert report.error_codes == [11200]
    async with scene(public_url_rewrites={PUBLIC: "http://127.0.0.1:1"}) as on:
        report = await place(on, twiml("<Hangup/>"))
    assert report.error_codes == [11205]
    assert report.ended_by == "application_error"


async def test_schema_warnings_are_violations_and_the_rest_is_performed() -> None:
    async with scene() as on:
        report = await place(on, twiml("<Speak>Hi</Speak>", '<Say tone="kind">Hello.</Say>'))
    assert len(report.violations) == 2
    assert all(violation.startswith("12200") for violation in report.violations)
    assert report.spoken_by_twiml == ["Hello."]


async def test_the_call_over_callback_comes_last() -> None:
    async with scene(status_url=f"{PUBLIC}/twilio/status") as on:
        on.application.answer("/twilio/status", "")
        await place(on, twiml("<Pause/>"))
        form = on.application.forms("/twilio/status")[0]
        assert on.application.paths() == [VOICE, "/twilio/status"]
        assert on.application.asked[1].signed
    assert form["CallStatus"] == "completed"
    assert int(form["CallDuration"]) >= 1
    assert form["CallbackSource"] == "call-progress-events"


async def test_a_caller_may_hang_up_during_any_verb() -> None:
    async with scene() as on:
        script = Script("leaves", (Wait(500), HangUp()))
        report = await place(on, twiml('<Pause length="60"/>', "<Say>Never</Say>"), script=script)
    assert report.ended_by == "caller_hung_up"
    assert report.spoken_by_twiml == []
    assert 0.4 < report.duration_s < 30


HUMANS = {"+15550100": Human("Front desk.", talks_ms=1500), "sip:desk@example.com": Human("Desk.")}


async def test_dial_connects_a_human_and_tells_the_action_how_it_ended() -> None:
    async with scene(humans=HUMANS) as on:
        on.application.answer("/dialled", twiml("<Hangup/>"))
        dial = '<Dial action="/dialled" callerId="+15551230000"><Number>+15550100</Number></Dial>'
        report = await place(on, twiml(dial, "<Say>Never.</Say>"))
        form = on.application.forms("/dialled")[0]
    leg = report.dialled[0]
    assert (leg.address, leg.status, leg.caller_id) == ("+15550100", "completed", "+15551230000")
    assert leg.duration_ms >= 1500
    assert [(turn.who, turn.text) for turn in report.heard] == [("human", "Front desk.")]
    assert (form["DialCallStatus"], form["DialBridged"]) == ("completed", "true")
    assert int(form["DialCallDuration"]) >= 2
    assert report.ended_by == "twiml_hangup"


async def test_dial_without_an_action_goes_on_with_the_next_verb() -> None:
    async with scene(humans=HUMANS) as on:
        report = await place(
            on, twiml("<Dial>+15559999</Dial>", "<Dial><Sip>sip:desk@example.com</Sip></Dial>")
        )
    assert [leg.status for leg in report.dialled] == ["busy", "completed"]
    assert report.ended_by == "dialled"


@pytest.mark.parametrize(
    ("address", "status"),
    [("+15550199", "no-answer"), ("+15559999", "busy"), ("front desk", "failed")],
)
async def test_dial_tells_why_nobody_answered(address: str, status: str) -> None:
    async with scene(humans={"+15550199": Human(answers=False)}) as on:
        on.application.answer("/dialled", twiml("<Say>Sorry.</Say>"))
        await place(on, twiml(f'<Dial timeout="5" action="/dialled">{address}</Dial>'))
        form = on.application.forms("/dialled")[0]
    assert (form["DialCallStatus"], form["DialBridged"]) == (status, "false")


async def test_a_repeated_webhook_is_the_same_call() -> None:
    async with scene() as on:
        on.application.answer(VOICE, twiml("<Hangup/>"))
        faults = [Fault("duplicate_webhook")]
        report = await on.company.place("+1555", "+1556", talk(["Hi."]), faults=faults)
        forms = on.application.forms(VOICE)
    assert len(forms) == 2
    assert forms[0] == forms[1]
    assert {entry.purpose for entry in report.twiml_log} == {"voice", "voice (duplicate)"}


async def test_a_forged_webhook_is_told_by_its_signature() -> None:
    async with scene() as on:
        on.application.answer(VOICE, twiml("<Hangup/>"))
        await on.company.place("+1555", "+1556", STAYS, faults=[Fault("forged_webhook")])
        assert not on.application.asked[0].signed


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (connect().replace("wss://", "ws://"), 31922),
        (connect().replace("a-token", "a-token?t=1"), 31920),
        (connect(stream=' track="both_tracks"'), 31941),
    ],
)
async def test_a_stream_that_cannot_be_opened_is_followed_by_the_next_verb(
    stream: str, code: int
) -> None:
    async with scene() as on:
        report = await place(on, twiml(stream, "<Say>Sorry.</Say>"))
        assert on.application.upgrade is None
    assert report.error_codes == [code]
    assert report.streams[0].ended_by == "refused"
    assert report.spoken_by_twiml == ["Sorry."]
