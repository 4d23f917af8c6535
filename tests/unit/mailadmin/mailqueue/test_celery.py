"""What the queue relies on in Celery's configuration."""

from __future__ import annotations

import pytest
from kombu.exceptions import OperationalError

from mailadmin.celery import QUEUE, app
from mailadmin.mailqueue import tasks
from mailcore.queue import leases
from mailcore.relay import run


def test_a_task_is_acknowledged_after_the_work_and_comes_again_when_the_worker_dies():
    assert tasks.deliver_batch.acks_late and tasks.deliver_batch.reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


def test_nothing_is_kept_about_results():
    assert app.conf.result_backend is None and tasks.deliver_batch.ignore_result


def test_only_json_is_read_from_the_broker():
    assert list(app.conf.accept_content) == ["json"] and app.conf.task_serializer == "json"


def test_a_running_task_is_not_delivered_again_by_the_broker():
    assert app.conf.broker_transport_options["visibility_timeout"] > 10 * run.LONGEST_RUN_S


def test_a_worker_waits_for_the_broker_for_ever():
    assert app.conf.broker_connection_max_retries is None and app.conf.broker_connection_retry_on_startup


def test_a_broker_that_was_away_for_long_is_found_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda _: None)
    pauses: list[float] = []

    with pytest.raises(OperationalError), app.connection_for_read("redis://127.0.0.1:1/") as connection:
        connection.ensure_connection(lambda error, pause: pauses.append(pause), 20)

    assert len(pauses) == 20 and max(pauses) <= 3


def test_the_scheduler_looks_at_the_queue_that_tasks_go_to():
    assert app.conf.task_default_queue == QUEUE


def test_a_lease_is_renewed_long_before_it_ends():
    assert run.RENEW_EVERY_S * 3 <= leases.LEASE_S
