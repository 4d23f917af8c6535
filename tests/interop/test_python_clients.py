"""Python's own clients: smtplib, imaplib, poplib."""

from __future__ import annotations

import imaplib
import poplib
import smtplib

import pytest

from tests.interop.conftest import Office


def test_smtplib_submits_with_starttls(office):
    with smtplib.SMTP("127.0.0.1", office.ports["submission"], timeout=20) as client:
        client.starttls(context=office.tls())
        client.login(office.alice, office.password)
        client.sendmail(office.alice, [office.bob], "Subject: by smtplib\r\n\r\nx\r\n")

    office.wait_for(office.bob, "by smtplib", seconds=2)


def test_a_password_is_not_taken_without_tls(office):
    with (
        smtplib.SMTP("127.0.0.1", office.ports["submission"], timeout=20) as client,
        pytest.raises(smtplib.SMTPException),
    ):
        client.login(office.alice, office.password)
    imap = imaplib.IMAP4("127.0.0.1", office.ports["imap"])
    assert "LOGINDISABLED" in imap.capabilities
    with pytest.raises(imaplib.IMAP4.error):
        imap.login(office.alice, office.password)
    pop = poplib.POP3("127.0.0.1", office.ports["pop3"], timeout=20)
    with pytest.raises(poplib.error_proto):
        poplib_login(pop, office)


def test_imaplib_does_an_ordinary_day(office: Office, person: str):
    subject = office.send(person)
    client = office.imap(person)
    client.select("INBOX")
    _, found = client.search(None, "UNSEEN", "SUBJECT", f'"{subject}"')
    number = found[0].split()[0].decode()

    client.fetch(number, "(RFC822)")
    client.store(number, "+FLAGS", r"(\Flagged)")
    client.copy(number, "Archive")
    _, flags = client.fetch(number, "(FLAGS)")
    client.store(number, "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.close()
    client.logout()

    assert b"\\Seen" in flags[0] and b"\\Flagged" in flags[0]
    assert subject not in office.subjects(person)
    assert subject in office.subjects(person, "Archive")


def test_poplib_reads_and_deletes(office, person):
    subject = office.send(person)
    client = poplib.POP3_SSL("127.0.0.1", office.ports["pop3s"], context=office.tls(), timeout=20)
    client.user(person)
    client.pass_(office.password)
    count, _ = client.stat()

    lines = client.retr(count)[1]
    client.dele(count)
    client.quit()

    assert f"Subject: {subject}".encode() in lines
    assert subject not in office.subjects(person)


def poplib_login(client: poplib.POP3, office: Office) -> None:
    client.user(office.alice)
    client.pass_(office.password)
