"""PostgreSQL away, Valkey away and empty when it comes back, both: everybody is asked to wait, nobody is told a lie.

Promise 2 of docs/reliability.md. Load runs through each outage, and probes ask every protocol all the time. What they
may hear is in ALLOWED; an answer that is not there (5xx, "no such user", "authentication failed", a page with status
500) fails the run. No program may end because of it: all of them are the same processes afterwards.
"""

from __future__ import annotations

import shutil
import smtplib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fakes import probes
from tests.fakes.appliance_waits import wait_for_empty_queue, wait_patiently
from tests.fakes.fetch_everything import fetch_everything
from tests.fakes.idle_watcher import IdleWatcher
from tests.fakes.mail_ledger import Ledger
from tests.fakes.mail_senders import Appender, Sender, SmtpSender, Submitter, log_in
from tests.fakes.outside_servers import OutsidePostgres, OutsideServer, OutsideValkey
from tests.fakes.probes import CLOSED, Probe
from tests.fakes.smtp_sink import Sink
from tests.fixtures_servers import quick_folder, wait_until

DOMAIN, ELSEWHERE = "away.test", "relay.test"
PASSWORD = "correct horse battery"
INBOXES = (f"one@{DOMAIN}", f"two-mbox@{DOMAIN}")
WRITER, APPENDER, SESSION, IDLER = (f"{name}@{DOMAIN}" for name in ("writer", "appender", "session", "idler"))
# Many, so that the answer is in no cache.
PROBED = tuple(f"probe{number}@{DOMAIN}" for number in range(12))
ALLOWED = {
    "SMTP AUTH": {"235", "454", "421", CLOSED},
    "SMTP RCPT": {"250", "451", "421", CLOSED},
    "IMAP LOGIN": {"OK", "NO [UNAVAILABLE]", CLOSED},
    "IMAP session": {"OK", "NO [UNAVAILABLE]"},
    "POP3 PASS": {"+OK", "-ERR [SYS/TEMP]", CLOSED},
    "API": {"200", "503"},
    "webmail sign-in": {"302", "503"},
    "webmail list": {"200", "503"},
    "panel": {"200", "503"},
}
GOOD = {"SMTP AUTH": "235", "SMTP RCPT": "250", "POP3 PASS": "+OK", "API": "200", "webmail sign-in": "302"}
GOOD |= {"webmail list": "200", "panel": "200", "IMAP LOGIN": "OK", "IMAP session": "OK"}
# Generous: on a machine that does other things too. The figures are recorded.
BACK_WITHIN_S = 60.0
SLOW_PATH_S = 15.0

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def outside() -> Iterator[tuple[OutsidePostgres, OutsideValkey]]:
    folder = Path(tempfile.mkdtemp(prefix="mailkeep-outside-", dir=quick_folder()))
    folder.chmod(0o711)
    postgres, valkey = OutsidePostgres(folder), OutsideValkey(folder)
    postgres.start()
    postgres.create_database()
    valkey.start()
    yield postgres, valkey
    postgres.stop()
    valkey.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def appliance(
    make_appliance: Callable[..., Any], outside: tuple[OutsidePostgres, OutsideValkey], sink: Sink
) -> Iterator[Any]:
    postgres, valkey = outside
    appliance = make_appliance(DATABASE_URL=postgres.url, REDIS_URL=valkey.url)

    def put(path: str, body: dict[str, Any]) -> None:
        answer = appliance.api("PUT", path, body)
        assert answer.status < 300, answer

    put(f"domains/{DOMAIN}/", {"name": DOMAIN, "kind": "local"})
    for address in (*INBOXES, WRITER, APPENDER, SESSION, IDLER, *PROBED):
        store = "mbox" if "mbox" in address else "maildir"
        put(f"accounts/{address}/", {"address": address, "password": PASSWORD, "store": store})
    put(f"transport-rules/{ELSEWHERE}/", {"match": ELSEWHERE, "relayhost": f"[127.0.0.1]:{sink.port}"})
    assert appliance.api("PATCH", "settings/", {"minimal_backoff_time": 1, "maximal_backoff_time": 2}).status == 200
    yield appliance
    appliance.stop()


class Load:
    """Mail on three paths, from twelve connections."""

    def __init__(self, ports: Any) -> None:
        self.over = threading.Event()
        self.incoming, self.submission, self.append = Ledger(), Ledger(), Ledger()
        self.ledgers = {"SMTP": self.incoming, "submission": self.submission, "APPEND": self.append}
        common = {"pace_s": 0.05}
        self.senders: list[Sender] = [
            SmtpSender(ports.smtp, self.incoming, self.over, lambda n: (INBOXES[n % 2],), **common) for _ in range(4)
        ]
        self.senders += [
            Submitter(WRITER, PASSWORD, ports.submission, self.submission, self.over, _stranger, **common)
            for _ in range(4)
        ]
        self.senders += [
            Appender(ports.imaps, PASSWORD, "INBOX", self.append, self.over, lambda _: (APPENDER,), **common)
            for _ in range(4)
        ]
        for sender in self.senders:
            sender.start()

    def counts(self) -> dict[str, int]:
        """Acknowledged so far."""
        return {path: len(ledger.acknowledged) for path, ledger in self.ledgers.items()}

    def flows(self, before: dict[str, int]) -> bool:
        """Whether each path has moved on since."""
        return all(count > before[path] for path, count in self.counts().items())

    def finish(self) -> None:
        self.over.set()
        for sender in self.senders:
            sender.join(180)
        assert all(sender.finished for sender in self.senders), "somebody did not get through"


def _stranger(number: int) -> Sequence[str]:
    return (f"somebody{number}@{ELSEWHERE}",)


def start_probes(appliance: Any) -> list[Probe]:
    ports = appliance.ports
    browser, panel = probes.Browser(appliance.url), probes.Browser(appliance.url)
    browser.get("/mail/login/")
    assert browser.post("/mail/login/", {"username": SESSION, "password": PASSWORD}) == "302"
    panel.get("/admin/login/?next=/admin/")
    assert panel.post("/admin/login/", {"username": appliance.admin, "password": appliance.admin_password}) == "302"
    session = log_in(ports.imaps, SESSION, PASSWORD)
    session.append("INBOX", "", "", b"Subject: the first, so that 1:* names something\r\n\r\n")
    inbox = mailbox_id(appliance, SESSION)
    asks = {
        "SMTP AUTH": probes.smtp_auth(ports.submission, PROBED, PASSWORD),
        "SMTP RCPT": probes.smtp_rcpt(ports.smtp, PROBED[::-1]),
        "IMAP LOGIN": probes.imap_login(ports.imaps, PROBED, PASSWORD),
        "IMAP session": probes.imap_session(session),
        "POP3 PASS": probes.pop3_login(ports.pop3s, PROBED, PASSWORD),
        "API": probes.api(appliance, "accounts/"),
        "webmail sign-in": probes.webmail_sign_in(appliance.url, PROBED, PASSWORD),
        "webmail list": lambda: browser.get(f"/mail/folder/{inbox}/"),
        "panel": lambda: panel.get("/admin/"),
    }
    started = [Probe(name, ask, GOOD[name]) for name, ask in asks.items()]
    for probe in started:
        probe.start()
    return started


def mailbox_id(appliance: Any, login: str) -> int:
    query = (
        "SELECT mailbox.id FROM mailbox JOIN account ON account.id = account_id WHERE address = %s AND name = 'INBOX'"
    )
    with psycopg.connect(appliance.database_url) as conn:
        row = conn.execute(query, [login]).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("away", ["postgres", "valkey", "both"])
def test_everybody_waits_and_then_everything_flows(
    appliance: Any,
    outside: tuple[OutsidePostgres, OutsideValkey],
    sink: Sink,
    away: str,
    length: Callable[[float, float], float],
    record: Callable[..., None],
):
    postgres, valkey = outside
    servers: Sequence[OutsideServer] = {"postgres": [postgres], "valkey": [valkey], "both": [valkey, postgres]}[away]
    before = appliance.pids()
    sink.received.clear()
    stored = {to: len(read(appliance, to)) for to in (*INBOXES, APPENDER)}
    idle = Idle(appliance)
    load, started = Load(appliance.ports), start_probes(appliance)
    wait_until(lambda: load.flows(dict.fromkeys(load.ledgers, 5)), seconds=30, what="mail flows")
    wait_until(lambda: all(probe.good_at for probe in started), seconds=30, what=f"all probes: {answers(started)}")
    told_before_s = idle.measure()

    for server in servers:
        server.stop()
    stopped_at = time.monotonic()
    told_slowly_s = [] if postgres in servers else [idle.measure() for _ in range(int(length(2, 5)))]
    time.sleep(max(0.0, stopped_at + length(6, 20) - time.monotonic()))
    for server in servers:
        server.start()
    back_at, counts = time.monotonic(), load.counts()
    wait_patiently(appliance, lambda: load.flows(counts), BACK_WITHIN_S, "mail flows again")
    mail_s = time.monotonic() - back_at
    wait_patiently(appliance, lambda: all(p.good_at > back_at for p in started), BACK_WITHIN_S, "every protocol works")
    clients_s = {probe.name: round(probe.good_at - back_at, 1) for probe in started}
    load.finish()
    for probe in started:
        probe.stop()
    wait_for_empty_queue(appliance)
    queue_s = time.monotonic() - back_at
    told_after_s = idle.measure()
    idle.close()

    verdicts = {
        "SMTP": load.incoming.judge([(to, text) for to in INBOXES for text in read(appliance, to)[stored[to] :]]),
        "submission": load.submission.judge([(to, m.content) for m in sink.received for to in m.recipients]),
        "APPEND": load.append.judge([(APPENDER, text) for text in read(appliance, APPENDER)[stored[APPENDER] :]]),
    }
    record(
        2,
        f"{away} stopped: everybody is asked to wait, then everything flows",
        away_s=round(back_at - stopped_at, 1),
        answers=answers(started),
        longest_answer_s={probe.name: round(probe.longest_s, 1) for probe in started},
        **{path: verdict.figures for path, verdict in verdicts.items()},
        idle_s={"before": told_before_s, "while away": told_slowly_s, "after": told_after_s},
        seconds_until={"mail flows": round(mail_s, 1), "queue is empty": round(queue_s, 1), **clients_s},
    )
    assert {path: ledger.wrong for path, ledger in load.ledgers.items()} == {path: [] for path in load.ledgers}
    lies = {probe.name: set(probe.answers) - ALLOWED[probe.name] for probe in started}
    assert lies == {probe.name: set() for probe in started}
    for path, verdict in verdicts.items():
        assert (path, verdict.lost, verdict.damaged, verdict.made_by_server) == (path, [], 0, 0)
    assert all(seconds <= SLOW_PATH_S for seconds in told_slowly_s)
    assert appliance.pids() == before, "no program has ended"


class Idle:
    """Mail for a mailbox that somebody idles in."""

    def __init__(self, appliance: Any) -> None:
        self._port = appliance.ports.smtp
        self._watcher = IdleWatcher(appliance.ports.imaps, IDLER, PASSWORD)

    def measure(self) -> float:
        """Seconds from 250 until the client is told."""
        expected = self._watcher.told + 1
        with smtplib.SMTP("127.0.0.1", self._port, timeout=60) as client:
            client.sendmail("news@elsewhere.test", [IDLER], "Subject: news\r\n\r\nnews\r\n")
            return round(self._watcher.seconds_until_told(expected, time.monotonic(), BACK_WITHIN_S), 3)

    def close(self) -> None:
        self._watcher.close()


def answers(started: Sequence[Probe]) -> dict[str, dict[str, int]]:
    return {probe.name: dict(probe.answers) for probe in started}


def read(appliance: Any, login: str) -> list[bytes]:
    return [text for _, text in fetch_everything(appliance.ports.imaps, login, PASSWORD)]
