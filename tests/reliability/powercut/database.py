"""The database beside the disk: every version of its tables that a COMMIT made, and when each may or must survive.

`Proxy` stands between the recorded program and PostgreSQL. Whenever a session is outside of a transaction again, it
keeps a copy of all tables before the program hears of it. `versions` finds in the trace when each COMMIT was sent and
when its answer had come: between the two nobody knows, behind it it is certain, unless the transaction asked for
synchronous_commit = off; such a one survives with the next one that waits for the disk.
"""

from __future__ import annotations

import math
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg

from tests.reliability.powercut.trace import Call

Dump = Mapping[str, bytes]
# What is looked at after every COMMIT; that the others stay as they are is looked at once.
MAIL_TABLES = ("mailbox", "message", "expunged", "account_usage", "subscription", "queue_message", "queue_recipient")
# Partitions are those of the trace, which is a log.
_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relispartition AND relname NOT LIKE 'django%'
ORDER BY 1
"""
_COMMIT = re.compile(r"\s*COMMIT\b", re.IGNORECASE)
_QUICK = re.compile(r"synchronous_commit\s*(=|TO)\s*'?off", re.IGNORECASE)


def dump(conn: psycopg.Connection[Any], tables: Sequence[str] = ()) -> Dump:
    """These tables as they are now, or all. Nobody may be writing meanwhile."""
    found = {}
    for table in tables or [row[0] for row in conn.execute(_TABLES).fetchall()]:
        with conn.cursor().copy(f"COPY {table} TO STDOUT") as copy:
            found[table] = b"".join(map(bytes, copy))
    return found


def restore(conn: psycopg.Connection[Any], wanted: Dump, present: Dump) -> None:
    """Make the tables what they were, inside of the caller's transaction."""
    conn.execute("SET LOCAL session_replication_role = replica")
    for table, content in wanted.items():
        if content != present[table]:
            conn.execute(f"DELETE FROM {table}")
            with conn.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(content)
    conn.execute("SET LOCAL session_replication_role = origin")


class Proxy:
    """Passes one database's connections on. `dumps` are the versions so far, with the number of the answer (counted
    over ReadyForQuery) that told the program of each.
    """

    def __init__(self, database_url: str) -> None:
        parts = urlsplit(database_url)
        self._server = (parts.hostname or "", parts.port or 5432)
        self._watching = psycopg.connect(database_url, autocommit=True)
        self.dumps: list[tuple[int, Dump]] = [(-1, dump(self._watching))]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        options = "sslmode=disable&gssencmode=disable"
        self.url = f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{self.port}{parts.path}?{options}"
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def begin(self) -> None:
        """What is there now is the first version; forget how it came to be."""
        self.dumps = [(-1, dump(self._watching))]

    def close(self) -> None:
        assert dump(self._watching) == self.dumps[-1][1], "a path changed tables that the recorder does not watch"
        self._listener.close()
        self._watching.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(self._server)
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answers, args=(server, client), daemon=True).start()

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        """From the server to the program, message by message."""
        buffer, number = b"", 0
        while data := _receive(server):
            buffer += data
            ready = b""
            while len(buffer) >= 5 and len(buffer) > (length := struct.unpack("!I", buffer[1:5])[0]):
                message, buffer = buffer[: length + 1], buffer[length + 1 :]
                ready += message
                if message[:1] == b"Z":
                    if message[5:6] == b"I":
                        self._look(number)
                    number += 1
            if ready:
                client.sendall(ready)
        client.close()

    def _look(self, number: int) -> None:
        before = self.dumps[-1][1]
        found = {**before, **dump(self._watching, MAIL_TABLES)}
        if found != before:
            self.dumps.append((number, found))


def _receive(source: socket.socket) -> bytes:
    try:
        return source.recv(1 << 20)
    except OSError:
        return b""


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    while data := _receive(source):
        target.sendall(data)
    target.close()


@dataclass(frozen=True, slots=True)
class Version:
    """The tables after a COMMIT. It may be there from `possible_from` on; if it waits for the disk, it is from
    `certain_from` on, with all before it.
    """

    dump: Dump
    possible_from: int
    certain_from: float


def possible_versions(versions: Sequence[Version], cut: int) -> Sequence[Version]:
    """Those that a database may have when it comes back after a cut at this moment."""
    oldest = max(n for n, version in enumerate(versions) if version.certain_from <= cut)
    newest = max(n for n, version in enumerate(versions) if version.possible_from < cut or version.certain_from <= cut)
    return versions[oldest : newest + 1]


@dataclass(frozen=True, slots=True)
class _Message:
    kind: bytes
    body: bytes
    start: int
    end: int


def versions(dumps: Sequence[tuple[int, Dump]], calls: Sequence[Call], port: int) -> list[Version]:
    """The versions with their times, from the trace of the program's one connection to the proxy."""
    questions = list(_groups(_messages(calls, port, "sendto", begins_untyped=True), b"QS"))
    answers = list(_groups(_messages(calls, port, "recvfrom"), b"Z"))
    # The answer to the log-in has no question of that kind.
    questions.insert(0, [])
    found, numbered = [Version(dumps[0][1], 0, 0)], dict(dumps[1:])
    texts, quick, always_quick = _Texts(), False, False
    for number, (question, answer) in enumerate(zip(questions, answers, strict=False)):
        said = [texts.of(message) for message in question]
        quick = quick or any(map(_QUICK.search, said))
        always_quick = always_quick or any(_QUICK.search(text) and "LOCAL" not in text for text in said)
        if number in numbered:
            start, end = _time_of_commit(question, said, answer)
            found.append(Version(numbered[number], start, math.inf if quick or always_quick else end))
        if answer[-1].body == b"I":
            quick = False
    assert len(found) == len(dumps), "a version came by an answer that is not in the trace"
    return found


def _time_of_commit(question: list[_Message], said: list[str], answer: list[_Message]) -> tuple[int, int]:
    """When it was asked for and when it was told: by COMMIT, or else by the end of a statement on its own."""
    run = [(message, text) for message, text in zip(question, said, strict=True) if message.kind in (b"Q", b"B")]
    commits = [message for message, text in run if _COMMIT.match(text)]
    assert len(commits) <= 1, "two COMMITs with one answer: the recorder cannot tell them apart"
    done = [message.end for message in answer if message.kind == b"C" and message.body == b"COMMIT\0"]
    if commits and done:
        return commits[0].start, done[0]
    return question[-1].start, answer[-1].end


class _Texts:
    """The SQL of messages, prepared statements included."""

    def __init__(self) -> None:
        self._prepared: dict[bytes, str] = {}

    def of(self, message: _Message) -> str:
        if message.kind == b"Q":
            return message.body.partition(b"\0")[0].decode()
        if message.kind == b"P":
            name, text = message.body.split(b"\0")[:2]
            self._prepared[name] = text.decode()
            return text.decode()
        if message.kind == b"B":
            return self._prepared.get(message.body.split(b"\0")[1], "")
        return ""


def _messages(calls: Sequence[Call], port: int, name: str, *, begins_untyped: bool = False) -> Iterator[_Message]:
    """The protocol messages that went through these calls. Of several calls that carry one, the last counts."""
    buffer, untyped = b"", begins_untyped
    for call in _of_connection(calls, port, name):
        buffer += call.text(1)[: call.result]
        while len(buffer) >= 5:
            head = 0 if untyped else 1
            length = struct.unpack("!I", buffer[head : head + 4])[0] + head
            if len(buffer) < length:
                break
            yield _Message(b"" if untyped else buffer[:1], buffer[head + 4 : length], call.start, call.end)
            buffer, untyped = buffer[length:], False


def _of_connection(calls: Sequence[Call], port: int, name: str) -> Iterator[Call]:
    """The calls on the socket that was connected to this port."""
    descriptor = ""
    for call in sorted(calls, key=lambda call: call.start if call.name == "close" else call.end):
        if call.name == "connect" and f"sin_port=htons({port})" in call.arguments[1]:
            descriptor = call.arguments[0]
        elif call.arguments and call.arguments[0] == descriptor:
            if call.name == "close":
                descriptor = ""
            elif call.name == name and call.result > 0:
                yield call


def _groups(messages: Iterator[_Message], last: bytes) -> Iterator[list[_Message]]:
    group: list[_Message] = []
    for message in messages:
        group.append(message)
        if message.kind and message.kind in last:
            yield group
            group = []
