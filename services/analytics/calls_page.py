"""How calls look in a terminal: a table of many, a page of one."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from callfleet.calls import CallId
from callfleet.encryption import KEYS_ENV, CallKey, KeyRing
from callfleet.errors import ConfigFault
from services.analytics import rows
from services.analytics.catalogue import Row, WholeCall

_MOODS: Final = {"positive": "green", "negative": "red", "mixed": "yellow", "neutral": ""}
_NEAR_MS: Final = 1_000
_PLAIN: Final = ("call_id", "carrier_call_id", "org", "agent", "vertical", "leg", "called")


def clock(at_ms: int) -> str:
    """Minutes and seconds into a call."""
    return f"{at_ms // 60_000}:{at_ms // 1000 % 60:02d}"


def moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def seconds(ms: int | None) -> str:
    return "" if ms is None else f"{ms / 1000:.2f} s"


def dollars(micro_usd: int | None) -> str:
    return "" if micro_usd is None else f"${micro_usd / 1_000_000:.4f}"


def _mood(row: Row) -> Text:
    if row["sentiment"] is None:
        said = row["status"] if row["status"] != "not_scorable" else row["why_not"] or ""
        return Text(said.replace("_", " "), style="red" if row["status"] == "dead" else "dim")
    return Text(f"{row['sentiment']} {row['sentiment_value']:+.1f}", style=_MOODS[row["sentiment"]])


def show_table(found: Sequence[Row], *, limit: int) -> None:
    """Newest first. A file or a pipe gets the whole width it needs."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    if not found:
        console.print("No calls match. (Ended calls appear within seconds.)")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("call", "started (UTC)", "agent"):
        table.add_column(heading, no_wrap=heading == "call")
    for heading in ("length", "turns"):
        table.add_column(heading, justify="right")
    for heading in ("ended", "sentiment", "intent"):
        table.add_column(heading)
    for heading in ("lead", "answer", "cost"):
        table.add_column(heading, justify="right")
    for row in found:
        table.add_row(
            row["call_id"],
            moment(row["started_at_ms"]),
            Text(row["agent"]),
            clock(row["duration_ms"]),
            str(row["turns"]),
            row["end_reason"].replace("_", " "),
            _mood(row),
            Text((row["intent"] or "").replace("_", " ")),
            "" if row["lead_score"] is None else str(row["lead_score"]),
            seconds(row["answer_ms_median"]),
            dollars(row["session_cost_micro_usd"]),
        )
    console.print(table)
    if len(found) == limit:
        console.print(f"The newest {limit}; --limit, --since or --agent show others.", style="dim")


def opened_call(whole: WholeCall, encryption_keys: str) -> dict[str, Any]:
    """Everything of a call in the clear, as JSON would have it."""
    if not encryption_keys:
        raise ConfigFault([f"{KEYS_ENV}: is required to read what was said"])
    call = whole.call
    opened: dict[str, Any] = {
        name: value
        for name, value in call.items()
        if name not in ("caller_sealed", "wrapped_key", "lease")
    }
    if call["wrapped_key"] is None:
        return opened | {
            "erased": True,
            "caller": None,
            "transcript": [],
            "notes": [],
            "scores": [],
        }
    key = KeyRing.parse(encryption_keys).unwrap(CallId(call["call_id"]), call["wrapped_key"])
    opened["caller"] = rows.opened_caller(key, call["caller_sealed"])
    opened["transcript"] = [
        {
            "n": turn["position"],
            "role": turn["role"],
            "started_ms": turn["started_ms"],
            "ended_ms": turn["ended_ms"],
            "interrupted": turn["interrupted"],
            "heard_ms": turn["heard_ms"],
            "text": rows.turn_text(key, turn["position"], turn["sealed"]),
        }
        for turn in whole.turns
    ]
    opened["notes"] = [
        {
            "kind": note["kind"],
            "at_ms": note["at_ms"],
            "data": rows.note_data(key, note["position"], note["sealed"]),
        }
        for note in whole.notes
    ]
    opened["scores"] = [_opened_score(score, key) for score in whole.scores]
    return opened


def _opened_score(score: Row, key: CallKey) -> dict[str, Any]:
    opened = {name: value for name, value in score.items() if name not in ("narrative", "call_id")}
    told = None
    if score["narrative"] is not None:
        told = rows.opened_narrative(key, score["analysis_version"], score["narrative"])
    return opened | {
        "summary": told.summary if told else None,
        "intent_detail": told.intent if told else None,
    }


def show_call(call: dict[str, Any]) -> None:
    console = Console(highlight=False)
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column()
    for name in _PLAIN:
        facts.add_row(name.replace("_", " "), Text(str(call[name])))
    facts.add_row("caller", Text(call["caller"] or "erased"))
    facts.add_row("started", moment(call["started_at_ms"]))
    ended = call["end_reason"].replace("_", " ")
    facts.add_row("length", f"{clock(call['duration_ms'])}, {call['turns']} turns, {ended}")
    facts.add_row("answers", Text(_waiting(call)))
    facts.add_row("cost", Text(_spending(call)))
    facts.add_row("status", Text(call["status"] + (f": {_why(call)}" if _why(call) else "")))
    parts: list[Any] = [facts, Text()]
    parts += [Group(_judgement(score), Text()) for score in call["scores"][:1]]
    cited = _cited(call["scores"][:1])
    waits = _waits(call["notes"])
    for turn in call["transcript"]:
        parts.append(_turn(turn, cited.get(turn["n"], []), _wait_for(turn, waits)))
    console.print(Group(*parts))


def _waiting(call: dict[str, Any]) -> str:
    """How long the caller waited for the agent."""
    if not call["answers"] or call["answer_ms_median"] is None:
        return "none"
    median, slowest = seconds(call["answer_ms_median"]), seconds(call["answer_ms_slowest"])
    return f"{call['answers']}, after {median} (median), the slowest after {slowest}"


def _spending(call: dict[str, Any]) -> str:
    """What the sessions cost, and for what."""
    cost = dollars(call["session_cost_micro_usd"]) or "unknown: no price for its models"
    read = call["input_text_tokens"] + call["input_audio_tokens"]
    written = call["output_text_tokens"] + call["output_audio_tokens"]
    told = f"{read} tokens read ({call['input_cached_tokens']} cached), {written} written"
    version = f", prices of {call['price_version']}" if call["price_version"] else ""
    return f"{cost} ({call['model'] or 'no session'}: {told}{version})"


def _why(call: dict[str, Any]) -> str:
    return call["last_error"] or ""


def _judgement(score: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    if not score["scorable"]:
        table.add_row("not scorable", score["why_not"].replace("_", " "))
        return table
    mood = Text(f"{score['sentiment']} ({score['sentiment_value']:+.2f})")
    mood.stylize(_MOODS[score["sentiment"]])
    table.add_row("sentiment", mood)
    intent = score["intent"].replace("_", " ")
    table.add_row("intent", Text(f"{intent}: {score['intent_detail']}"))
    signals = ", ".join(reason["signal"].replace("_", " ") for reason in score["reasons"])
    table.add_row("lead score", Text(f"{score['lead_score']} ({signals or 'no signal'})"))
    table.add_row("summary", Text(score["summary"]))
    cost = score["cost_micro_usd"]
    price = "cost unknown" if cost is None else f"${cost / 1_000_000:.6f}"
    table.add_row("scored by", Text(f"{score['model']}, rubric {score['rubric']}, {price}"))
    return table


def _cited(scores: list[dict[str, Any]]) -> dict[int, list[str]]:
    """Which judgements rest on which turn."""
    cited: dict[int, list[str]] = {}
    for score in scores:
        sources = list((score["evidence"] or {}).items())
        sources += [(reason["signal"], reason["turns"]) for reason in score["reasons"] or []]
        for name, numbers in sources:
            for number in numbers:
                cited.setdefault(number, []).append(name.replace("_", " "))
    return cited


def _waits(notes: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """When each answer began, and how long its caller had waited."""
    answers = [note for note in notes if note["kind"] == "answer"]
    return [(note["at_ms"], note["data"]["after_ms"]) for note in answers]


def _wait_for(turn: dict[str, Any], waits: list[tuple[int, int]]) -> int | None:
    """A turn's words may be there a little before its sound."""
    if turn["role"] != "agent":
        return None
    near = (after for at, after in waits if -_NEAR_MS < at - turn["started_ms"] < _NEAR_MS)
    return next(near, None)


def _turn(turn: dict[str, Any], cited: list[str], waited_ms: int | None) -> Text:
    line = Text(f"{turn['n']:>3}  {clock(turn['started_ms']):>5}  ", style="dim")
    line.append(f"{turn['role']:<7}", style="bold cyan" if turn["role"] == "caller" else "bold")
    line.append(turn["text"])
    if turn["interrupted"]:
        heard = turn["heard_ms"]
        line.append(" [cut off" + (f" after {heard / 1000:.1f} s]" if heard is not None else "]"))
    if waited_ms is not None:
        line.append(f"  (after {seconds(waited_ms)})", style="dim")
    if cited:
        line.append(f"  <- {', '.join(cited)}", style="yellow")
    return line
