"""The analytics worker's knobs."""

from dataclasses import dataclass

from callfleet.settings import ServiceSettings, address, knob, number, whole


def database_knob() -> str:
    """The database; the terminal's commands read the same variable."""
    url: str = knob(
        "DATABASE_URL",
        "sqlite+aiosqlite:///callfleet.db",
        parse=address("sqlite+aiosqlite", "sqlite", "postgresql+asyncpg", "postgresql", "postgres"),
        help="PostgreSQL, or a SQLite file.",
    )
    return url


@dataclass(frozen=True, kw_only=True)
class AnalyticsSettings(ServiceSettings):
    """Where scores are kept, and who judges."""

    database_url: str = database_knob()
    openai_api_key: str = knob(
        "OPENAI_API_KEY", secret=True, help="Key for scoring; agents' keys are named by their org."
    )
    openai_base_url: str = knob(
        "OPENAI_BASE_URL",
        "https://api.openai.com/v1",
        parse=address("https", "http"),
        help="The scoring API.",
    )
    scoring_model: str = knob(
        "CALLFLEET_SCORING_MODEL", "gpt-4o-mini", help="The model that scores calls."
    )
    scoring_successor: str = knob(
        "CALLFLEET_SCORING_SUCCESSOR",
        "gpt-6-luna",
        help="The model that scores when the API says that the other one is gone.",
    )
    scoring_limit_s: float = knob(
        "CALLFLEET_SCORING_LIMIT_S",
        60.0,
        parse=number(0.1, 600),
        help="Seconds one answer of the scoring model may take.",
    )
    scoring_attempts: int = knob(
        "CALLFLEET_SCORING_ATTEMPTS",
        12,
        parse=whole(1, 100),
        help="Times a call's scoring is tried, over hours, before it is a dead letter.",
    )
    scoring_backoff_s: float = knob(
        "CALLFLEET_SCORING_BACKOFF_S",
        10.0,
        parse=number(0.01, 3600),
        help="Seconds before the second try of a call's scoring; each further wait doubles.",
    )
    jobs: int = knob(
        "CALLFLEET_ANALYTICS_JOBS",
        20,
        parse=whole(1, 500),
        help="Calls recorded or scored at the same time by one process.",
    )
    sweep_s: float = knob(
        "CALLFLEET_SWEEP_S",
        3.0,
        parse=number(0.1, 600),
        help="Seconds between looks for open work that no trigger announced.",
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """All that `callfleet analytics --migrate` needs."""

    database_url: str = database_knob()


@dataclass(frozen=True, kw_only=True)
class CallsSettings(DatabaseSettings):
    """All that `callfleet calls` needs: reading transcripts takes the keys, scores do not."""

    encryption_keys: str = knob(
        "CALLFLEET_ENCRYPTION_KEYS",
        "",
        secret=True,
        help="Keys of the journal; only for reading transcripts.",
    )
