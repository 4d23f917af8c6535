"""SORT and THREAD of mailboxes whose messages say anything of each other: the same as Dovecot's, to the last one."""

import random
import socket

from tests.fixtures_servers import Servers
from tests.integration.imap_server import PASSWORD, RawClient
from tests.side_by_side.mailboxes import FIRST_TIME, StoredMessage
from tests.side_by_side.servers import Server, both_on

SEEDS = range(6)
COMMANDS = [
    b"SORT (SUBJECT) UTF-8 ALL",
    b"SORT (FROM TO) UTF-8 ALL",
    b"SORT (DATE) UTF-8 ALL",
    b"SORT (DISPLAYFROM SIZE) UTF-8 ALL",
    b"SORT (REVERSE DISPLAYTO SUBJECT) UTF-8 ALL",
    b"THREAD REFERENCES UTF-8 ALL",
    b"THREAD REFS UTF-8 ALL",
    b"THREAD ORDEREDSUBJECT UTF-8 ALL",
    b"UID THREAD REFERENCES UTF-8 2:*",
]
SUBJECTS = [
    "",
    "Re:",
    "topic",
    "Re: topic",
    "Fwd: topic",
    "[l] other",
    "Re: other",
    "other (fwd)",
    "[fwd: topic]",
    "one",
]


def messages(chance: random.Random) -> list[StoredMessage]:
    """Identifiers that come twice, references to what is not there and in circles, dates and subjects missing."""
    count = chance.choice([5, 15, 40, 80])
    names = [f"<{number}@x>" for number in range(count)]
    return [StoredMessage(str(n), _message(chance, names), "", FIRST_TIME + n * 1000) for n in range(count)]


def _message(chance: random.Random, names: list[str]) -> bytes:
    person = chance.choice(["ann", "Bob", "=?utf-8?q?=C3=84rger?="])
    lines = [f"From: {person} <{chance.choice('abcxyz')}@x.test>", f"To: {chance.choice(['a@x', 'Z Z <b@y>'])}"]
    if chance.random() < 0.9:
        lines.append(f"Subject: {chance.choice(SUBJECTS)}")
    if chance.random() < 0.9:
        day, hour, zone = chance.randrange(1, 28), chance.randrange(24), chance.randrange(3)
        lines.append(f"Date: {day} Jan 2024 {hour:02d}:00:00 +0{zone}00")
    if chance.random() < 0.9:
        lines.append(f"Message-ID: {chance.choice(names)}")
    if chance.random() < 0.6:
        lines.append("References: " + " ".join(chance.choices(names, k=chance.randrange(5))))
    if chance.random() < 0.4:
        lines.append(f"In-Reply-To: your mail {chance.choice(names)}")
    return ("\n".join(lines) + "\n\n" + "x" * chance.randrange(5) + "\n").encode()


def answers(server: Server, mailbox: list[StoredMessage]) -> list[bytes]:
    """The one untagged line for each of COMMANDS."""
    client = RawClient(socket.create_connection(("127.0.0.1", server.port), timeout=30))
    client.read_line()
    client.ok(f'LOGIN {server.account({"INBOX": mailbox})} "{PASSWORD}"'.encode())
    client.ok(b"SELECT INBOX")
    found = [b"".join(client.ok(command).untagged) for command in COMMANDS]
    client.close()
    return found


def test_threads_of_anything_are_those_of_dovecot(servers: Servers) -> None:
    with both_on(servers) as (dovecot, accessd):
        for seed in SEEDS:
            mailbox = messages(random.Random(seed))
            expected, found = answers(dovecot, mailbox), answers(accessd, mailbox)
            for command, theirs, ours in zip(COMMANDS, expected, found, strict=True):
                assert ours == theirs, (seed, command)
