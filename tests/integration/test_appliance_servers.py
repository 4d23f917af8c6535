"""The embedded servers as tests use them: databases are separate, migrated, and Valkey starts empty."""

from collections.abc import Iterator

import psycopg
import pytest
import redis
from django.contrib.auth import get_user_model
from django.db import connections

from mailadmin.directory.models import Domain


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


@pytest.fixture
def shared_before_and_after(django_db_setup) -> Iterator[str]:
    """The name of the database that tests share; it has to be the same again when everything else is torn down."""
    name = connections["default"].settings_dict["NAME"]
    yield name
    assert connections["default"].settings_dict["NAME"] == name


def test_a_database_of_ones_own_gives_the_shared_one_back(shared_before_and_after, django_database):
    Domain.objects.create(name="own.test", kind="local")

    assert not django_database.endswith(shared_before_and_after)
    with psycopg.connect(django_database) as connection:
        assert connection.execute("SELECT count(*) FROM domain").fetchone() == (1,)
