"""The embedded servers as tests use them: databases are separate, migrated, and Valkey starts empty."""

import psycopg
import pytest
import redis
from django.contrib.auth import get_user_model


def test_each_database_is_migrated_and_separate(servers):
    first, second = servers.create_database(), servers.create_database()

    with psycopg.connect(first) as connection:
        connection.execute("UPDATE config_generation SET generation = 4711")

    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT generation <> 4711 FROM config_generation").fetchone() == (True,)
    servers.drop_database(first)
    servers.drop_database(second)


def test_valkey_database_is_empty_and_ours(servers):
    with redis.Redis.from_url(servers.empty_valkey_database()) as client:
        client.set("left", "behind")

    with redis.Redis.from_url(servers.empty_valkey_database()) as client:
        assert client.dbsize() == 0


def test_servers_ask_for_a_password(servers):
    without = servers.postgres().url().replace(":for-tests-only@", "@")

    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(without)


@pytest.mark.django_db
def test_django_uses_the_cloned_database():
    assert get_user_model().objects.count() == 0
