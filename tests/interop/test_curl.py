"""curl lists, fetches, appends and searches; sends by SMTP; reads by POP3."""

from __future__ import annotations

from tests.interop.conftest import Office, run


def curl(office: Office, who: str, scheme: str, port: str, path: str, *more: str) -> str:
    return run("curl", "--silent", "--show-error", "--insecure", "--max-time", "20", "--user",
               f"{who}:{office.password}",
               f"{scheme}://127.0.0.1:{office.ports[port]}/{path}", *more)  # fmt: skip


def test_curl_lists_mailboxes(office, person):
    listing = curl(office, person, "imaps", "imaps", "")

    for name in ("INBOX", "Sent", "Drafts", "Trash", "Junk"):
        assert name in listing


def test_curl_appends_searches_and_fetches(office, person, tmp_path):
    message = tmp_path / "message"
    message.write_bytes(b"From: curl@example.org\r\nSubject: appended by curl\r\n\r\nbody of it\r\n")

    curl(office, person, "imaps", "imaps", "INBOX", "-T", str(message))
    found = curl(office, person, "imaps", "imaps", "INBOX?SUBJECT%20%22appended%20by%20curl%22")
    number = found.split()[-1]
    text = curl(office, person, "imaps", "imaps", f"INBOX;MAILINDEX={number}")

    assert found.startswith("* SEARCH") and number.isdigit()
    assert "body of it" in text


def test_curl_upgrades_with_starttls(office, person):
    assert "INBOX" in curl(office, person, "imap", "imap", "", "--ssl-reqd")


def test_curl_reads_by_pop3(office, person):
    subject = office.send(person)

    listing = curl(office, person, "pop3s", "pop3s", "")
    last = listing.strip().splitlines()[-1].split()[0]

    assert subject in curl(office, person, "pop3s", "pop3s", last)


def test_curl_sends_by_submission(office, tmp_path):
    message = tmp_path / "message"
    message.write_bytes(f"From: {office.alice}\r\nTo: {office.bob}\r\nSubject: sent by curl\r\n\r\nx\r\n".encode())

    curl(office, office.alice, "smtp", "submission", "client.example", "--ssl-reqd", "--mail-from", office.alice,
         "--mail-rcpt", office.bob, "-T", str(message))  # fmt: skip

    office.wait_for(office.bob, "sent by curl", seconds=2)
