"""Receiving messages: what a command may cost while it comes in."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from accessd.imap import upload as upload_module
from accessd.imap.events import LiteralChunk, LiteralStarted
from accessd.imap.grammar.args_append import Append, Draft, Text, Url
from accessd.imap.incoming import IN_MEMORY_BYTES, Incoming
from accessd.imap.upload import Refused, Upload
from mailcore.store.layout import UPLOADS

LIMIT = 1000


class FakeOffload:
    async def __call__(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return work(None, *arguments)

    async def plain(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return work(*arguments)


def session(root: Path, append_limit: int = LIMIT) -> Any:
    return SimpleNamespace(
        context=SimpleNamespace(offload=FakeOffload()),
        storage=SimpleNamespace(root=root),
        append_limit=append_limit,
        reader=None,
        view=None,
        engine=SimpleNamespace(accept_literal=lambda: None, refuse_literal=lambda: None),
    )


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_large_messages_of_one_command_keep_one_file_open(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(upload_module, "_check", lambda *_: None)
    size = IN_MEMORY_BYTES + 1
    upload = Upload(session(tmp_path, size), Append())
    before = open_files()
    for number in range(20):
        asyncio.run(receive(upload, size, b"%d\r\n" % number))
    assert open_files() <= before + 1
    contents = [each.content for each in upload.messages("lrswi")]
    assert open_files() == before
    assert [Path(str(each)).read_bytes() for each in contents] == [b"%d\n" % number for number in range(20)]
    upload.discard()
    assert not list((tmp_path / UPLOADS).iterdir())


async def receive(upload: Upload, announced: int, data: bytes) -> None:
    upload.command.messages.append(Draft(parts=[Text(announced)]))
    await upload._take(LiteralStarted(b"a", "APPEND", upload.command, Text(announced), synchronising=False))
    await upload._take(LiteralChunk(data))


def append_of(*messages: int) -> Append:
    """Messages of so many URLs each."""
    drafts = [Draft(parts=[Url(b"/INBOX/;UID=1")] * urls, catenated=True) for urls in messages]
    return Append(mailbox="INBOX", messages=drafts)


@pytest.fixture
def every_url_brings_400_octets(monkeypatch: Any) -> None:
    def bring(*arguments: Any) -> None:
        into, most = arguments[-2:]
        if into.size + 400 > most:
            raise upload_module.TooBig
        into.add(b"x" * 400)

    monkeypatch.setattr(upload_module, "take_from", bring)


@pytest.mark.usefixtures("every_url_brings_400_octets")
@pytest.mark.parametrize(
    ("messages", "code"), [((2,), None), ((1, 1), None), ((3,), b"TOOBIG"), ((1, 1, 1), b"LIMIT"), ((2, 1), b"LIMIT")]
)
def test_what_urls_bring_is_bounded_for_the_whole_command(
    tmp_path: Path, messages: tuple[int, ...], code: bytes | None
) -> None:
    """A line of 128 KiB can name a large message thousands of times."""
    upload = Upload(session(tmp_path), append_of(*messages))
    if code is None:
        asyncio.run(upload.receive())
    else:
        with pytest.raises(Refused) as refused:
            asyncio.run(upload.receive())
        assert refused.value.completion.code == code
    upload.discard()


def test_a_message_of_no_octets_has_a_file_too(tmp_path: Path) -> None:
    empty = Incoming(tmp_path, in_memory=False, raw=True)
    content = empty.content()
    assert Path(str(content)).read_bytes() == b""
    empty.discard()
