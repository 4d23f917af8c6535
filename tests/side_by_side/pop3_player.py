"""Plays one POP3 dialogue to one server and gives what each step was answered.

    A> RETR 1     sends a command and reads its answer; a capital letter is logged in with USER and PASS first
    A+ STAT       is sent together with the next command (RFC 2449 section 6.6), and has an answer of its own
    A* TOP {n} 0  once for every message, {n} being its number
    A. CLOSE      hangs up

{plain} is what AUTH PLAIN wants, {wrong} the same with another password, {x300} so many letters. After QUIT the server
has to close the connection; the letter's next step is a new one.
"""

from __future__ import annotations

import base64
import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.side_by_side.client import TIME_LIMIT_S, Client, Closed
from tests.side_by_side.dialogue import Dialogue, Step
from tests.side_by_side.mailboxes import message_set
from tests.side_by_side.meaning import Meaning
from tests.side_by_side.player import Answered
from tests.side_by_side.pop3_meaning import Answer, is_long, meaning_of
from tests.side_by_side.servers import PASSWORD, Server

_NAME = re.compile(r"\{(\w+)\}")
_MANY = re.compile(r"\{x(\d+)\}")


@dataclass
class Session:
    """One connection, and the steps that wait to be sent with the next."""

    client: Client
    ahead: list[Step] = field(default_factory=list)


class Pop3Player:
    """One dialogue with one server."""

    def __init__(self, server: Server, dialogue: Dialogue, transcript: list[bytes] | None = None) -> None:
        self._server, self._dialogue, self._transcript = server, dialogue, transcript
        sets = {name: message_set(kind) or [] for name, kind in dialogue.mailboxes.items()}
        self._messages = sets.get("INBOX", [])
        self._user = server.account(sets)
        self._names = {
            "user": self._user,
            "password": PASSWORD,
            "plain": base64.b64encode(f"\0{self._user}\0{PASSWORD}".encode()).decode(),
            "wrong": base64.b64encode(f"\0{self._user}\0wrong".encode()).decode(),
        }
        self._sessions: dict[str, Session] = {}
        # The letters whose connection the server has closed unasked.
        self._gone: set[str] = set()
        self._unique_ids: dict[str, str] = {}

    def play(self) -> Iterator[Answered]:
        """All steps in turn. Who has been hung up on gets no answer any more; the others go on."""
        try:
            for step in self._dialogue.steps:
                if step.session not in self._gone:
                    yield from self._play(step)
                elif step.kind != ".":
                    yield Answered(step.rfc, step.label, "", {"Closed": True})
        finally:
            for session in self._sessions.values():
                session.client.close()

    def _play(self, step: Step) -> Iterator[Answered]:
        session = self._session(step.session)
        if step.kind == ".":
            self._sessions.pop(step.session).client.close()
        elif step.kind == "+":
            session.ahead.append(step)
        elif step.kind == "*":
            for number, message in enumerate(self._messages, 1):
                text = step.text.replace("{n}", str(number))
                self._write(session, self._filled(text))
                yield Answered(step.rfc, step.label, message.name, self._answer(step, text))
        else:
            yield from self._send(session, step)

    def _send(self, session: Session, last: Step) -> Iterator[Answered]:
        """What waits and this one, in one piece."""
        steps, session.ahead = [*session.ahead, last], []
        self._write(session, "\r\n".join(self._filled(step.text) for step in steps))
        for step in steps:
            meaning = self._answer(step, step.text)
            if step.text.upper() == "QUIT" and step.session in self._sessions:
                client = self._sessions.pop(step.session).client
                meaning["closed"] = client.is_closed()
                client.close()
            yield Answered(step.rfc, step.label, "", meaning)

    def _write(self, session: Session, text: str) -> None:
        # That the server has hung up is seen when its answer is read.
        with contextlib.suppress(Closed):
            session.client.send(text.encode() + b"\r\n")

    def _answer(self, step: Step, command: str) -> Meaning:
        session = self._sessions.get(step.session)
        try:
            if session is not None:
                return meaning_of(command, self._read(session.client, command), self._unique_ids)
        except (Closed, TimeoutError):
            self._sessions.pop(step.session).client.close()
            self._gone.add(step.session)
        return {"Closed": True}

    def _read(self, client: Client, command: str) -> Answer:
        answer = Answer(client.read_line())
        if is_long(command, answer.first):
            answer.lines = []
            while (line := client.read_line()) != b".":
                answer.lines.append(line)
        return answer

    def _session(self, name: str) -> Session:
        if name not in self._sessions:
            ends_at = time.monotonic() + TIME_LIMIT_S
            while (client := self._connect(name)) is None:
                # A server needs a moment to notice that who had the maildrop has hung up.
                if time.monotonic() > ends_at:
                    raise RuntimeError(f"{self._server.name} does not give the maildrop back")
                time.sleep(0.02)
            self._sessions[name] = Session(client)
        return self._sessions[name]

    def _connect(self, name: str) -> Client | None:
        """Greeted, and logged in if the letter is a capital; None while somebody else has the maildrop."""
        client = Client.open(self._server.pop3_port, self._transcript)
        self._read(client, "")
        for command in (f"USER {self._user}", f"PASS {PASSWORD}") if name.isupper() else ():
            client.send(command.encode() + b"\r\n")
            answer = self._read(client, command)
            if b"[IN-USE]" in answer.first:
                client.close()
                return None
            if answer.status != "+OK":
                raise RuntimeError(f"{self._server.name} refuses the login: {answer.first!r}")
        return client

    def _filled(self, text: str) -> str:
        text = _MANY.sub(lambda found: "x" * int(found[1]), text)
        return _NAME.sub(lambda found: self._names.get(found[1], found[0]), text)
