"""mbsync keeps a local copy in step, both ways, and a second run finds nothing to do."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest

from tests.interop.conftest import Office, run

RC = """
IMAPAccount office
Host 127.0.0.1
Port {port}
User {user}
Pass "{password}"
SSLType IMAPS
CertificateFile {certificate}
SystemCertificates no

IMAPStore far
Account office

MaildirStore near
Path {folder}/mail/
Inbox {folder}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
"""


class Mbsync:
    """One local copy of one person's mail."""

    def __init__(self, office: Office, who: str, folder: Path) -> None:
        (folder / "mail").mkdir()
        self.folder = folder
        self.rc = folder / "mbsyncrc"
        self.rc.write_text(
            RC.format(port=office.ports["imaps"], user=who, password=office.password, folder=folder,
                      certificate=office.certificate)
        )  # fmt: skip

    def sync(self) -> str:
        return run("mbsync", "-c", str(self.rc), "-V", "all", env={"HOME": str(self.folder)})

    def inbox(self) -> mailbox.Maildir:
        return mailbox.Maildir(self.folder / "mail" / "INBOX", create=False)


@pytest.fixture
def copy(office: Office, person: str, tmp_path: Path) -> Mbsync:
    return Mbsync(office, person, tmp_path)


def files_of(folder: Path) -> set[str]:
    """Messages with their flags; mbsync's own state files aside."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.parent.name in ("cur", "new")}


def test_mail_comes_down_and_goes_up_and_the_second_run_changes_nothing(office, person, copy):
    subject = office.send(person)

    copy.sync()
    assert subject in [message["Subject"] for message in copy.inbox()]

    message = mailbox.MaildirMessage("From: me@example.org\nSubject: written offline\n\nup\n")
    message.set_subdir("cur")
    message.set_flags("S")
    copy.inbox().add(message)
    copy.sync()
    assert "written offline" in office.subjects(person)

    before = files_of(copy.folder), sorted(office.subjects(person))
    copy.sync()
    assert (files_of(copy.folder), sorted(office.subjects(person))) == before


def test_flags_and_deletions_travel_both_ways(office, person, copy):
    keep, drop = office.send(person), office.send(person)
    copy.sync()
    inbox = copy.inbox()
    for key, message in inbox.items():
        if message["Subject"] == keep:
            message.add_flag("FS")
            message.set_subdir("cur")
            inbox[key] = message
        if message["Subject"] == drop:
            inbox.remove(key)

    copy.sync()

    assert drop not in office.subjects(person)
    client = office.imap(person)
    client.select("INBOX")
    _, flagged = client.search(None, "FLAGGED", "SEEN", "SUBJECT", f'"{keep}"')
    assert len(flagged[0].split()) == 1
    client.store(flagged[0].split()[0].decode(), "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.logout()

    copy.sync()

    assert keep not in [message["Subject"] for message in copy.inbox()]


def test_folders_are_made_on_both_sides(office, person, copy):
    client = office.imap(person)
    client.create("Projects/2026")
    client.append("Projects/2026", None, None, b"Subject: deep\r\n\r\nx\r\n")
    client.logout()

    copy.sync()

    assert any("deep" in path.read_text() for path in (copy.folder / "mail").rglob("*") if path.is_file()
               and path.parent.name in ("cur", "new"))  # fmt: skip
    client = office.imap(person)
    client.delete("Projects/2026")
    client.logout()
