"""aioimaplib does a usual day on an event loop, and is told of new mail by the server's push."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aioimaplib import IMAP4_SSL

from tests.interop.conftest import Office

MESSAGE = b"From: me@example.org\r\nSubject: by aioimaplib\r\n\r\nput here by aioimaplib\r\n"


def a_day(office: Office, person: str, day: Callable[[IMAP4_SSL], Awaitable[None]]) -> None:
    """Run a day of somebody who is logged in."""

    async def whole() -> None:
        client = IMAP4_SSL("127.0.0.1", office.ports["imaps"], timeout=20, ssl_context=office.tls())
        await client.wait_hello_from_server()
        assert (await client.login(person, office.password)).result == "OK"
        await day(client)
        assert (await client.logout()).result == "OK"

    asyncio.run(asyncio.wait_for(whole(), 60))


async def ok(answer: Awaitable) -> list[bytes]:
    """The lines of an answer that has to be OK."""
    response = await answer
    assert response.result == "OK", response
    return response.lines


def test_folder_append_search_flags_move(office, person):
    folder = f"Tests{uuid4().hex[:8]}"

    async def day(client: IMAP4_SSL) -> None:
        await ok(client.create(folder))
        await ok(client.subscribe(folder))
        assert any(folder.encode() in line for line in await ok(client.lsub('""', "*")))
        await ok(client.append(MESSAGE, folder, flags="\\Seen"))
        await ok(client.select(folder))
        (numbers, *_) = await ok(client.search("SUBJECT aioimaplib SEEN"))
        assert numbers == b"1"
        assert b"Subject: by aioimaplib" in b"".join(await ok(client.fetch("1", "(UID RFC822)")))
        assert any(b"\\Flagged" in line for line in await ok(client.store("1", "+FLAGS", "(\\Flagged)")))
        await ok(client.uid("move", "1", "Archive"))
        assert (await ok(client.search("ALL")))[0] == b""
        await ok(client.close())
        await ok(client.unsubscribe(folder))
        await ok(client.delete(folder))

    a_day(office, person, day)

    assert "by aioimaplib" in office.subjects(person, "Archive")


def test_flags_of_another_session_and_new_mail_are_pushed(office, person):
    async def day(client: IMAP4_SSL) -> None:
        await ok(client.select("INBOX"))
        idle = await client.idle_start(timeout=30)
        subject = await asyncio.to_thread(office.send, person)
        async with asyncio.timeout(5):
            pushed = await client.wait_server_push()
            while not any(line.endswith(b"EXISTS") for line in pushed):
                pushed = await client.wait_server_push()
        await asyncio.to_thread(mark, office, person, subject)
        async with asyncio.timeout(5):
            while not any(b"\\Flagged" in line for line in pushed):
                pushed = await client.wait_server_push()
        client.idle_done()
        await asyncio.wait_for(idle, 5)
        (found, *_) = await ok(client.search(f'FLAGGED SUBJECT "{subject}"'))
        assert len(found.split()) == 1

    a_day(office, person, day)


def mark(office: Office, person: str, subject: str) -> None:
    """Another session flags the message."""
    client = office.imap(person)
    client.select("INBOX")
    _, found = client.search(None, "SUBJECT", f'"{subject}"')
    client.store(found[0].split()[0].decode(), "+FLAGS", "(\\Flagged)")
    client.logout()


def test_the_second_sync_finds_nothing(office, person):
    async def day(client: IMAP4_SSL) -> None:
        await ok(client.select("INBOX"))
        lines = await ok(client.fetch("1:*", "(UID FLAGS ENVELOPE MODSEQ)")) if office.subjects(person) else []
        newest = max(
            (int(line.split(b"MODSEQ (")[1].split(b")")[0]) for line in lines if b"MODSEQ (" in line), default=1
        )
        again = await ok(client.uid("fetch", "1:*", f"(FLAGS) (CHANGEDSINCE {newest})"))
        assert not [line for line in again if b"FETCH (" in line]

    office.send(person)
    a_day(office, person, day)
