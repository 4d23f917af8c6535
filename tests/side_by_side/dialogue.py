"""Dialogues as text files: what is sent, in which session, to which mailboxes; answers are not written down.

    rfc: 3501 section 6.4.5           what the lines that follow are about; may come again
    mailboxes: INBOX=corpus Work=few  the sets of messages (tests.side_by_side.mailboxes) an account of its own gets
    needs: CONDSTORE SORT             capabilities; without one of them the dialogue is left out, and that is reported
    quick: yes                        part of `make test` too
    protocol: pop3                    another protocol than IMAP: tests.side_by_side.pop3_player says what its steps do

    A> FETCH 1:* FLAGS                session A sends a command (the tag is added) and reads to the tagged response
    A| text                           a line of the literal that {+} or {} at the end of the line before announces; the
                                      line may go on after it: A& ) (two blanks for one)
    A~ text                           ... its last line, which does not end in CRLF
    A+ IDLE                           ... and reads to the continuation request
    A- DONE                           sends a line without a tag and reads to the tagged response of what is open
    A? EXISTS                         waits for such an untagged response
    A! line                           sends the line as it is and reads one response
    A* UID FETCH {n} BODY             once for every message, {n} being its number
    A% PEEK                           every section there is of every message, and some that are not there
    A= name                           {name} is from now on the greatest mod-sequence that session has been told
    A. CLOSE                          hangs up

Sessions are capital letters, logged in when they are first named (small letters are not). {user} and {password} are
filled in, {uidvalidity} is what the session was told last. Blank lines and lines with # are for the reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "dialogues"
_STEP = re.compile(r"([A-Za-z])([>+\-?!*%=.|~&]) ?(.*)")
_HEADER = re.compile(r"(rfc|mailboxes|needs|quick|protocol): *(.*)")


@dataclass(slots=True)
class Step:
    """One thing to do; `literals` alternate with the rest of the line after each: (literal, rest of line)."""

    rfc: str
    session: str
    kind: str
    text: str
    literals: list[tuple[str, str]] = field(default_factory=list)
    number: int = 0

    @property
    def label(self) -> str:
        """How the step is called in reports: what it sends, and which of the same it is."""
        return f"{self.session} {self.text}" + (f" #{self.number}" if self.number > 1 else "")


@dataclass(slots=True)
class Dialogue:
    """One file."""

    name: str
    mailboxes: dict[str, str] = field(default_factory=dict)
    needs: list[str] = field(default_factory=list)
    quick: bool = False
    protocol: str = "imap"
    steps: list[Step] = field(default_factory=list)


def read(path: Path) -> Dialogue:
    """One dialogue. Raises ValueError with file and line for what is no step."""
    return parse(path.stem, path.read_text())


def parse(name: str, text: str) -> Dialogue:
    """The dialogue of that text."""
    dialogue, rfc = Dialogue(name), "3501"
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if header := _HEADER.fullmatch(line):
            rfc = _header(dialogue, rfc, header[1], header[2])
        elif step := _STEP.fullmatch(line):
            _add(dialogue, rfc, *step.groups())
        else:
            raise ValueError(f"{name}, line {number}: {line!r}")
    _count(dialogue.steps)
    return dialogue


def _header(dialogue: Dialogue, rfc: str, word: str, value: str) -> str:
    if word == "mailboxes":
        dialogue.mailboxes = dict(pair.split("=", 1) for pair in value.split())
    elif word == "needs":
        dialogue.needs = value.upper().split()
    elif word == "quick":
        dialogue.quick = value == "yes"
    elif word == "protocol":
        dialogue.protocol = value
    return value if word == "rfc" else rfc


def _add(dialogue: Dialogue, rfc: str, session: str, kind: str, text: str) -> None:
    if kind in "|~":
        _continue_literal(dialogue.steps[-1], text + ("\r\n" if kind == "|" else ""))
    elif kind == "&":
        step = dialogue.steps[-1]
        step.literals[-1] = (step.literals[-1][0], text)
    else:
        dialogue.steps.append(Step(rfc, session, kind, text))


def _continue_literal(step: Step, line: str) -> None:
    """Lines belong to the literal whose announcement ends what was last sent."""
    before = step.literals[-1][1] if step.literals else step.text
    if before.endswith(("{+}", "{}")):
        step.literals.append((line, ""))
    else:
        step.literals[-1] = (step.literals[-1][0] + line, "")


def _count(steps: list[Step]) -> None:
    seen: dict[str, int] = {}
    for step in steps:
        key = f"{step.session}{step.kind}{step.text}"
        step.number = seen[key] = seen.get(key, 0) + 1
