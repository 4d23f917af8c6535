"""An office to try real clients on: linuxadmin.dev with alice (Maildir) and bob (mbox), and sales for both."""

from __future__ import annotations

import imaplib
import os
import pty
import select
import shutil
import smtplib
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures_appliance import Appliance
from tests.fixtures_servers import quick_folder, wait_until

DOMAIN = "linuxadmin.dev"
PASSWORD = "correct horse battery"


@dataclass
class Office:
    """The appliance with two people in it."""

    appliance: Appliance
    alice: str = f"alice@{DOMAIN}"
    bob: str = f"bob@{DOMAIN}"
    password: str = PASSWORD

    @property
    def ports(self) -> dict[str, int]:
        return asdict(self.appliance.ports)

    @property
    def home(self) -> Path:
        return Path(self.appliance.home)

    @property
    def certificate(self) -> Path:
        return self.home / "tls" / "cert.pem"

    def tls(self) -> ssl.SSLContext:
        """Trusts the appliance's own certificate, under whatever name it is reached."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.check_hostname = False
        return context

    def imap(self, who: str) -> imaplib.IMAP4:
        """A logged-in session over implicit TLS."""
        client = imaplib.IMAP4_SSL("127.0.0.1", self.ports["imaps"], ssl_context=self.tls())
        client.login(who, self.password)
        return client

    def send(self, to: str, subject: str = "", *, sender: str = "outside@example.net", body: str = "hello\n") -> str:
        """A message from outside over port 25. Returns its subject."""
        subject = subject or f"note {uuid4().hex[:12]}"
        text = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{body}"
        with smtplib.SMTP("127.0.0.1", self.ports["smtp"], timeout=20) as client:
            client.sendmail(sender, [to], text.encode())
        return subject

    def subjects(self, who: str, mailbox: str = "INBOX") -> list[str]:
        """What is in a mailbox, as IMAP tells."""
        client = self.imap(who)
        try:
            _, count = client.select(mailbox, readonly=True)
            if count == [b"0"]:
                return []  # "1:*" names nothing in an empty mailbox: BAD here as with Dovecot
            _, found = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            return [part[1].decode().partition(":")[2].strip() for part in found if isinstance(part, tuple)]
        finally:
            client.logout()

    def wait_for(self, who: str, subject: str, mailbox: str = "INBOX", *, seconds: float = 10) -> None:
        wait_until(lambda: subject in self.subjects(who, mailbox), seconds=seconds, what=f"{subject!r} for {who}")

    def maildir(self, who: str) -> Path:
        return self.home / "mail" / DOMAIN / who.partition("@")[0] / "Maildir"


@pytest.fixture(scope="session")
def office_appliance() -> Iterator[Appliance]:
    """One appliance for all clients of this test process."""
    folder = Path(tempfile.mkdtemp(prefix="mailkeep-office-", dir=quick_folder()))
    folder.chmod(0o711)  # the unprivileged user of PostgreSQL has to reach its data below
    appliance = Appliance(folder / "home")
    appliance.start()
    yield appliance
    appliance.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def office(office_appliance: Appliance) -> Office:
    appliance = office_appliance

    def put(path: str, body: dict[str, Any]) -> None:
        answer = appliance.api("PUT", path, body)
        assert answer.status < 300, answer

    put(f"domains/{DOMAIN}/", {"name": DOMAIN, "kind": "local"})
    for who, store in (("alice", "maildir"), ("bob", "mbox")):
        put(f"accounts/{who}@{DOMAIN}/", {
            "address": f"{who}@{DOMAIN}", "password": PASSWORD, "store": store, "display_name": who.title(),
        })  # fmt: skip
    put(f"aliases/sales@{DOMAIN}/", {
        "address": f"sales@{DOMAIN}", "targets": [f"alice@{DOMAIN}", f"bob@{DOMAIN}"], "enabled": True,
    })  # fmt: skip
    return Office(appliance)


@pytest.fixture(params=["alice", "bob"])
def person(office: Office, request: pytest.FixtureRequest) -> str:
    """Both stores: alice has a Maildir, bob an mbox."""
    return getattr(office, request.param)


def run(*words: str, env: dict[str, str] | None = None, text: str = "", timeout: float = 60) -> str:
    """Run a client to its end. Fails the test with what it printed when it fails."""
    done = subprocess.run(
        words, input=text, env={**os.environ, **(env or {})}, text=True, timeout=timeout,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def run_on_terminal(*words: str, home: Path, seconds: float = 30) -> str:
    """Run a full-screen program on a terminal of its own until it ends. Returns what it wrote there."""
    leader, follower = pty.openpty()
    env = {**os.environ, "HOME": str(home), "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    process = subprocess.Popen(words, stdin=follower, stdout=follower, stderr=follower, env=env, cwd=home,
                               start_new_session=True)  # fmt: skip
    os.close(follower)
    screen, deadline = b"", time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                screen += os.read(leader, 65536)
            except OSError:
                break
    if process.poll() is None and time.monotonic() >= deadline:
        process.kill()
        pytest.fail(f"{words[0]} did not end; its screen:\n{screen.decode(errors='replace')}")
    process.wait(10)
    os.close(leader)
    return screen.decode(errors="replace")
