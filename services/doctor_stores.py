"""The doctor's questions to Redis and the database: there, new enough, and kept as they must be."""

import os
from pathlib import Path
from typing import Any, Final

from alembic.script import ScriptDirectory
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from sqlalchemy.engine import URL

from callfleet.errors import CallfleetError
from callfleet.service import redis_pool
from services.analytics.database import Database, database_url
from services.doctor_findings import Finding, bad, good, warning

REDIS_OLDEST: Final = (6, 2)
MIGRATIONS: Final = Path(__file__).parent / "analytics" / "migrations"


async def check_redis(url: str) -> list[Finding]:
    """Reachable, new enough, never evicting, and keeping what it was told over a restart."""
    try:
        redis = redis_pool(url)
    except CallfleetError as error:
        return [bad("redis", str(error), "correct REDIS_URL")]
    try:
        await redis.ping()
        facts: dict[str, Any] = await redis.info()
        snapshots = await _snapshots(redis)
    except (AuthenticationError, ResponseError):
        return [bad("redis", "refused the login", "put the right password into REDIS_URL")]
    except (RedisError, OSError) as error:
        told = f"no answer ({type(error).__name__})"
        return [bad("redis", told, "check REDIS_URL and that Redis runs")]
    finally:
        await redis.aclose()
    return [_version(facts), _eviction(facts), _persistence(facts, snapshots), *_role(facts)]


async def _snapshots(redis: Redis) -> bool | None:
    """Whether it saves snapshots; None where the server does not tell (managed ones do not)."""
    try:
        return bool((await redis.config_get("save")).get("save"))
    except RedisError:
        return None


def _version(facts: dict[str, Any]) -> Finding:
    version = str(facts.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < REDIS_OLDEST:
        return bad("redis", f"version {version} is too old", "use Redis 6.2 or newer")
    return good("redis", f"answers, version {version}")


def _eviction(facts: dict[str, Any]) -> Finding:
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return good("redis memory", "never evicts (noeviction)")
    told = f"maxmemory-policy is {policy}: slots and journals could be evicted"
    return bad("redis memory", told, "set maxmemory-policy noeviction")


def _persistence(facts: dict[str, Any], snapshots: bool | None) -> Finding:
    subject = "redis persistence"
    if facts.get("aof_enabled"):
        return good(subject, "append-only file is on")
    if snapshots is None:
        told = "no append-only file, and the server does not tell whether it saves snapshots"
        return warning(subject, told, "make sure journals survive a restart: appendonly yes")
    told = "snapshots only" if snapshots else "nothing is kept over a restart"
    remedy = "set appendonly yes: journals of calls not yet recorded live here"
    return warning(subject, told, remedy)


def _role(facts: dict[str, Any]) -> list[Finding]:
    if facts.get("role") == "master":
        return []
    return [bad("redis role", "this is a read-only replica", "point REDIS_URL at the primary")]


async def check_database(url: str) -> Finding:
    """Reachable, and with the schema that this version of the code expects."""
    subject = "database"
    try:
        parsed = database_url(url)
    except CallfleetError as error:
        return bad(subject, str(error), "correct DATABASE_URL")
    if (absent := _absent_file(parsed)) is not None:
        return _missing_file(absent)
    database = Database(url)
    try:
        have = await database.revision()
    except CallfleetError as error:
        told = f"no answer ({error})"
        return bad(subject, told, "check DATABASE_URL, that the server runs, and the login")
    finally:
        await database.close()
    return _schema(f"{database.dialect} answers", have)


def _absent_file(url: URL) -> Path | None:
    """Connecting to SQLite would create the file, so it is looked for first."""
    in_a_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    file = Path(str(url.database))
    return file if in_a_file and not file.exists() else None


def _missing_file(file: Path) -> Finding:
    """Only looking: the doctor creates nothing."""
    folder = file.parent
    if folder.is_dir() and os.access(folder, os.W_OK):
        return good("database", f"{file} will be created when analytics starts")
    told = f"{file} does not exist and cannot be created"
    return bad("database", told, "make its folder, writable, or correct DATABASE_URL")


def _schema(answers: str, have: str | None) -> Finding:
    scripts = ScriptDirectory(str(MIGRATIONS))
    wanted = scripts.get_current_head()
    if have == wanted:
        return good("database", f"{answers}, schema {have}")
    if have is None:
        return good("database", f"{answers}, empty: analytics migrates it when it starts")
    known = {script.revision for script in scripts.walk_revisions()}
    if have in known:
        told = f"{answers}, schema {have} is behind {wanted}"
        return warning("database", told, "start analytics once: it migrates")
    told = f"{answers}, schema {have} is newer than this version knows ({wanted})"
    return bad("database", told, "upgrade Callfleet, or go back to the database's backup")
