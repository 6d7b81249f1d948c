"""REDIS_URL in all its forms, and what must never be told of it."""

import pytest

from callfleet.redis_url import Watched, first_host, watched
from callfleet.settings_parse import redis_address, without_credentials


def test_one_server_is_nobodys_to_watch() -> None:
    assert watched("redis://host:1/0") is None
    assert watched("unix:///run/redis.sock") is None


def test_a_primary_by_name() -> None:
    assert watched("redis+sentinel://a:1,b,[::1]:3/calls") == Watched(
        sentinels=(("a", 1), ("b", 26379), ("::1", 3)), name="calls", tls=False
    )


def test_logins_of_the_primary_and_of_its_sentinels() -> None:
    url = "rediss+sentinel://me:p%40ss@a:1/calls?db=2&sentinel_username=s&sentinel_password=t"
    found = watched(url)
    assert found is not None
    assert (found.tls, found.db) == (True, 2)
    assert found.login == {"username": "me", "password": "p@ss"}
    assert found.sentinel_login == {"username": "s", "password": "t"}
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a:1",
        "redis+sentinel://a:1/",
        "redis+sentinel:///calls",
        "redis+sentinel://a:1,/calls",
        "redis+sentinel://a:many/calls",
        "redis+sentinel://a:1/calls/0",
        "redis+sentinel://a:1/calls?db=x",
        "redis+sentinel://a:1/calls?socket_timeout=9",
        "http://a:1/0",
        "redis://:6379",
        "a:1",
    ],
)
def test_what_is_no_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        redis_address(url)
    assert url not in str(refused.value)


def test_the_way_out_leads_to_redis_or_to_who_knows_it() -> None:
    assert first_host("redis+sentinel://a:1,b:2/calls") == ("a", 1)
    assert first_host("redis://host/0") == ("host", 6379)
    assert first_host("unix:///run/redis.sock") is None


def test_what_is_shown_has_no_password() -> None:
    url = "redis+sentinel://me:secret@a:1,b:2/calls?sentinel_password=hidden&db=1"
    shown = without_credentials(url)
    assert shown == "redis+sentinel://***@a:1,b:2/calls?sentinel_password=***&db=1"
    assert without_credentials("redis://a:1/0") == "redis://a:1/0"
