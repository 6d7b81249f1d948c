"""The analytics worker's knobs."""

from dataclasses import dataclass

from callfleet.settings import ServiceSettings, address, knob, port


@dataclass(frozen=True, kw_only=True)
class AnalyticsSettings(ServiceSettings):
    """Where scores are kept, and who judges."""

    database_url: str = knob(
        "DATABASE_URL",
        "sqlite+aiosqlite:///callfleet.db",
        parse=address("sqlite+aiosqlite", "sqlite", "postgresql+asyncpg", "postgresql", "postgres"),
        help="PostgreSQL, or a SQLite file.",
    )
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
    host: str = knob(
        "CALLFLEET_ANALYTICS_HOST",
        "0.0.0.0",  # noqa: S104 # analysts come from outside
        help="Where the analysts' page and API listen.",
    )
    port: int = knob(
        "CALLFLEET_ANALYTICS_PORT", 8082, parse=port, help="Port of the analysts' page and API."
    )
