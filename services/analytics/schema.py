"""The tables analysts query, as typed SQLAlchemy Core; one schema for SQLite and PostgreSQL.

What is about the call (when, how long, how it ended, scores) is in the clear, so that SQL can use
it. What was said in it, and every free text derived from what was said (a summary is caller speech
in other words), is sealed with the call's own key: destroying `calls.wrapped_key` erases it
everywhere, backups included, and the numbers stay. Times are UTC milliseconds, money is micro-USD:
integers, so that sums are exact. The migrations create these tables; a test holds the two equal.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

STATUSES: Final = ("recorded", "scoring", "scored", "not_scorable", "dead")
SENTIMENTS: Final = ("positive", "neutral", "negative", "mixed")

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = sa.MetaData(naming_convention=NAMING)
JSON = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def _text(name: str, comment: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="", comment=comment)


def _number(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0", comment=comment)


def _maybe(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, comment=comment)


def _among(column: str, values: tuple[str, ...]) -> str:
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"


calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call_id", sa.Text, primary_key=True, comment="Callfleet's name of the call"),
    _text("carrier_call_id", "The carrier's name of the call (Twilio: CallSid)"),
    _text("org", "OpenAI organisation whose slots the call used"),
    _text("agent", "Agent that answered, as named in callfleet.yaml"),
    _text("vertical", "The agent's vertical when the call was recorded"),
    _text("leg", "Who was on the other side: twilio, browser"),
    _text("caller_hash", "Keyed hash of the caller's number: equal for equal numbers"),
    sa.Column("caller_sealed", sa.LargeBinary, comment="Caller's number, sealed with the call key"),
    _text("called", "Number that was called, E.164"),
    _number("started_at_ms", "When the call was answered, UTC milliseconds since 1970"),
    _number("ended_at_ms", "When it ended, UTC milliseconds since 1970"),
    _number("duration_ms", "ended_at_ms - started_at_ms"),
    _text("end_reason", "How it ended: caller_hung_up, agent_hung_up, no_slot ..."),
    _text("end_detail", "More about the end, for people; never what was said"),
    _number("turns", "Turns spoken by both sides"),
    _number("takeovers", "Times another worker had to go on with the call"),
    _number("damaged", "Entries of the journal that could not be read when it was recorded"),
    _text("model", "Realtime model that held the session, empty if there was none"),
    _number("responses", "Responses the Realtime model gave"),
    _number("input_text_tokens", "Realtime text tokens in"),
    _number("input_audio_tokens", "Realtime audio tokens in"),
    _number("input_cached_tokens", "Of the tokens in, those billed as cached"),
    _number("output_text_tokens", "Realtime text tokens out"),
    _number("output_audio_tokens", "Realtime audio tokens out"),
    _number("input_cached_text_tokens", "Of the cached tokens, text; 0 where the API did not tell"),
    _number(
        "input_cached_audio_tokens", "Of the cached tokens, audio; 0 where the API did not tell"
    ),
    _number("transcription_text_tokens", "Text tokens in, of the model that wrote down the caller"),
    _number("transcription_audio_tokens", "Audio tokens in, of that model"),
    _number("transcription_output_tokens", "Tokens out, of that model"),
    _number("transcription_ms", "Sound it was billed for, where it bills by time"),
    _number("answers", "Times the agent answered the caller"),
    _text("transcription_model", "Model that wrote down the caller, empty if none did"),
    _text("price_version", "Version of the price table behind session_cost_micro_usd"),
    _maybe(
        "session_cost_micro_usd",
        "Cost of the sessions, transcription included; NULL = price unknown",
    ),
    _maybe(
        "answer_ms_median", "End of the caller's speech to first sound of the answer, the median"
    ),
    _maybe("answer_ms_slowest", "The same, the slowest of the call"),
    _number("waited_ms", "How long the caller was held until there was a slot, or no hope of one"),
    _text(
        "call_back",
        "requested: the caller was promised a call back; done: it was made; empty: neither",
    ),
    sa.Column("wrapped_key", sa.LargeBinary, comment="The call's data key, wrapped; NULL = erased"),
    _text("traceparent", "W3C trace context of the call, empty when tracing is off"),
    _number("recorded_at_ms", "When this row was written"),
    sa.Column(
        "status",
        sa.Text,
        nullable=False,
        server_default="recorded",
        comment="recorded (waits for its score), scoring (claimed), scored, not_scorable, dead",
    ),
    _number("attempts", "Times scoring was begun"),
    sa.Column(
        "next_try_at_ms",
        sa.BigInteger,
        comment="recorded: not before; scoring: the claim's end; NULL: nothing is left to do",
    ),
    sa.Column("lease", sa.Text, comment="Names the claim now at work on the row"),
    sa.Column("last_error", sa.Text, comment="Why the last attempt failed"),
    sa.CheckConstraint(_among("status", STATUSES), name="status"),
    sa.CheckConstraint("duration_ms >= 0", name="duration"),
    sa.Index("ix_calls_status_next_try_at_ms", "status", "next_try_at_ms"),
    sa.Index("ix_calls_started_at_ms", "started_at_ms", "call_id"),
    sa.Index("ix_calls_agent_started_at_ms", "agent", "started_at_ms", "call_id"),
    sa.Index("ix_calls_caller_hash", "caller_hash"),
    sa.Index("ix_calls_call_back_started_at_ms", "call_back", "started_at_ms"),
    comment="One row per ended call",
)


def _of_a_call() -> sa.Column[str]:
    return sa.Column(
        "call_id",
        sa.Text,
        sa.ForeignKey("calls.call_id", ondelete="CASCADE"),
        primary_key=True,
        comment="The call it belongs to",
    )


def _place(comment: str) -> sa.Column[int]:
    return sa.Column("position", sa.Integer, primary_key=True, autoincrement=False, comment=comment)


turns = sa.Table(
    "turns",
    metadata,
    _of_a_call(),
    _place("1 is the first turn of the call; scores cite this number"),
    sa.Column("role", sa.Text, nullable=False, comment="caller or agent"),
    _number("started_ms", "Milliseconds from the call's start to the turn's first sound"),
    _number("ended_ms", "Milliseconds from the call's start to the turn's last sound"),
    sa.Column("interrupted", sa.Boolean, nullable=False, comment="The caller spoke over it"),
    sa.Column("heard_ms", sa.BigInteger, comment="How much of it was heard before that"),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="What was said, sealed"),
    sa.CheckConstraint(_among("role", ("caller", "agent")), name="role"),
    comment="What was said, in order",
)

notes = sa.Table(
    "notes",
    metadata,
    _of_a_call(),
    _place("1 is the first note of the call"),
    _text("kind", "usage, dtmf, error, takeover, tool ..."),
    _number("at_ms", "Milliseconds from the call's start"),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="The note's data (JSON), sealed"),
    comment="What happened besides speech",
)

scores = sa.Table(
    "scores",
    metadata,
    _of_a_call(),
    sa.Column(
        "analysis_version",
        sa.Integer,
        primary_key=True,
        autoincrement=False,
        comment="Version of the rubric; older versions are kept",
    ),
    _text("rubric", "Fingerprint of the very prompt and schema that were used"),
    sa.Column("scorable", sa.Boolean, nullable=False, comment="False: why_not says why, no scores"),
    sa.Column("why_not", sa.Text, comment="nothing_said, unintelligible, no_conversation, refused"),
    sa.Column("sentiment", sa.Text, comment="The caller's mood: positive, neutral, ..."),
    sa.Column("sentiment_value", sa.Float, comment="-1 (furious) to 1 (delighted)"),
    sa.Column("intent", sa.Text, comment="What the caller wanted, one of a closed set"),
    sa.Column("lead_score", sa.Integer, comment="0 (no prospect) to 100 (ready to buy)"),
    sa.Column("reasons", JSON, comment="Lead signals seen, each with the turns that show it"),
    sa.Column("evidence", JSON, comment="Turns that sentiment and intent rest on"),
    sa.Column("narrative", sa.LargeBinary, comment="Summary and intent in words (JSON), sealed"),
    sa.Column("model", sa.Text, comment="Model that answered; NULL when none was asked"),
    sa.Column("asked_model", sa.Text, comment="Model that was configured"),
    _number("prompt_tokens", "Tokens the scoring model read"),
    _number("answer_tokens", "Tokens the scoring model wrote"),
    sa.Column("cost_micro_usd", sa.BigInteger, comment="NULL when the model's price is unknown"),
    _text("price_version", "Version of the price table"),
    _number("created_at_ms", "When this score was written"),
    sa.CheckConstraint(_among("sentiment", SENTIMENTS), name="sentiment"),
    sa.CheckConstraint("sentiment_value BETWEEN -1 AND 1", name="sentiment_value"),
    sa.CheckConstraint("lead_score BETWEEN 0 AND 100", name="lead_score"),
    sa.CheckConstraint(
        "scorable = (sentiment IS NOT NULL AND sentiment_value IS NOT NULL"
        " AND intent IS NOT NULL AND lead_score IS NOT NULL)",
        name="complete",
    ),
    sa.CheckConstraint("scorable = (why_not IS NULL)", name="why_not"),
    comment="What the analysis says of a call, once per version of the rubric",
)
