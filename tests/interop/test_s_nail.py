"""s-nail reads by IMAP and POP3, searches, flags, copies and deletes, and finds the next time what it left."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from tests.interop.conftest import Office, run


def nail(office: Office, folder: Path, address: str, *commands: str) -> str:
    """Run commands on the folder at that URL; returns what s-nail printed."""
    settings = (
        "set v15-compat",
        f"set ssl-ca-file={office.certificate}",
        "set tls-verify=ignore",
        "set crt=1000",
        "unset header",
        "set emptystart",
    )
    rc = folder / "mailrc"
    rc.write_text("\n".join(settings) + "\n")
    text = "\n".join([f"folder {address}", *commands, "quit"]) + "\n"
    return run("s-nail", "-n", "-#", text=text, env={"HOME": str(folder), "MAILRC": str(rc), "NAILRC": str(rc)})


def url(office: Office, who: str, scheme: str, mailbox: str = "") -> str:
    login = f"{quote(who, safe='')}:{quote(office.password, safe='')}"
    return f"{scheme}://{login}@127.0.0.1:{office.ports[scheme]}/{mailbox}"


def test_s_nail_reads_by_imap(office, person, tmp_path):
    subject = office.send(person, body="read with s-nail\n")

    shown = nail(office, tmp_path, url(office, person, "imaps", "INBOX"), "print $")

    assert f"Subject: {subject}" in shown and "read with s-nail" in shown


def test_s_nail_reads_by_pop3(office, person, tmp_path):
    subject = office.send(person)

    shown = nail(office, tmp_path, url(office, person, "pop3s"), "print $")

    assert f"Subject: {subject}" in shown


def test_s_nail_searches_flags_copies_and_deletes(office, person, tmp_path):
    keep, drop, folder = office.send(person), office.send(person), f"Nail{uuid4().hex[:8]}"
    client = office.imap(person)
    client.create(folder)
    inbox = url(office, person, "imaps", "INBOX")

    said = nail(office, tmp_path, inbox, f"flag '(subject \"{keep}\")'", f"copy '(subject \"{keep}\")' @{folder}",
                f"delete '(subject \"{drop}\")'")  # fmt: skip

    assert office.subjects(person, folder) == [keep] and drop not in office.subjects(person), said
    client.select("INBOX")
    (found,) = client.search(None, "FLAGGED", "SUBJECT", f'"{keep}"')[1]
    client.store(found.decode(), "-FLAGS", "(\\Flagged)")
    again = nail(office, tmp_path, inbox, f"from '(flagged subject \"{keep}\")'", f"from '(subject \"{keep}\")'")
    assert again.count(keep[:20]) == 1, again
    client.delete(folder)
    client.logout()
