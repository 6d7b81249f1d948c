"""Views for analysts: one row per call with its newest score, and days per agent."""

from alembic import op

revision = "0002"
down_revision = "0001"

_MOMENT = {
    "sqlite": "datetime({column} / 1000, 'unixepoch')",
    "postgresql": "to_timestamp({column} / 1000.0)",
}
_DAY = {
    "sqlite": "date({column} / 1000, 'unixepoch')",
    "postgresql": "(to_timestamp({column} / 1000.0) AT TIME ZONE 'UTC')::date",
}

_CALL_SCORES = """
CREATE VIEW call_scores AS
SELECT c.call_id, c.carrier_call_id, c.org, c.agent, c.vertical, c.leg, c.caller_hash, c.called,
       {started} AS started_at, {ended} AS ended_at, c.started_at_ms, c.ended_at_ms,
       c.duration_ms / 1000.0 AS duration_s, c.end_reason, c.turns, c.status,
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
       avg(s.sentiment_value) AS mean_sentiment,
       avg(s.lead_score) AS mean_lead_score,
       sum(CASE WHEN s.sentiment = 'negative' THEN 1 ELSE 0 END) AS negative,
       sum(s.cost_micro_usd) AS cost_micro_usd
FROM calls c
LEFT JOIN scores s ON s.call_id = c.call_id AND s.analysis_version =
     (SELECT max(newest.analysis_version) FROM scores newest WHERE newest.call_id = c.call_id)
GROUP BY 1, c.org, c.agent, c.vertical
"""


def upgrade() -> None:
    create(_CALL_SCORES, _DAILY_AGENT_SCORES)


def create(call_scores: str, daily_agent_scores: str) -> None:
    """Also for later revisions, which show more."""
    dialect = op.get_bind().dialect.name
    moment, day = _MOMENT[dialect], _DAY[dialect]
    started, ended = moment.format(column="c.started_at_ms"), moment.format(column="c.ended_at_ms")
    op.execute(call_scores.format(started=started, ended=ended))
    op.execute(daily_agent_scores.format(day=day.format(column="c.started_at_ms")))


def downgrade() -> None:
    op.execute("DROP VIEW daily_agent_scores")
    op.execute("DROP VIEW call_scores")
