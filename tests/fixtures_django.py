"""Django on the servers of this test session: clones of the migrated template instead of runs of all migrations."""

import os
from collections.abc import Iterator
from typing import Any

import dj_database_url
import pytest

from tests.fixtures_servers import SERVERS, Servers


def pytest_configure(config: pytest.Config) -> None:
    """Point everything that reads the environment at this session's servers, which start only when needed."""
    servers = config.stash[SERVERS]
    home = servers.folder / "home"
    home.mkdir()
    (home / "static").mkdir()
    os.environ["DATABASE_URL"] = servers.planned_database_url
    os.environ["REDIS_URL"] = servers.planned_redis_url
    os.environ["MAIL_HOME"] = str(home)
    os.environ.setdefault("SECRET_KEY", "a-key-for-tests-that-is-long-enough-to-be-accepted-everywhere")
    point_django_at(servers)


def point_django_at(servers: Servers) -> None:
    """pytest-django has loaded the settings before anything of ours could set the environment."""
    from django.conf import settings

    if not settings.configured:
        return
    settings.DATABASES["default"].update(_django_address(servers.planned_database_url))
    settings.REDIS_URL = settings.CELERY_BROKER_URL = servers.planned_redis_url
    settings.MAIL_HOME = servers.folder / "home"
    settings.STATIC_ROOT = settings.MAIL_HOME / "static"


def _django_address(url: str) -> dict[str, Any]:
    parsed = dj_database_url.parse(url)
    return {key: parsed[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")}


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any, servers: Servers) -> Iterator[None]:
    """pytest-django's database for the `db` fixture: a clone of the template instead of a run of all migrations."""
    url = servers.create_database()
    with django_db_blocker.unblock():
        before = connect_django_to(_django_address(url))
    yield
    with django_db_blocker.unblock():
        connect_django_to(before)
    servers.drop_database(url)


@pytest.fixture
def django_database(database_url: str, django_db_blocker: Any) -> Iterator[str]:
    """Django's ORM on this test's own database, committing: for tests that share it with other processes."""
    with django_db_blocker.unblock():
        before = connect_django_to(_django_address(database_url))
        yield database_url
        # Back to where it was, which is another database once a test of this session has used `db`.
        connect_django_to(before)


def connect_django_to(address: dict[str, Any]) -> dict[str, Any]:
    """Point Django's connection at another database. Returns where it was."""
    from django.db import connections

    connection = connections["default"]
    before = {key: connection.settings_dict[key] for key in address}
    connection.close()
    connection.settings_dict.update(address)
    return before
