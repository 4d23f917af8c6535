"""The dashboard, /healthz and /metrics."""

import contextlib
import json
import socket
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from mailadmin.database import raw_connection
from mailadmin.status import dashboard, health
from mailadmin.status.models import ProcessStatus
from mailadmin.trace.models import TraceEvent, TrafficHour
from mailadmin.transport.models import MyNetwork
from tests.admin.panel_support import text_of
from tests.admin.queue_support import queued

pytestmark = pytest.mark.django_db
ROLES = ("smtpd", "accessd", "scheduler", "worker")


def process(role, *, pid=100, number=0, seen_s=1.0, **fields):
    now = timezone.now()
    defaults = {"host": "box", "started_at": now - timedelta(hours=3, seconds=30), "generation": 1, "listening": []}
    return ProcessStatus.objects.create(
        role=role, pid=pid, number=number, seen_at=now - timedelta(seconds=seen_s), **{**defaults, **fields}
    )


@pytest.fixture
def valkey(settings, redis_url):
    settings.REDIS_URL = redis_url


@pytest.fixture
def all_running(valkey):
    for number, role in enumerate(ROLES):
        process(role, pid=200 + number)


def test_health_is_200_when_every_component_answers(all_running):
    response = Client().get("/healthz")

    assert response.status_code == 200
    lines = response.content.decode().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"ok   {name}" for name in ("postgresql", "valkey", *ROLES)]
    assert response.headers["Cache-Control"].startswith("max-age=0")


def test_health_as_json(all_running):
    for request in ({"headers": {"Accept": "application/json"}}, {"query_params": {"format": "json"}}):
        body = Client().get("/healthz", **request).json()
        assert body["status"] == "ok"
        assert body["components"]["smtpd"] == {"ok": True, "words": "1 running (pid 200)"}


@pytest.mark.parametrize("role", ROLES)
def test_health_is_503_when_a_role_was_not_seen_for_ten_seconds(all_running, role):
    ProcessStatus.objects.filter(role=role).update(seen_at=timezone.now() - timedelta(seconds=11))

    response = Client().get("/healthz")

    assert response.status_code == 503
    assert f"FAIL {role}: not seen for 11 s" in response.content.decode()


def test_health_of_a_role_that_never_ran(valkey):
    assert "FAIL worker: never seen" in Client().get("/healthz").content.decode()


def test_a_replaced_process_does_not_count_as_missing(all_running):
    process("smtpd", pid=150, seen_s=40)

    assert "ok   smtpd: 1 running (pid 200)\n" in Client().get("/healthz").content.decode()


def test_a_second_process_that_died_is_mentioned(all_running):
    process("smtpd", pid=150, number=1, seen_s=40)

    assert "ok   smtpd: 1 running (pid 200); 1 not seen" in Client().get("/healthz").content.decode()


@contextlib.contextmanager
def port(greeting=b""):
    """A server that says that much to each client; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(greeting)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def line_of(role):
    lines = Client().get("/healthz").content.decode().splitlines()
    return next(line for line in lines if line[5:].startswith(role))


def test_the_ports_of_processes_on_this_machine_are_asked(all_running):
    with port(b"220 hi\r\n") as mx, port(b"220 hi\r\n") as submission, port() as submissions:
        listening = [f"mx 127.0.0.1:{mx}", f"submission 127.0.0.1:{submission}", f"submissions 127.0.0.1:{submissions}"]
        ProcessStatus.objects.filter(role="smtpd").update(host=socket.gethostname(), listening=listening)
        process("smtpd", pid=201, number=1, host=socket.gethostname(), listening=listening)

        assert line_of("smtpd") == "ok   smtpd: 2 running (pid 200, 201), 3 ports answer"


def test_a_port_that_does_not_answer_is_named_and_makes_503(all_running, free_port):
    number = free_port()
    with port(b"* OK hi\r\n") as imap:
        listening = [f"imap 127.0.0.1:{imap}", f"pop3 127.0.0.1:{number}"]
        ProcessStatus.objects.filter(role="accessd").update(host=socket.gethostname(), listening=listening)

        assert Client().get("/healthz").status_code == 503
        assert line_of("accessd") == (
            f"FAIL accessd: 1 running (pid 201), 1 port answers, not pop3 127.0.0.1:{number} (connection refused)"
        )


def test_the_ports_of_another_machine_are_its_own_affair(all_running, free_port):
    ProcessStatus.objects.filter(role="smtpd").update(host="elsewhere", listening=[f"mx 0.0.0.0:{free_port()}"])

    assert line_of("smtpd") == "ok   smtpd: 1 running (pid 200)"


def test_a_process_that_is_not_seen_any_more_is_not_asked(all_running, free_port):
    process("smtpd", pid=150, number=1, seen_s=40, host=socket.gethostname(), listening=[f"mx 127.0.0.1:{free_port()}"])

    assert line_of("smtpd") == "ok   smtpd: 1 running (pid 200); 1 not seen"


def test_nobody_who_is_silent_delays_the_answer(all_running, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        number = silent.getsockname()[1]
        settings.REDIS_URL = f"redis://127.0.0.1:{number}/0"
        listening = [f"{name} 127.0.0.1:{number}" for name in ("mx", "submission", "imap", "pop3")]
        ProcessStatus.objects.filter(role__in=["smtpd", "accessd"]).update(
            host=socket.gethostname(), listening=listening
        )
        begun = time.monotonic()

        text = Client().get("/healthz").content.decode()

        assert time.monotonic() - begun < 1.2
    assert "FAIL valkey: does not answer: TimeoutError\n" in text
    assert f"FAIL smtpd: 1 running (pid 200), no port answers: mx 127.0.0.1:{number} (no greeting)," in text


def test_a_database_that_is_silent_does_not_delay_the_answer(all_running, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", silent.getsockname()[1])
        begun = time.monotonic()

        response = Client().get("/healthz")

        assert time.monotonic() - begun < 1.2
    assert response.status_code == 503
    assert response.content.decode().startswith("FAIL postgresql: does not answer: timed out\n")


def test_health_without_valkey(all_running, settings, free_port):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    response = Client().get("/healthz")

    assert response.status_code == 503
    assert "FAIL valkey: does not answer" in response.content.decode()


def test_health_without_postgresql(valkey, monkeypatch):
    def refuse():
        raise DatabaseError("connection refused\nIs the server running?")

    monkeypatch.setattr(health, "raw_connection", refuse)

    response = Client().get("/healthz")

    assert response.status_code == 503
    text = response.content.decode()
    assert "FAIL postgresql: does not answer: connection refused\n" in text
    assert "FAIL smtpd: not known without the database\n" in text


def test_health_is_only_read():
    assert Client().post("/healthz").status_code == 405


def samples():
    text = Client().get("/metrics").content.decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_of_queue_traffic_and_processes():
    queued("x@far.example", "y@far.example")
    queued("z@far.example", state="held")
    for hour, count in ((1, 5), (2, 7)):
        TrafficHour.objects.create(hour=datetime(2026, 11, 1, hour, tzinfo=UTC), kind="accepted", count=count)
    process("smtpd", generation=4)
    process("worker", pid=101, seen_s=30)

    found = samples()

    assert found["mailkeep_queue_recipients", ("state", "waiting")] == 2
    assert found["mailkeep_queue_recipients", ("state", "held")] == 1
    assert found["mailkeep_queue_recipients", ("state", "leased")] == 0
    assert found[("mailkeep_queue_messages",)] == 2
    assert 400 < found[("mailkeep_queue_oldest_seconds",)] < 460
    assert found["mailkeep_mail_events_total", ("kind", "accepted")] == 12
    labels = [("host", "box"), ("number", "0"), ("role", "smtpd")]
    assert found["mailkeep_process_up", *labels] == 1
    assert found["mailkeep_process_generation", *labels] == 4
    assert found["mailkeep_process_up", *labels[:2], ("role", "worker")] == 0
    assert found[("mailkeep_config_generation",)] >= 1
    assert found[("mailkeep_disk_size_bytes",)] > 0


@pytest.mark.parametrize(
    ("client", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.77", 403), ("198.51.100.5", 200)]
)
def test_metrics_are_for_this_machine_and_trusted_networks(client, status):
    MyNetwork.objects.create(cidr="198.51.100.0/24")
    MyNetwork.objects.create(cidr="192.0.2.0/24", enabled=False)

    assert Client(REMOTE_ADDR=client).get("/metrics").status_code == status


def test_metrics_are_for_administrators_anywhere(panel, alice):
    assert panel.get("/metrics", REMOTE_ADDR="192.0.2.77").status_code == 200
    user = Client(REMOTE_ADDR="192.0.2.77")
    user.force_login(alice)
    assert user.get("/metrics").status_code == 403


def test_dashboard_shows_workers_queue_and_refusals(panel):
    generation = dashboard.config_generation(raw_connection())
    process("smtpd", generation=generation, listening=["127.0.0.1:2525"])
    process("accessd", pid=101, generation=generation - 1)
    process("worker", pid=102, seen_s=65)
    queued("x@far.example")
    TraceEvent.objects.create(
        at=timezone.now(), kind="refused", session_id="S1", client_address="192.0.2.9", rule="refuse_open_relay",
        reply="554 5.7.1 Relay access denied",
    )  # fmt: skip

    page = text_of(panel.get("/admin/"))

    assert f"smtpd running 100 3 h {generation} 127.0.0.1:2525" in page
    assert f"accessd running 101 3 h {generation - 1} behind" in page
    assert "worker not seen for 1 min" in page
    assert "Not running: scheduler, worker." in page
    assert "In the queue 1 oldest 7 min" in page
    assert "192.0.2.9 – – refuse_open_relay 554 5.7.1 Relay access denied" in page


def test_dashboard_refreshes_only_its_live_part(panel):
    page = panel.get("/admin/live/").content.decode()

    assert "In the queue" in page
    assert "<html" not in page


def test_chart_has_a_bar_for_each_of_the_last_24_hours():
    now = datetime(2026, 11, 22, 15, 42, tzinfo=UTC)
    for hours_ago, kind, count in ((0, "accepted", 3), (23, "refused", 5), (24, "refused", 99), (2, "disconnected", 7)):
        hour = now.replace(minute=0) - timedelta(hours=hours_ago)
        TrafficHour.objects.create(hour=hour, kind=kind, count=count)

    chart = dashboard.traffic(raw_connection(), now)

    series = {item["label"]: item["data"] for item in json.loads(chart["chart_data"])["datasets"]}
    assert {len(data) for data in series.values()} == {24}
    assert series["in"][-1] == 3 and series["refused"][0] == 5
    assert [(label, total) for label, _, total in chart["chart_legend"]] == [
        ("in", 3), ("out", 0), ("refused", 5), ("deferred", 0), ("bounced", 0),
    ]  # fmt: skip
    assert [hour for hour, _ in chart["chart_table"]] == ["15:00", "16:00"]
