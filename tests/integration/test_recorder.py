"""One event feeds the maillog and the trace, in batches, and survives an absent database."""

import psycopg

from mailcore.maillog import event as ev
from mailcore.maillog.record import Recorder
from tests.fixtures_servers import wait_until


def rows(dsn: str, columns: str) -> list[tuple]:
    with psycopg.connect(dsn) as conn:
        return conn.execute(f"SELECT {columns} FROM trace_event ORDER BY id").fetchall()


def test_an_event_is_in_the_trace_and_in_the_maillog(database_url, tmp_path):
    maillog = tmp_path / "maillog"
    recorder = Recorder(database_url, maillog, hostname="mx.example.org")

    recorder.record(
        ev.Accepted(queue_id="Q1", sender="a@x.example", recipients=("b@y.example", "c@y.example"), size=10)
    )
    recorder.record(ev.Refused(client_address="192.0.2.1", sender="s\0@x", rule="some_rule", reply="554 5.7.1 no"))
    recorder.record(ev.Connected(client_address="192.0.2.1"))
    recorder.close()

    assert rows(database_url, "kind, queue_id, sender, recipient, size, rule, host(client_address)") == [
        ("accepted", "Q1", "a@x.example", "b@y.example", 10, "", None),
        ("accepted", "Q1", "a@x.example", "c@y.example", 10, "", None),
        ("refused", "", "s\ufffd@x", "", None, "some_rule", "192.0.2.1"),
    ]
    assert [line.split("postfix/")[1].split("[")[0] for line in maillog.read_text().splitlines()] == [
        "smtpd", "cleanup", "qmgr", "smtpd", "smtpd",
    ]  # fmt: skip


def test_events_are_counted_by_the_hour(database_url):
    for _ in range(2):
        recorder = Recorder(database_url, None)
        recorder.record_all(ev.Removed(queue_id="Q") for _ in range(50))
        recorder.close()

    with psycopg.connect(database_url) as conn:
        assert conn.execute("SELECT kind, sum(count) FROM traffic_hour GROUP BY kind").fetchall() == [("removed", 100)]


def test_events_wait_while_the_database_is_away(database_url, tmp_path):
    away = database_url.rpartition("/")[0] + "/not_there_yet"
    maillog = tmp_path / "maillog"
    recorder = Recorder(away, maillog)

    recorder.record(ev.Removed(queue_id="Q1"))
    wait_until(lambda: maillog.exists(), what="the maillog does not wait for the database")
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE not_there_yet")
    with psycopg.connect(away, autocommit=True) as conn, psycopg.connect(database_url) as source:
        ddl = "CREATE TABLE trace_event (id serial, {})"
        columns = source.execute(
            "SELECT column_name, data_type FROM information_schema.columns "
            "WHERE table_name = 'trace_event' AND column_name <> 'id'"
        ).fetchall()
        conn.execute(ddl.format(", ".join(f"{name} {kind}" for name, kind in columns)))
        conn.execute("CREATE TABLE traffic_hour (hour timestamptz, kind text, count bigint, PRIMARY KEY (hour, kind))")
    wait_until(lambda: rows(away, "queue_id") == [("Q1",)], what="the event arrives")
    recorder.close()

    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("DROP DATABASE not_there_yet WITH (FORCE)")


def test_what_follows_is_written_after_what_it_follows(database_url, tmp_path):
    """smtpd accepts, the worker relays a moment later: the maillog has them in that order."""
    maillog = tmp_path / "maillog"
    smtpd, worker = Recorder(database_url, maillog), Recorder(database_url, maillog, gather_s=0.4)

    worker.record(ev.Relayed(queue_id="Q1", recipient="b@y.example", reply="250 2.0.0 ok"))
    smtpd.record(ev.Accepted(queue_id="Q1", sender="a@x.example", recipients=("b@y.example",)))
    wait_until(lambda: maillog.exists() and "postfix/smtp[" in maillog.read_text(), what="both have written")
    smtpd.close()
    worker.close()

    daemons = [line.split("postfix/")[1].split("[")[0] for line in maillog.read_text().splitlines()]
    assert daemons == ["smtpd", "cleanup", "qmgr", "smtp"]
