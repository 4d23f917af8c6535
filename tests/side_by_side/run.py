"""Plays dialogues with both servers and judges the differences by those that are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.side_by_side import known
from tests.side_by_side.client import Client
from tests.side_by_side.dialogue import FOLDER, Dialogue, read
from tests.side_by_side.difference import Difference, differences
from tests.side_by_side.known import Known
from tests.side_by_side.mailboxes import message_set
from tests.side_by_side.player import Player
from tests.side_by_side.pop3_player import Pop3Player
from tests.side_by_side.servers import PASSWORD, Server

Transcripts = dict[tuple[str, str], list[bytes]]


@dataclass
class Outcome:
    """What a run found. `left_out` is dialogue -> why; `steps` counts what was compared."""

    played: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    explained: list[tuple[Difference, Known]] = field(default_factory=list)
    new: list[Difference] = field(default_factory=list)
    vanished: list[Known] = field(default_factory=list)
    capabilities: dict[str, frozenset[str]] = field(default_factory=dict)
    transcripts: Transcripts = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return not self.new and not self.vanished


def dialogues(names: Iterable[str] = (), *, quick: bool = False) -> list[Dialogue]:
    """The dialogues of those names, or all; with `quick` those that are for every test run."""
    wanted = set(names)
    found = [read(path) for path in sorted(FOLDER.glob("*.txt")) if not wanted or path.stem in wanted]
    if unknown := wanted - {dialogue.name for dialogue in found}:
        raise FileNotFoundError(f"no dialogue {', '.join(sorted(unknown))} in {FOLDER}")
    return [dialogue for dialogue in found if dialogue.quick or not quick]


def run(
    servers: tuple[Server, Server], wanted: list[Dialogue], *, whole: bool = True, keep_transcripts: bool = False
) -> Outcome:
    """Play and compare; `whole` is False if these are only some of the dialogues."""
    outcome, found = Outcome(), list[Difference]()
    for server in servers:
        outcome.capabilities[server.name] = capabilities(server)
    for dialogue in wanted:
        why_not = _missing(dialogue, outcome.capabilities)
        if why_not:
            outcome.left_out[dialogue.name] = why_not
        else:
            found += _play(servers, dialogue, outcome, keep_transcripts=keep_transcripts)
    entries = known.load()
    for difference in found:
        reason = next((entry for entry in entries if entry.covers(difference)), None)
        if reason is None:
            outcome.new.append(difference)
        else:
            outcome.explained.append((difference, reason))
    outcome.vanished = known.vanished(entries, found, outcome.played, whole=whole)
    return outcome


def capabilities(server: Server) -> frozenset[str]:
    """What it says it can do after a login."""
    client = Client.connect(server.port)
    client.send(f'a LOGIN {server.account({})} "{PASSWORD}"\r\nb CAPABILITY\r\n'.encode())
    responses = client.read_until(lambda response: response.tag == "b")
    client.close()
    words = (response.values for response in responses if response.values and response.values[0] == "CAPABILITY")
    return frozenset(str(word).upper() for values in words for word in values[1:])


def _missing(dialogue: Dialogue, able: dict[str, frozenset[str]]) -> str:
    """Why a dialogue cannot be played; empty if it can."""
    lacks = [f"{name} has no {need}" for name, has in able.items() for need in dialogue.needs if need not in has]
    sets = [kind for kind in dialogue.mailboxes.values() if message_set(kind) is None]
    return ", ".join(lacks + ["MAIL_CORPUS names no folder" for _ in sets])


def _play(
    servers: tuple[Server, Server], dialogue: Dialogue, outcome: Outcome, *, keep_transcripts: bool
) -> Iterator[Difference]:
    sections: dict[str, list[str]] = {}
    answers = []
    for server in servers:
        transcript: list[bytes] | None = [] if keep_transcripts else None
        answers.append(list(_player(server, dialogue, sections, transcript).play()))
        if transcript is not None:
            outcome.transcripts[dialogue.name, server.name] = transcript
    outcome.played.append(dialogue.name)
    outcome.steps += len(answers[0])
    yield from differences(dialogue.name, *answers)


def _player(
    server: Server, dialogue: Dialogue, sections: dict[str, list[str]], transcript: list[bytes] | None
) -> Player | Pop3Player:
    if dialogue.protocol == "pop3":
        return Pop3Player(server, dialogue, transcript)
    return Player(server, dialogue, sections, transcript)
