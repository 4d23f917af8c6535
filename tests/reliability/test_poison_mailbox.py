"""Every kind of broken mail in one mailbox: each is delivered, and shown on every way there is, as far as it can be."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from mailadmin.directory.models import Account
from mailadmin.mailboxes.models import Mailbox
from tests.fixtures_servers import Servers
from tests.integration.imap_server import RawClient
from tests.reliability.broken_mail import KINDS, Kind
from tests.reliability.nodes import Cluster, Node, cluster

pytestmark = pytest.mark.timeout(600)

SHORT_BYTES = 5_000
LONG_BYTES = 1_000_000
TABS = ("", "journey/", "headers/", "source/")


@pytest.fixture
def found(servers: Servers, tmp_path: Path, django_database: str) -> Iterator[Cluster]:
    with cluster(servers, tmp_path, django_database) as found:
        found.start("north")
        yield found


def deliver(node: Node, address: str, kinds: list[Kind], size: int) -> None:
    """With BDAT, which takes any octets. Only mail that goes round in circles is refused: that comes by APPEND."""
    client, imap = node.smtp(), node.imap(address)
    for kind in kinds:
        text = b"X-Kind: %b\r\n" % kind.name.encode() + kind.make(size)
        assert client.code(b"MAIL FROM:<a@there.test> BODY=8BITMIME") == b"250"
        assert client.code(b"RCPT TO:<%b>" % address.encode()) == b"250"
        client.send(b"BDAT %d LAST\r\n" % len(text) + text)
        reply = client.reply()[:3]
        if kind.name == "received_fields":
            assert reply == b"554" and imap.append(b"INBOX", text).status == "OK"
        else:
            assert reply == b"250", kind.name
    client.close()
    imap.close()


def read_by_imap(node: Node, address: str, count: int) -> None:
    """One message after the other, so that the guilty one has a name."""
    client: RawClient = node.imap(address)
    client.ok(b"SELECT INBOX")
    for number in range(1, count + 1):
        name = KINDS[number - 1].name
        whole = client.ok(b"FETCH %d (ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE)" % number).text
        assert whole.startswith(b"* %d FETCH (ENVELOPE (" % number), name
        parts = client.ok(
            b"FETCH %d (BODY.PEEK[HEADER] BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[TEXT]<0.100>)" % number
        )
        assert b"X-Kind: " + name.encode() in parts.text, name
        size = re.search(rb"RFC822.SIZE (\d+)", whole)
        assert size and b"BODY[] {%b}" % size[1] in client.ok(b"FETCH %d BODY.PEEK[]" % number).text, name
    assert len(client.ok(b"SEARCH ALL").text.split()) == count + 2
    for key in (b"TEXT needle", b"BODY needle", b'SUBJECT "broken"', b"FROM there.test", b"SENTSINCE 1-Jan-2000"):
        assert client.ok(b"SEARCH " + key).text.startswith(b"* SEARCH"), key
    client.ok(b"COPY 1:* Archive")
    client.close()


def read_by_pop3(node: Node, address: str, count: int) -> None:
    client = node.pop3(address)
    assert client.stat()[0] == count
    for number in range(1, count + 1):
        client._putcmd(f"TOP {number} 3")  # type: ignore[attr-defined]
        answer = client.file.readline()
        assert answer.startswith(b"+OK"), answer
        while client.file.readline() not in (b".\r\n", b""):
            pass
    assert len(client.uidl()[1]) == count
    client.quit()


def read_in_browser(found: Cluster, address: str, count: int, tabs: tuple[str, ...]) -> None:
    browser = Client()
    browser.force_login(Account.objects.get(address=address))
    cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"
    mailbox = Mailbox.objects.get(account__address=address, name="INBOX").pk
    web = http.client.HTTPConnection("127.0.0.1", found.start_web(), timeout=60)
    pages = [f"/mail/folder/{mailbox}/", f"/mail/folder/{mailbox}/?q=needle"]
    for uid in range(1, count + 1):
        pages += [f"/mail/folder/{mailbox}/{uid}/{tab}" for tab in tabs]
    for page in pages:
        web.request("GET", page, headers={"Cookie": cookie})
        answer = web.getresponse()
        body = answer.read()
        assert answer.status == 200 and b"</html>" in body, (page, answer.status)
    web.close()


@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_broken_mail_is_delivered_and_shown(
    found: Cluster, store: str, length: Callable[..., float], record: Callable[..., None]
) -> None:
    node, address = found.nodes[0], found.account(store)

    deliver(node, address, KINDS, int(length(SHORT_BYTES, LONG_BYTES)))
    read_by_imap(node, address, len(KINDS))
    read_by_pop3(node, address, len(KINDS))
    if store == "maildir":
        read_in_browser(found, address, len(KINDS), TABS if length(0, 1) else TABS[:1])

    assert not found.complaints()
    record(6, f"broken mail delivered and shown, {store}", kinds=len(KINDS), not_shown=0)
