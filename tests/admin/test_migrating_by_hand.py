"""`manage.py migrate` under an appliance that runs on with the programs of before says that it has to be restarted."""

from __future__ import annotations

import os
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.models.signals import post_migrate

from mailadmin.appliance.state import Lock

SAID = "runs on with the programs of before"


@pytest.fixture
def home(settings, tmp_path):
    settings.MAIL_HOME = tmp_path
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def running(home):
    lock = Lock(home)
    lock.take()
    return lock


def has_migrated(plan, verbosity=1):
    """What is said after `migrate`."""
    output, directory = StringIO(), apps.get_app_config("directory")
    about = {"app_config": directory, "interactive": False, "using": "default", "apps": apps}
    post_migrate.send(sender=directory, plan=plan, verbosity=verbosity, stdout=output, **about)
    return output.getvalue()


PLAN = [("a migration", False)]


@pytest.mark.django_db
def test_it_says_so(running):
    said = has_migrated(PLAN)

    assert SAID in said and "manage.py appliance stop" in said
    assert f"pid {os.getpid()}" in said


@pytest.mark.django_db
def test_not_when_there_was_nothing_to_do(running):
    output = StringIO()

    call_command("migrate", interactive=False, skip_checks=True, stdout=output)

    assert "No migrations to apply" in output.getvalue()
    assert SAID not in output.getvalue() + has_migrated([])


@pytest.mark.django_db
def test_not_when_no_appliance_runs(home):
    assert SAID not in has_migrated(PLAN)


@pytest.mark.django_db
def test_not_when_the_appliance_itself_migrates_before_it_starts_its_programs(running):
    assert SAID not in has_migrated(PLAN, verbosity=0)
