"""neomutt on both stores: reads, searches, flags, moves, appends by IMAP, and hears of new mail while it idles."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from tests.interop.conftest import Office, run_on_terminal

RC = """
set spoolfile="{url}/INBOX"
set folder="{url}"
set imap_user="{user}"
set imap_pass="{password}"
set record=""
set header_cache=""
set certificate_file={certificate}
set ssl_verify_host=no
set ssl_force_tls=yes
set wait_key=no
set quit=yes
set delete=yes
set move=no
set mark_old=no
set confirmappend=no
set confirmcreate=no
set mail_check=1
set timeout=1
set imap_idle=yes
set imap_check_subscribed=yes
set beep=no
set beep_new=no
"""


def write_rc(office: Office, who: str, folder: Path, *lines: str) -> Path:
    rc = folder / "neomuttrc"
    url = f"imaps://{quote(who)}@127.0.0.1:{office.ports['imaps']}"
    text = RC.format(url=url, user=who, password=office.password, certificate=office.certificate)
    rc.write_text(text + "\n".join(lines) + "\n")
    return rc


def keys(office: Office, who: str, folder: Path, mailbox: str, typed: str) -> str:
    """Open a mailbox and type; returns the screen."""
    rc = write_rc(office, who, folder)
    words = ("neomutt", "-n", "-F", str(rc), "-f", f"={mailbox}", "-e", f'push "{typed}"')
    return run_on_terminal(*words, home=folder, seconds=15)


def test_neomutt_reads_and_searches(office, person, tmp_path):
    other, subject = office.send(person), office.send(person, body="a needle in the text\n")
    out = tmp_path / "read"

    typed = f"<limit>=b 'needle in'<enter><limit>~s '{subject}'<enter><pipe-message>cat > {out}<enter><exit>"
    screen = keys(office, person, tmp_path, "INBOX", typed)

    assert out.exists(), screen
    assert f"Subject: {subject}" in out.read_text() and other not in out.read_text()


def test_neomutt_flags_and_moves(office, person, tmp_path):
    subject, folder = office.send(person), f"Kept{uuid4().hex[:8]}"
    client = office.imap(person)
    client.create(folder)

    typed = f"<limit>~s '{subject}'<enter><flag-message><save-message><kill-line>={folder}<enter><sync-mailbox><exit>"
    keys(office, person, tmp_path, "INBOX", typed)

    assert office.subjects(person, folder) == [subject] and subject not in office.subjects(person)
    client.select(folder)
    assert client.search(None, "FLAGGED")[1] == [b"1"]
    client.store("1", "-FLAGS", "(\\Flagged)")
    client.close()
    screen = keys(office, person, tmp_path, folder, "<limit>~F<enter><exit>")
    assert "No messages matched" in screen, "the other direction: neomutt sees the flag gone"
    client.delete(folder)
    client.logout()


def test_new_mail_is_shown_while_neomutt_idles(office, person, tmp_path):
    office.send(person)
    with terminal(office, person, tmp_path) as screen:
        assert screen.shows("Msgs:", seconds=15), screen.text

        subject = office.send(person)

        assert screen.shows(subject, seconds=5), screen.text


class Screen:
    """What a program has written to its terminal so far."""

    def __init__(self, leader: int) -> None:
        self._leader, self.text = leader, ""

    def shows(self, words: str, *, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while words not in self.text and time.monotonic() < deadline:
            if select.select([self._leader], [], [], 0.1)[0]:
                self.text += os.read(self._leader, 65536).decode(errors="replace")
        return words in self.text


@contextmanager
def terminal(office: Office, who: str, folder: Path) -> Iterator[Screen]:
    """neomutt on a terminal of 200 columns, showing INBOX."""
    rc = write_rc(office, who, folder, 'set index_format="%s"', "set sort=reverse-mailbox-order")
    leader, follower = pty.openpty()
    env = {**os.environ, "HOME": str(folder), "TERM": "xterm", "LC_ALL": "C.UTF-8", "COLUMNS": "200", "LINES": "50"}
    process = subprocess.Popen(["neomutt", "-n", "-F", str(rc)], stdin=follower, stdout=follower, stderr=follower,
                               env=env, cwd=folder, start_new_session=True)  # fmt: skip
    os.close(follower)
    try:
        yield Screen(leader)
    finally:
        process.kill()
        process.wait(10)
        os.close(leader)
