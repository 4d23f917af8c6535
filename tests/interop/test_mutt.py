"""mutt reads a Maildir and an mbox from disk, both stores by IMAP and POP3, and sends with STARTTLS and AUTH."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from tests.interop.conftest import DOMAIN, Office, run, run_on_terminal

RC = """
set folder={home}
set spoolfile={home}/none
set record=""
set header_cache=""
set certificate_file={certificate}
set ssl_verify_host=no
set ssl_starttls=yes
set ssl_force_tls=yes
set wait_key=no
set quit=yes
set delete=yes
set move=no
set mark_old=no
set confirmappend=no
set timeout=1
set pop_delete=no
set pop_checkinterval=1
"""


def write_rc(office: Office, folder: Path, *lines: str) -> Path:
    rc = folder / "muttrc"
    rc.write_text(RC.format(home=folder, certificate=office.certificate) + "\n".join(lines) + "\n")
    return rc


def read_everything(office: Office, folder: Path, mailbox: str, *lines: str) -> str:
    """Open a mailbox in mutt, pipe every message into a file, leave."""
    out = folder / "read"
    rc = write_rc(office, folder, *lines)
    keys = f"<tag-pattern>~A<enter><tag-prefix><pipe-message>cat >> {out}<enter><exit>"
    screen = run_on_terminal("mutt", "-n", "-F", str(rc), "-f", mailbox, "-e", f'push "{keys}"', home=folder)
    assert out.exists(), f"mutt read nothing; its screen:\n{screen}"
    return out.read_text(errors="replace")


def url(scheme: str, office: Office, who: str, port: str) -> str:
    return f"{scheme}://{quote(who)}:{quote(office.password)}@127.0.0.1:{office.ports[port]}"


def test_mutt_reads_the_maildir_from_disk(office, tmp_path):
    subject = office.send(office.alice, body="on disk\n.dot\nFrom here\n")

    text = read_everything(office, tmp_path, str(office.maildir(office.alice)))

    assert f"Subject: {subject}" in text
    assert "on disk\n.dot\nFrom here\n" in text


def test_mutt_reads_the_mbox_from_disk(office, tmp_path):
    subject = office.send(office.bob, body="in the mbox\nFrom here\n")
    mbox = next(path for path in (office.home / "mail" / DOMAIN / "bob").rglob("*")
                if path.is_file() and path.name.upper() == "INBOX")  # fmt: skip

    text = read_everything(office, tmp_path, str(mbox))

    assert f"Subject: {subject}" in text


def test_mutt_reads_by_imap(office, person, tmp_path):
    subject = office.send(person)

    assert f"Subject: {subject}" in read_everything(office, tmp_path, url("imap", office, person, "imap") + "/INBOX")


def test_mutt_reads_by_pop3(office, person, tmp_path):
    subject = office.send(person)

    assert f"Subject: {subject}" in read_everything(office, tmp_path, url("pops", office, person, "pop3s"))


def test_mutt_sends_with_starttls_and_auth(office, tmp_path):
    rc = write_rc(
        office,
        tmp_path,
        f'set smtp_url="{url("smtp", office, office.alice, "submission")}"',
        f'set from="{office.alice}"',
        "set use_from=yes",
    )

    run("mutt", "-n", "-F", str(rc), "-s", "sent by mutt", office.bob, text="written in mutt\n",
        env={"HOME": str(tmp_path)})  # fmt: skip

    office.wait_for(office.bob, "sent by mutt", seconds=2)


def test_a_flag_set_by_mutt_on_disk_is_seen_by_imap(office, tmp_path):
    subject = office.send(office.alice)
    rc = write_rc(office, tmp_path)
    keys = f"<limit>~s '{subject}'<enter><flag-message><sync-mailbox><exit>"
    run_on_terminal("mutt", "-n", "-F", str(rc), "-f", str(office.maildir(office.alice)), "-e", f'push "{keys}"',
                    home=tmp_path)  # fmt: skip

    client = office.imap(office.alice)
    client.select("INBOX")
    _, found = client.search(None, "FLAGGED", "SUBJECT", f'"{subject}"')
    client.logout()

    assert len(found[0].split()) == 1
