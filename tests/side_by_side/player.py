"""Plays one dialogue to one server and gives what each step was answered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.side_by_side.client import Client, Closed
from tests.side_by_side.dialogue import Dialogue, Step
from tests.side_by_side.mailboxes import StoredMessage, message_set
from tests.side_by_side.meaning import Meaning, meaning_of
from tests.side_by_side.sections import fetch_items, section_numbers
from tests.side_by_side.servers import PASSWORD, Server
from tests.side_by_side.values import Response

_NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Answered:
    """A step, which message it was about if it was for each, and what the answer means."""

    rfc: str
    label: str
    message: str
    meaning: Meaning


@dataclass
class Session:
    """One connection with what it has been told."""

    client: Client
    messages: list[StoredMessage] = field(default_factory=list)
    uidvalidity: str = "0"
    modseq: int = 0
    open_tag: str = ""
    commands: int = 0

    def tag(self) -> str:
        self.commands += 1
        return f"t{self.commands}"


class Player:
    """One dialogue with one server."""

    def __init__(
        self,
        server: Server,
        dialogue: Dialogue,
        sections: dict[str, list[str]],
        transcript: list[bytes] | None = None,
    ) -> None:
        """`sections` are the section numbers of messages; the first server that is asked fills it for the other."""
        self._server, self._dialogue, self._sections, self._transcript = server, dialogue, sections, transcript
        self._sets = {name: message_set(kind) or [] for name, kind in dialogue.mailboxes.items()}
        self._user = server.account(self._sets)
        self._names = {"user": self._user, "password": PASSWORD}
        self._sessions: dict[str, Session] = {}

    def play(self) -> Iterator[Answered]:
        """All steps in turn, up to one that is not answered."""
        try:
            for step in self._dialogue.steps:
                yield from self._play(step)
        except (Closed, TimeoutError) as error:
            yield Answered(step.rfc, step.label, "", {type(error).__name__: True})
        finally:
            for session in self._sessions.values():
                session.client.close()

    def _play(self, step: Step) -> Iterator[Answered]:
        session = self._session(step.session)
        if step.kind in "*%":
            yield from self._for_each(session, step)
        else:
            yield Answered(step.rfc, step.label, "", self._single(session, step))

    def _session(self, name: str) -> Session:
        if name not in self._sessions:
            session = self._sessions[name] = Session(Client.connect(self._server.port, self._transcript))
            if name.isupper():
                login = self._command(session, f'LOGIN {self._user} "{PASSWORD}"', [])
                if login[-1].state != "OK":
                    raise RuntimeError(f"{self._server.name} refuses the login: {login[-1]}")
        return self._sessions[name]

    def _single(self, session: Session, step: Step) -> Meaning:
        text = self._filled(session, step.text)
        if step.kind == ">":
            self._note_selection(session, text)
            return self._meaning(session, self._command(session, text, step.literals))
        if step.kind == "+":
            return self._meaning(session, self._start(session, text))
        if step.kind == "?":
            return self._meaning(session, [session.client.read_until(lambda response: _is_named(response, text))[-1]])
        if step.kind in "-!":
            session.client.send(text.encode() + b"\r\n")
            tag = session.open_tag
            return self._meaning(session, self._finish(session, tag) if step.kind == "-" else [session.client.read()])
        return self._local(session, step.kind, text)

    def _note_selection(self, session: Session, text: str) -> None:
        command, *arguments = text.split()
        if command.upper() in ("SELECT", "EXAMINE") and arguments:
            session.messages = self._sets.get(arguments[0].strip('"'), [])

    def _local(self, session: Session, kind: str, text: str) -> Meaning:
        if kind == "=":
            self._names[text] = str(session.modseq)
        else:
            session.client.close()
            self._sessions = {name: other for name, other in self._sessions.items() if other is not session}
        return {}

    def _for_each(self, session: Session, step: Step) -> Iterator[Answered]:
        """One after the other: of commands sent ahead Dovecot gives the tagged responses late, in a row."""
        for number, message in enumerate(session.messages, 1):
            for text in self._plans(session, step, number):
                meaning = self._meaning(session, self._command(session, text, []))
                # Without the number, which is not the same in every set of messages.
                meaning["FETCH"] = meaning.get("FETCH", {}).get(number)
                label = step.label if step.kind == "*" or step.text == "BODY" else text.replace(f" {number} ", " {n} ")
                yield Answered(step.rfc, label, message.name, meaning)

    def _plans(self, session: Session, step: Step, number: int) -> list[str]:
        if step.kind == "*":
            return [self._filled(session, step.text.replace("{n}", str(number)))]
        name = session.messages[number - 1].name
        if name not in self._sections:
            self._sections[name] = section_numbers(self._command(session, f"FETCH {number} BODYSTRUCTURE", []))
        return [f"FETCH {number} ({items})" for items in fetch_items(self._sections[name], step.text)]

    def _command(self, session: Session, text: str, literals: list[tuple[str, str]]) -> list[Response]:
        tag, answered = session.tag(), []
        line = f"{tag} {text}"
        for literal, more in literals:
            content, waits = self._filled(session, literal).encode(), line.endswith("{}")
            line = line.removesuffix("{}").removesuffix("{+}")
            session.client.send(f"{line}{{{len(content)}{'' if waits else '+'}}}\r\n".encode())
            if waits:
                answered += session.client.read_until(lambda response: response.tag in ("+", tag))
                if answered[-1].tag == tag:
                    return answered
            session.client.send(content)
            line = self._filled(session, more)
        session.client.send(line.encode() + b"\r\n")
        return answered + self._finish(session, tag)

    def _start(self, session: Session, text: str) -> list[Response]:
        session.open_tag = session.tag()
        session.client.send(f"{session.open_tag} {text}\r\n".encode())
        return session.client.read_until(lambda response: response.tag in ("+", session.open_tag))

    def _finish(self, session: Session, tag: str) -> list[Response]:
        return session.client.read_until(lambda response: response.tag == tag)

    def _meaning(self, session: Session, responses: list[Response]) -> Meaning:
        for response in responses:
            code = [str(value).upper() for value in response.code[:2]]
            if code[:1] == ["UIDVALIDITY"]:
                session.uidvalidity = code[1]
            session.modseq = max(session.modseq, highest_modseq(response))
        meaning = meaning_of(responses)
        if "SEARCH" in meaning:
            meaning["SEARCH"] = {self._name_of(session, number): True for number in meaning["SEARCH"]}
        return meaning

    def _name_of(self, session: Session, number: str) -> str:
        """A message by the name of its file: sets of messages grow, and then numbers are others."""
        messages, place = session.messages, int(number) if number.isdigit() else 0
        return messages[place - 1].name if 0 < place <= len(messages) else number

    def _filled(self, session: Session, text: str) -> str:
        names = {**self._names, "uidvalidity": session.uidvalidity}
        return _NAME.sub(lambda found: names.get(found[1], found[0]), text)


def highest_modseq(response: Response) -> int:
    """The greatest mod-sequence a response tells, 0 if none."""
    return max((int(number) for number in _modseqs([response.code, response.values])), default=0)


def _modseqs(value: list[Any]) -> Iterator[str]:
    for number, item in enumerate(value):
        if isinstance(item, list):
            yield from _modseqs(item)
        elif isinstance(item, str) and item.upper() in ("MODSEQ", "HIGHESTMODSEQ") and number + 1 < len(value):
            following = value[number + 1]
            yield from [following] if isinstance(following, str) and following.isdigit() else following or []


def _is_named(response: Response, name: str) -> bool:
    return any(isinstance(value, str) and value.upper() == name for value in response.values[:2])
