"""getmail6 brings mail into a local mbox by IMAP and by POP3; a second run finds nothing; by IDLE it waits for more."""

from __future__ import annotations

import mailbox
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.fixtures_servers import wait_until
from tests.interop.conftest import Office, run

RC = """
[retriever]
type = {type}
server = 127.0.0.1
port = {port}
username = {user}
password = {password}
ca_certs = {certificate}
ssl_cert_hostname = {name}
{more}

[destination]
type = MDA_external
path = /usr/bin/tee
arguments = ("-a", "{folder}/mail")
unixfrom = true
allow_root_commands = true

[options]
read_all = false
delete = false
message_log = {folder}/log
"""


class Getmail:
    """One local copy, and how it is brought up to date."""

    def __init__(self, office: Office, who: str, folder: Path, type: str, port: str, more: str = "") -> None:
        self.folder = folder
        self.words = ("getmail", "--getmaildir", str(folder), "--rcfile", "getmailrc")
        (folder / "getmailrc").write_text(
            RC.format(type=type, port=office.ports[port], user=who, password=office.password, more=more, folder=folder,
                      certificate=office.certificate, name=certificate_name(office))
        )  # fmt: skip

    def subjects(self) -> list[str]:
        """What is in the local copy."""
        # Not a Maildir: getmail does not write one as root, as which tests may run.
        box = mailbox.mbox(self.folder / "mail")
        subjects = [message["Subject"] for message in box]
        box.close()
        return subjects

    def fetch(self) -> list[str]:
        """The subjects a run brings."""
        before = self.subjects()
        run(*self.words, env={"HOME": str(self.folder)}, timeout=20)
        return self.subjects()[len(before) :]


def certificate_name(office: Office) -> str:
    words = ("openssl", "x509", "-in", str(office.certificate), "-noout", "-ext", "subjectAltName")
    return run(*words).rpartition("DNS:")[2].split(",")[0].strip()


@pytest.mark.parametrize(
    ("type", "port", "more"),
    [("SimpleIMAPSSLRetriever", "imaps", 'mailboxes = ("INBOX",)'), ("SimplePOP3SSLRetriever", "pop3s", "")],
)
def test_every_message_comes_once(office, person, tmp_path, type, port, more):
    copy = Getmail(office, person, tmp_path, type, port, more)
    first = office.send(person)
    assert first in copy.fetch()

    assert copy.fetch() == []
    second = office.send(person)
    assert copy.fetch() == [second]
    assert {first, second} <= set(office.subjects(person)), "nothing is deleted on the server"


def test_new_mail_comes_while_getmail_idles(office, person, tmp_path):
    copy = Getmail(office, person, tmp_path, "SimpleIMAPSSLRetriever", "imaps", 'mailboxes = ("INBOX",)')
    copy.fetch()
    output = tmp_path / "output"
    with output.open("w") as log, subprocess.Popen(
        [*copy.words, "--trace", "--idle", "INBOX"], env={**os.environ, "HOME": str(tmp_path)}, start_new_session=True,
        stdout=log, stderr=log,
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: "Entering IDLE mode" in output.read_text(errors="replace"), seconds=20, what="it idles")
            subject = office.send(person)
            wait_until(lambda: subject in copy.subjects(), seconds=5, what=subject)
        finally:
            process.send_signal(signal.SIGKILL)
