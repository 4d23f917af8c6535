"""IMAPClient does a usual day: folders, sync, flags both ways, search, move, append, IDLE, nothing the next time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from uuid import uuid4

import pytest
from imapclient import IMAPClient

from tests.interop.conftest import Office

MESSAGE = b"From: me@example.org\r\nSubject: %b\r\n\r\nput here by IMAPClient\r\n"


@pytest.fixture
def client(office: Office, person: str) -> Iterator[IMAPClient]:
    client = IMAPClient("127.0.0.1", port=office.ports["imaps"], ssl_context=office.tls())
    client.login(person, office.password)
    yield client
    client.logout()


@pytest.fixture
def folder(client: IMAPClient) -> Iterator[str]:
    """A folder of the test's own, subscribed, two levels deep, with a name that is not ASCII."""
    name = f"Tests/Überblick {uuid4().hex[:8]}"
    client.create_folder(name)
    client.subscribe_folder(name)
    yield name
    client.unsubscribe_folder(name)
    client.delete_folder(name)


def test_folders_are_listed_and_subscribed(client, folder):
    assert folder in [name for _, _, name in client.list_folders()]
    assert folder in [name for _, _, name in client.list_sub_folders()]
    client.unsubscribe_folder(folder)
    assert folder not in [name for _, _, name in client.list_sub_folders()]
    assert client.find_special_folder(b"\\Trash") == "Trash"
    assert client.folder_exists(folder) and client.namespace().personal[0][1] == "/"


def test_a_message_put_in_is_found_marked_and_moved(office, person, client, folder):
    client.append(folder, MESSAGE % b"put in", flags=[b"\\Seen", b"todo"])
    client.select_folder(folder)
    (uid,) = client.search(["SUBJECT", "put in", "KEYWORD", "todo"])

    assert set(client.add_flags(uid, [b"\\Flagged"])[uid]) >= {b"\\Seen", b"\\Flagged", b"todo"}
    other = office.imap(person)
    other.select(_quoted(folder))
    other.store("1", "-FLAGS", "(\\Seen)")
    other.logout()
    client.noop()
    assert (
        set(client.get_flags([uid])[uid]) >= {b"\\Flagged", b"todo"} and b"\\Seen" not in client.get_flags([uid])[uid]
    )

    client.move([uid], "Archive")
    assert client.search() == []
    client.select_folder("Archive")
    moved = client.search(["FLAGGED", "SUBJECT", "put in"])
    assert moved and client.fetch(moved, ["ENVELOPE"])[moved[-1]][b"ENVELOPE"].subject == b"put in"
    client.delete_messages(moved)
    client.expunge(moved)


def test_the_second_sync_finds_nothing(client, folder):
    for number in range(5):
        client.append(folder, MESSAGE % f"number {number}".encode())
    client.select_folder(folder)
    everything = ["FLAGS", "ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "INTERNALDATE", "MODSEQ"]
    uids = client.search()
    first = client.fetch(uids, everything)
    assert sorted(row[b"ENVELOPE"].subject for row in first.values()) == [b"number %d" % n for n in range(5)]
    newest = max(row[b"MODSEQ"][0] for row in first.values())
    client.unselect_folder()

    client.select_folder(folder)
    assert client.fetch(uids, ["FLAGS"], [f"CHANGEDSINCE {newest}"]) == {}


def test_new_mail_is_told_while_idling(office, person, client):
    client.select_folder("INBOX")
    client.idle()
    began = time.monotonic()
    office.send(person)

    told: list[tuple[object, ...]] = []
    while not any(response[1:] == (b"EXISTS",) for response in told) and time.monotonic() < began + 5:
        told += client.idle_check(timeout=5)

    assert any(response[1:] == (b"EXISTS",) for response in told) and time.monotonic() - began < 5
    client.idle_done()


def _quoted(name: str) -> str:
    from imapclient.imap_utf7 import encode

    return f'"{encode(name).decode()}"'
