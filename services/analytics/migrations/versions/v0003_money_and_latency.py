"""What a call cost, and how long its caller waited for answers; both in the views too."""

import sqlalchemy as sa
from alembic import op

from services.analytics.migrations.versions import v0002_views

revision = "0003"
down_revision = "0002"

_NUMBERS = {
    "input_cached_text_tokens": "Of the cached tokens, text; 0 where the API did not tell",
    "input_cached_audio_tokens": "Of the cached tokens, audio; 0 where the API did not tell",
    "transcription_text_tokens": "Text tokens in, of the model that wrote down the caller",
    "transcription_audio_tokens": "Audio tokens in, of that model",
    "transcription_output_tokens": "Tokens out, of that model",
    "transcription_ms": "Sound it was billed for, where it bills by time",
    "answers": "Times the agent answered the caller",
}
_TEXTS = {
    "transcription_model": "Model that wrote down the caller, empty if none did",
    "price_version": "Version of the price table behind session_cost_micro_usd",
}
_MAYBES = {
    "session_cost_micro_usd": "Cost of the sessions, transcription included; NULL = price unknown",
    "answer_ms_median": "End of the caller's speech to first sound of the answer, the median",
    "answer_ms_slowest": "The same, the slowest of the call",
}

_CALL_SCORES = """
CREATE VIEW call_scores AS
SELECT c.call_id, c.carrier_call_id, c.org, c.agent, c.vertical, c.leg, c.caller_hash, c.called,
       {started} AS started_at, {ended} AS ended_at, c.started_at_ms, c.ended_at_ms,
       c.duration_ms / 1000.0 AS duration_s, c.end_reason, c.turns, c.status,
       c.answer_ms_median, c.answer_ms_slowest, c.session_cost_micro_usd,
       s.analysis_version, s.scorable, s.why_not, s.sentiment, s.sentiment_value, s.intent,
       s.lead_score, s.reasons, s.evidence, s.model, s.cost_micro_usd
FROM calls c
LEFT JOIN scores s ON s.call_id = c.call_id AND s.analysis_version =
     (SELECT max(newest.analysis_version) FROM scores newest WHERE newest.call_id = c.call_id)
"""

_DAILY_AGENT_SCORES = """
CREATE VIEW daily_agent_scores AS
SELECT {day} AS day, c.org, c.agent, c.vertical,
       count(*) AS calls,
       count(s.sentiment) AS scored,
       avg(c.duration_ms) / 1000.0 AS mean_duration_s,
       avg(c.answer_ms_median) AS mean_answer_ms,
       avg(s.sentiment_value) AS mean_sentiment,
       avg(s.lead_score) AS mean_lead_score,
       sum(CASE WHEN s.sentiment = 'negative' THEN 1 ELSE 0 END) AS negative,
       sum(c.session_cost_micro_usd) AS session_cost_micro_usd,
       sum(s.cost_micro_usd) AS cost_micro_usd
FROM calls c
LEFT JOIN scores s ON s.call_id = c.call_id AND s.analysis_version =
     (SELECT max(newest.analysis_version) FROM scores newest WHERE newest.call_id = c.call_id)
GROUP BY 1, c.org, c.agent, c.vertical
"""


def upgrade() -> None:
    v0002_views.downgrade()
    for name, comment in _NUMBERS.items():
        _add("calls", sa.BigInteger, name, comment, default="0")
    for name, comment in _TEXTS.items():
        _add("calls", sa.Text, name, comment, default="")
    for name, comment in _MAYBES.items():
        _add("calls", sa.BigInteger, name, comment)
    _add("scores", sa.Text, "price_version", "Version of the price table", default="")
    v0002_views.create(_CALL_SCORES, _DAILY_AGENT_SCORES)


def downgrade() -> None:
    v0002_views.downgrade()
    op.drop_column("scores", "price_version")
    for name in (*_NUMBERS, *_TEXTS, *_MAYBES):
        op.drop_column("calls", name)
    v0002_views.upgrade()


def _add(
    table: str,
    kind: type[sa.types.TypeEngine[int]] | type[sa.types.TypeEngine[str]],
    name: str,
    comment: str,
    default: str | None = None,
) -> None:
    column = sa.Column(
        name, kind(), nullable=default is None, server_default=default, comment=comment
    )
    op.add_column(table, column)
