"""Every command against the rights it needs in a mailbox of somebody else (RFC 4314 section 4).

The table has an entry for every row of accessd.imap.commands; a new command fails here until somebody has said what it
needs. A command succeeds with exactly those rights, and fails if one of all rights is missing.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from accessd.imap.commands import COMMANDS
from mailcore.sharing.rights import ALL
from tests.integration.imap_server import ImapServer, RawClient, imap_process_of_module  # noqa: F401

MESSAGE = b"From: Ann <ann@imap.test>\r\nSubject: Hello\r\n\r\nHello\r\n"
UPLOAD = b"{%d+}\r\n%b" % (len(MESSAGE), MESSAGE)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Needs:
    """`rights` of which all are needed, and the command: {there} is the shared mailbox, {own} one of the reader's.
    Commands of the selected state run in the shared one, so `r` goes without saying.
    """

    rights: str
    text: str
    selected: bool = False


@dataclass(frozen=True)
class NoMailbox:
    """The command has nothing to do with a mailbox, or only with names that are the reader's own affair."""

    why: str


@dataclass(frozen=True)
class Elsewhere:
    """What it may do depends on more than one right: its own test says so."""

    test: str


SESSION = NoMailbox("about the session")
OWN = NoMailbox("shows what may be shown; tests/integration/test_imap_sharing.py")

MATRIX: dict[str, Needs | NoMailbox | Elsewhere] = {
    "CAPABILITY": SESSION,
    "NOOP": SESSION,
    "LOGOUT": SESSION,
    "ID": SESSION,
    "STARTTLS": SESSION,
    "COMPRESS": SESSION,
    "LOGIN": SESSION,
    "AUTHENTICATE": SESSION,
    "ENABLE": SESSION,
    "IDLE": SESSION,
    "NAMESPACE": SESSION,
    "UNAUTHENTICATE": SESSION,
    "NOTIFY": Elsewhere("tests/unit/accessd/imap/test_notify.py: what the reader may see, messages where he may read"),
    "SELECT": Needs("r", "SELECT {there}"),
    "EXAMINE": Needs("r", "EXAMINE {there}"),
    "CREATE": Needs("k", "CREATE {there}/Below"),
    "DELETE": Needs("x", "DELETE {there}/Child"),
    "RENAME": Needs("kx", "RENAME {there}/Child {there}/Renamed"),
    "SUBSCRIBE": NoMailbox("the mailbox need not exist (RFC 3501 section 6.3.6)"),
    "UNSUBSCRIBE": NoMailbox("the reader's own list"),
    "LIST": OWN,
    "LSUB": OWN,
    "STATUS": Needs("r", "STATUS {there} (MESSAGES)"),
    "APPEND": Needs("i", "APPEND {there} {upload}"),
    "REPLACE": Needs("ite", "REPLACE 1 {there} {upload}", selected=True),
    "UID REPLACE": Needs("te", "UID REPLACE 1 {own} {upload}", selected=True),
    "GETQUOTA": OWN,
    "GETQUOTAROOT": Needs("r", "GETQUOTAROOT {there}"),
    "SETQUOTA": NoMailbox("never possible"),
    "GETACL": Needs("a", "GETACL {there}"),
    "SETACL": Needs("a", "SETACL {there} anyone l"),
    "DELETEACL": Needs("a", "DELETEACL {there} anyone"),
    "LISTRIGHTS": Needs("a", "LISTRIGHTS {there} anyone"),
    "MYRIGHTS": Elsewhere("test_myrights_needs_one_of_several_rights"),
    "GETMETADATA": Elsewhere("tests/integration/test_imap_metadata.py::test_annotations_of_others"),
    "SETMETADATA": Elsewhere("tests/integration/test_imap_metadata.py::test_annotations_of_others"),
    "CHECK": Needs("", "CHECK", selected=True),
    "CLOSE": Elsewhere("tests/integration/test_imap_sharing.py::test_expunging_needs_e_and_close_goes_without"),
    "UNSELECT": Needs("", "UNSELECT", selected=True),
    "EXPUNGE": Needs("e", "EXPUNGE", selected=True),
    "UID EXPUNGE": Needs("e", "UID EXPUNGE 1", selected=True),
    "SEARCH": Needs("", "SEARCH ALL", selected=True),
    "UID SEARCH": Needs("", "UID SEARCH ALL", selected=True),
    "ESEARCH": Needs("", "ESEARCH ALL", selected=True),
    "CANCELUPDATE": SESSION,
    "SORT": Needs("", "SORT (ARRIVAL) UTF-8 ALL", selected=True),
    "UID SORT": Needs("", "UID SORT (ARRIVAL) UTF-8 ALL", selected=True),
    "THREAD": Needs("", "THREAD REFERENCES UTF-8 ALL", selected=True),
    "UID THREAD": Needs("", "UID THREAD REFERENCES UTF-8 ALL", selected=True),
    "FETCH": Needs("", "FETCH 1 (FLAGS BODY[])", selected=True),
    "UID FETCH": Needs("", "UID FETCH 1 (FLAGS BODY[])", selected=True),
    "STORE": Needs("t", "STORE 1 +FLAGS (\\Deleted)", selected=True),
    "UID STORE": Needs("w", "UID STORE 1 -FLAGS (\\Flagged)", selected=True),
    "COPY": Needs("i", "COPY 1 {there}", selected=True),
    "UID COPY": Needs("", "UID COPY 1 {own}", selected=True),
    "MOVE": Needs("te", "MOVE 1 {own}", selected=True),
    "UID MOVE": Needs("te", "UID MOVE 1 {own}", selected=True),
}
CASES = {name: need for name, need in MATRIX.items() if isinstance(need, Needs)}


@dataclass
class Pair:
    """One owner and one reader for all cases; each has a mailbox of its own."""

    owner_name: str
    reader_name: str
    owner: RawClient
    reader: RawClient

    def share(self, rights: str) -> str:
        """A new mailbox with a message and one below it. Returns the reader's name for it."""
        name = f"M{next(_numbers)}"
        self.owner.ok(f"CREATE {name}".encode())
        self.owner.append(name.encode(), MESSAGE)
        if rights:
            self.owner.ok(f"SETACL {name} {self.reader_name} {rights}".encode())
        self.owner.ok(f"CREATE {name}/Child".encode())
        return f"user/{self.owner_name}/{name}"

    def run(self, need: Needs, rights: str) -> bytes:
        """The tagged answer."""
        there = self.share(rights)
        if need.selected:
            self.reader.ok(f"SELECT {there}".encode())
        filled = need.text.replace("{there}", there).replace("{own}", "Archive").encode()
        return self.reader.command(filled.replace(b"{upload}", UPLOAD)).tagged


@pytest.fixture(scope="module", name="pair")
def a_pair(imap_process: ImapServer) -> Iterator[Pair]:
    names = imap_process.account(), imap_process.account()
    yield Pair(*names, *(imap_process.login(name) for name in names))
    imap_process.hang_up()


def test_every_command_has_an_entry():
    assert set(MATRIX) == set(COMMANDS)


@pytest.mark.parametrize("name", CASES)
def test_the_rights_it_needs_are_enough(pair: Pair, name: str):
    need = CASES[name]
    rights = "".join(sorted({*need.rights, *("r" if need.selected else "")})) or "l"

    assert pair.run(need, rights).split()[1] == b"OK"


@pytest.mark.parametrize(("name", "missing"), [(name, right) for name, need in CASES.items() for right in need.rights])
def test_all_rights_but_one_it_needs_are_not_enough(pair: Pair, name: str, missing: str):
    tagged = pair.run(CASES[name], ALL.replace(missing, ""))

    assert tagged.split()[1:3] == [b"NO", b"[NOPERM]"]


@pytest.mark.parametrize("name", [name for name, need in CASES.items() if not need.selected])
def test_without_any_right_there_is_no_such_mailbox(pair: Pair, name: str):
    tagged = pair.run(CASES[name], "")

    # What cannot be made is not there yet, so nothing is given away.
    code = {"CREATE": b"[NOPERM]", "APPEND": b"[TRYCREATE]"}.get(name, b"[NONEXISTENT]")
    assert tagged.split()[1:3] == [b"NO", code]


@pytest.mark.parametrize("rights", ALL)
def test_myrights_needs_one_of_several_rights(pair: Pair, rights: str):
    tagged = pair.run(Needs("", "MYRIGHTS {there}"), rights)

    assert tagged.split()[1] == (b"OK" if rights in "lrikxa" else b"NO")
