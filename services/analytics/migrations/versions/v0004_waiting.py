"""How long a call waited for a slot, and whether its caller was promised a call back."""

import sqlalchemy as sa
from alembic import op

from services.analytics.migrations.versions import v0002_views, v0003_money_and_latency

revision = "0004"
down_revision = "0003"

_SHOWN_AFTER = "c.answer_ms_median,"
_CALL_SCORES = v0003_money_and_latency._CALL_SCORES.replace(
    _SHOWN_AFTER, f"c.waited_ms / 1000.0 AS waited_s, c.call_back, {_SHOWN_AFTER}"
)


def upgrade() -> None:
    v0002_views.downgrade()
    waited = "How long the caller was held until there was a slot, or no hope of one"
    op.add_column(
        "calls",
        sa.Column("waited_ms", sa.BigInteger(), nullable=False, server_default="0", comment=waited),
    )
    promised = "requested: the caller was promised a call back; done: it was made; empty: neither"
    op.add_column(
        "calls",
        sa.Column("call_back", sa.Text(), nullable=False, server_default="", comment=promised),
    )
    op.create_index("ix_calls_call_back_started_at_ms", "calls", ["call_back", "started_at_ms"])
    v0002_views.create(_CALL_SCORES, v0003_money_and_latency._DAILY_AGENT_SCORES)


def downgrade() -> None:
    v0002_views.downgrade()
    op.drop_index("ix_calls_call_back_started_at_ms", "calls")
    op.drop_column("calls", "call_back")
    op.drop_column("calls", "waited_ms")
    v0002_views.create(
        v0003_money_and_latency._CALL_SCORES, v0003_money_and_latency._DAILY_AGENT_SCORES
    )
