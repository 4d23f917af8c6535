"""offlineimap keeps a local copy in step, both ways, folders and flags too; a second run changes nothing."""

from __future__ import annotations

import hashlib
import mailbox
import ssl
from pathlib import Path
from uuid import uuid4

import pytest

from tests.interop.conftest import Office, run

RC = """
[general]
accounts = office
metadata = {folder}/state
maxsyncaccounts = 1
ui = basic
socktimeout = 30

[Account office]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {folder}/mail

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
cert_fingerprint = {fingerprint}
maxconnections = 2
subscribedonly = yes
singlethreadperfolder = yes
"""


class Offlineimap:
    """One local copy of one person's mail."""

    def __init__(self, office: Office, who: str, folder: Path) -> None:
        self.folder, self.rc = folder, folder / "offlineimaprc"
        self.rc.write_text(
            RC.format(folder=folder, port=office.ports["imaps"], user=who, password=office.password,
                      fingerprint=fingerprint(office.certificate))
        )  # fmt: skip

    def sync(self) -> str:
        return run("offlineimap", "-c", str(self.rc), "-o", env={"HOME": str(self.folder)}, timeout=100)

    def box(self, name: str = "INBOX") -> mailbox.Maildir:
        return mailbox.Maildir(self.folder / "mail" / name, create=False)

    def files(self) -> set[str]:
        """Messages with their flags."""
        paths = (self.folder / "mail").rglob("*")
        return {str(path.relative_to(self.folder)) for path in paths if path.parent.name in ("cur", "new")}


def fingerprint(certificate: Path) -> str:
    """By which offlineimap knows a certificate that no authority has signed."""
    return hashlib.sha1(ssl.PEM_cert_to_DER_cert(certificate.read_text())).hexdigest()


@pytest.fixture
def copy(office: Office, person: str, tmp_path: Path) -> Offlineimap:
    return Offlineimap(office, person, tmp_path)


def test_a_day_with_offlineimap(office, person, copy):
    keep, drop = office.send(person), office.send(person)
    folder = f"Projects{uuid4().hex[:8]}"
    client = office.imap(person)
    client.create(folder)
    client.subscribe(folder)
    client.append(folder, None, None, b"Subject: in the folder\r\n\r\nx\r\n")

    copy.sync()
    assert {keep, drop} <= {message["Subject"] for message in copy.box()}
    assert [message["Subject"] for message in copy.box(folder)] == ["in the folder"]

    for key, message in copy.box().items():
        if message["Subject"] == keep:
            message.add_flag("F")
            message.set_subdir("cur")
            copy.box()[key] = message
        if message["Subject"] == drop:
            copy.box().remove(key)
    written = mailbox.MaildirMessage("From: me@example.org\nSubject: written offline\n\nup\n")
    written.set_subdir("cur")
    copy.box(folder).add(written)
    copy.sync()
    assert drop not in office.subjects(person) and "written offline" in office.subjects(person, folder)
    client.select("INBOX")
    (found,) = client.search(None, "FLAGGED", "SUBJECT", f'"{keep}"')[1]
    assert len(found.split()) == 1

    client.store(found.split()[0].decode(), "+FLAGS", r"(\Answered)")
    client.noop()
    copy.sync()
    assert ["".join(sorted(set(m.get_flags()) - {"S"})) for m in copy.box() if m["Subject"] == keep] == ["FR"]

    before = copy.files(), sorted(office.subjects(person, folder))
    copy.sync()
    assert (copy.files(), sorted(office.subjects(person, folder))) == before
    client.unsubscribe(folder)
    client.delete(folder)
    client.logout()
