"""kill -9 of everything, at random, under load from 40 connections: what was acknowledged is there, whole, and once.

Promise 1 of docs/reliability.md. Three paths run at once, each with a ledger of its own: mail from elsewhere to
mailboxes (Maildir and mbox), submission through the queue to another host, and APPEND. CHAOS_SEED repeats the choices
of a run, though not the moment at which a kill finds a process.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.fakes.appliance_waits import wait_for_empty_queue, wait_patiently
from tests.fakes.fetch_everything import fetch_everything
from tests.fakes.killer import ROLES, Killer
from tests.fakes.mail_ledger import Attempt, Ledger, Verdict, attempt_of
from tests.fakes.mail_senders import Appender, Sender, SmtpSender, Submitter
from tests.fakes.smtp_sink import Script, Sink

DOMAIN, ELSEWHERE = "chaos.test", "relay.test"
PASSWORD = "correct horse battery"
MAILDIRS = tuple(f"maildir{number}@{DOMAIN}" for number in range(4))
MBOXES = tuple(f"mbox{number}@{DOMAIN}" for number in range(2))
SUBMITTERS = tuple(f"writer{number}@{DOMAIN}" for number in range(3))
APPENDERS = (f"append-maildir@{DOMAIN}", f"append-mbox@{DOMAIN}")
# 40 in all.
INCOMING, SUBMITTING, APPENDING = 16, 12, 12
ACCEPTABLE_DUPLICATES = 0.01

pytestmark = pytest.mark.timeout(900)


@dataclass
class Load:
    """The three paths, and where their mail ends."""

    incoming: Ledger
    submission: Ledger
    append: Ledger
    over: threading.Event = field(default_factory=threading.Event)
    senders: list[Sender] = field(default_factory=list)

    @property
    def ledgers(self) -> tuple[Ledger, Ledger, Ledger]:
        return self.incoming, self.submission, self.append

    def start(self, appliance: Any) -> None:
        ports = appliance.ports
        self.senders += [
            SmtpSender(ports.smtp, self.incoming, self.over, choose_mailboxes, pace_s=0.02) for _ in range(INCOMING)
        ]
        self.senders += [
            Submitter(login, PASSWORD, ports.submission, self.submission, self.over, choose_strangers, pace_s=0.1)
            for _ in range(SUBMITTING // len(SUBMITTERS))
            for login in SUBMITTERS
        ]
        self.senders += [
            Appender(ports.imaps, PASSWORD, "INBOX", self.append, self.over, lambda _, to=login: (to,), pace_s=0.05)
            for _ in range(APPENDING // len(APPENDERS))
            for login in APPENDERS
        ]
        for sender in self.senders:
            sender.start()

    def finish(self) -> None:
        """Everybody sends what it has begun; then nobody is left."""
        self.over.set()
        for sender in self.senders:
            sender.join(240)
        assert all(sender.finished for sender in self.senders), "somebody did not get through"


def choose_mailboxes(number: int) -> Sequence[str]:
    """One mailbox, or at each fifth number a Maildir and an mbox at once."""
    everybody = (*MAILDIRS, *MBOXES)
    one = everybody[number % len(everybody)]
    return (one,) if number % 5 else tuple({one, MAILDIRS[number % 4], MBOXES[number % 2]})


def choose_strangers(number: int) -> Sequence[str]:
    """Somebody at the other host; at each fourth number also, at each eighth only, somebody it does not know."""
    known, unknown = f"somebody{number}@{ELSEWHERE}", f"nobody{number}@{ELSEWHERE}"
    if number % 8 == 0:
        return (unknown,)
    return (known, unknown) if number % 4 == 0 else (known,)


def is_unknown(address: str) -> bool:
    return address.startswith("nobody")


@pytest.fixture
def sink() -> Any:
    def rcpt(address: str) -> str:
        return "550 5.1.1 nobody of that name" if is_unknown(address) else "250 2.1.5 ok"

    with Sink(Script(rcpt=rcpt)) as sink:
        yield sink


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or time.time_ns() % 100_000)


def prepare(appliance: Any, sink: Sink) -> None:
    def put(path: str, body: dict[str, Any]) -> None:
        answer = appliance.api("PUT", path, body)
        assert answer.status < 300, answer

    put(f"domains/{DOMAIN}/", {"name": DOMAIN, "kind": "local"})
    for address in (*MAILDIRS, *MBOXES, *SUBMITTERS, *APPENDERS):
        store = "mbox" if "mbox" in address else "maildir"
        put(f"accounts/{address}/", {"address": address, "password": PASSWORD, "store": store})
    put(f"transport-rules/{ELSEWHERE}/", {"match": ELSEWHERE, "relayhost": f"[127.0.0.1]:{sink.port}"})
    # What is deferred comes again while the test still looks.
    settings = {"minimal_backoff_time": 1, "maximal_backoff_time": 2}
    assert appliance.api("PATCH", "settings/", settings).status == 200


class Visitor(threading.Thread):
    """Asks the API all the time: it may be away, but it may not be broken."""

    def __init__(self, appliance: Any) -> None:
        super().__init__(daemon=True)
        self.statuses: Counter[int] = Counter()
        self._appliance = appliance
        self._over = threading.Event()
        assert appliance.token

    def run(self) -> None:
        while not self._over.wait(0.2):
            with contextlib.suppress(OSError, http.client.HTTPException):
                self.statuses[self._appliance.api("GET", "queue/").status] += 1

    def stop(self) -> None:
        self._over.set()
        self.join(30)


def test_nothing_acknowledged_is_lost_while_everything_is_killed(
    make_appliance: Callable[..., Any],
    sink: Sink,
    seed: int,
    length: Callable[[float, float], float],
    record: Callable[..., None],
):
    print(f"CHAOS_SEED={seed}")
    rng = random.Random(seed)
    appliance = make_appliance(QUEUE_WORKERS="2")
    prepare(appliance, sink)
    before = appliance.pids()
    load = Load(*(Ledger(random.Random(rng.random())) for _ in range(3)))
    killer, visitor = Killer(appliance, rng, pause_s=(0.3, 1.3)), Visitor(appliance)

    load.start(appliance)
    visitor.start()
    killer.start()
    time.sleep(length(12, 60))
    killer.stop()
    over_at = time.monotonic()
    load.finish()
    wait_patiently(appliance, lambda: is_well(appliance, before), 120, "everything runs again by itself")
    recovered_s = time.monotonic() - over_at
    # The long run waits until the leases of killed workers end by themselves.
    wait_for_empty_queue(appliance, leases_end=bool(length(0, 1)))
    settled_s = time.monotonic() - over_at
    visitor.stop()

    verdicts, reports = judge(load, appliance, sink), count_reports(appliance)
    due = {attempt for _, attempt in load.submission.promised(is_unknown)}
    messages = sum(verdict.numbers for verdict in verdicts.values())
    doubled = sum(verdict.made_by_server for verdict in verdicts.values())
    record(
        1,
        "kill -9 of every process at random, 40 connections: nothing acknowledged is lost",
        seed=seed,
        kills=dict(killer.kills),
        messages=messages,
        duplicates_percent=round(100 * doubled / messages, 2),
        **{path: verdict.figures for path, verdict in verdicts.items()},
        bounces={"due": len(due), "missing": len(due - set(reports)), "twice": sum(reports.values()) - len(reports)},
        waits=dict(sum((ledger.waited for ledger in load.ledgers), Counter())),
        api=dict(visitor.statuses),
        seconds_until_all_ran=round(recovered_s, 1),
        seconds_until_queue_was_empty=round(settled_s, 1),
    )
    assert set(killer.kills) >= set(ROLES), "every process was killed"
    assert [ledger.wrong for ledger in load.ledgers] == [[], [], []]
    assert set(visitor.statuses) <= {200, 503}
    assert {path: (verdict.lost, verdict.damaged) for path, verdict in verdicts.items()} == dict.fromkeys(
        verdicts, ([], 0)
    )
    assert doubled <= ACCEPTABLE_DUPLICATES * messages, f"{doubled} duplicates among {messages} messages"
    assert due <= set(reports) and set(reports.values()) == {1}, "each bounce came once"


def judge(load: Load, appliance: Any, sink: Sink) -> dict[str, Verdict]:
    """Read everything there is, and compare it with what was acknowledged."""
    delivered = [(to, text) for to in (*MAILDIRS, *MBOXES) for _, text in read(appliance, to)]
    relayed = [(to, message.content) for message in sink.received for to in message.recipients]
    stored = [(to, uid, text) for to in APPENDERS for uid, text in read(appliance, to)]
    uids = {(to, attempt_of(text), uid) for to, uid, text in stored}
    for attempt in load.append.acknowledged:
        sent = load.append.sent[attempt]
        assert (sent.recipients[0], attempt, sent.uid) in uids, f"{attempt} is not at the UID of its APPENDUID"
    return {
        "SMTP to mailboxes": load.incoming.judge(delivered),
        "submission to another host": load.submission.judge(relayed, lambda to: not is_unknown(to)),
        "APPEND": load.append.judge([(to, text) for to, _, text in stored]),
    }


def count_reports(appliance: Any) -> Counter[Attempt]:
    """How many reports there are about each attempt."""
    texts = [text for login in SUBMITTERS for _, text in read(appliance, login)]
    return Counter(attempt for text in texts if (attempt := attempt_of(text)) is not None)


def read(appliance: Any, login: str) -> list[tuple[int, bytes]]:
    return fetch_everything(appliance.ports.imaps, login, PASSWORD)


def is_well(appliance: Any, before: dict[str, int]) -> bool:
    if set(appliance.pids()) != set(before):
        return False
    try:
        with urllib.request.urlopen(f"{appliance.url}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
