"""Dialogues of tests/transcripts, run against a real accessd.

    A> text      session A sends the line         A< text     session A gets exactly this line
    A~ regex     ... a line that matches          A. text     lines up to and including this one, in any number

    A| text      a line of the literal that {+} in the line before announces

Sessions are named by capital letters and connect when they are first named. {user} and {password} are filled in, {V} is
whatever the server chose, such as a UIDVALIDITY; what a group (?P<name>...) of a regex matched is filled in for {name}
from then on. A literal in an answer is shown as the lines it consists of. Blank
lines and lines with # are for the reader.
"""

import re
from pathlib import Path

import pytest

from tests.integration.imap_server import (  # noqa: F401
    PASSWORD,
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

TRANSCRIPTS = sorted((Path(__file__).parent.parent / "transcripts").glob("*.txt"))
LINE = re.compile(r"([A-Z])([<>~.|]) ?(.*)")


class Dialogue:
    """Plays one transcript."""

    def __init__(self, imap: ImapServer, user: str) -> None:
        self._imap = imap
        self._fill = {"{user}": user, "{password}": PASSWORD}
        self._clients: dict[str, RawClient] = {}
        self._steps: list[tuple[str, str, str, str]] = []

    def play(self, text: str) -> None:
        steps = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
        literal: list[str] = []
        for number, line in reversed(steps):
            found = LINE.fullmatch(line)
            assert found is not None, f"line {number}: {line!r}"
            self._plan(f"line {number}", literal, *found.groups())
        for step in reversed(self._steps):
            self._step(*step)

    def _plan(self, where: str, literal: list[str], name: str, kind: str, text: str) -> None:
        if kind == "|":
            literal.insert(0, text + "\r\n")
            return
        if kind == ">" and text.endswith("{+}"):
            content = "".join(literal)
            literal.clear()
            text = f"{text[:-3]}{{{len(content.encode())}+}}\r\n{content}"
        self._steps.append((where, name, kind, text))

    def _step(self, where: str, name: str, kind: str, text: str) -> None:
        for mark, value in self._fill.items():
            text = text.replace(mark, value)
        client = self._client(name)
        if kind == ">":
            client.send(text.encode() + b"\r\n")
            return
        pattern = text if kind == "~" else re.escape(text)
        pattern = pattern.replace(re.escape("{V}"), r"\d+").replace("{V}", r"\d+")
        got = line_of(client)
        while kind == "." and not re.fullmatch(pattern, got):
            got = line_of(client)
        found = re.fullmatch(pattern, got)
        assert found, f"{where}: expected {text!r}, got {got!r}"
        self._fill |= {f"{{{name}}}": value for name, value in found.groupdict().items()}

    def _client(self, name: str) -> RawClient:
        if name not in self._clients:
            self._clients[name] = self._imap.connect()
        return self._clients[name]


def line_of(client: RawClient) -> str:
    return client.read_plain_line().decode("utf-8", "replace")


@pytest.mark.parametrize("store", ["maildir", "mbox"])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(imap: ImapServer, path: Path, store: str) -> None:
    Dialogue(imap, imap.account(store)).play(path.read_text())
