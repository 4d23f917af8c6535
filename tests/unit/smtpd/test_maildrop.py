"""The maildrop: files of bin/sendmail become mail, once, and disappear only then."""

import asyncio
import contextlib
import json

import psycopg
import pytest

from smtpd.maildrop import Malformed, Pickup, parse_envelope


def drop(folder, name, recipients, sender="alice@example.org", message=b"Subject: x\n\nbody\n"):
    envelope = json.dumps({"sender": sender, "recipients": recipients, "options": {}}).encode()
    (folder / "new" / name).write_bytes(envelope + b"\n" + message)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "maildrop" / "new").mkdir(parents=True)
    return tmp_path / "maildrop"


def scan(site, folder):
    with contextlib.closing(Pickup(site.services, site.handler, folder)) as pickup:
        return asyncio.run(pickup.scan())


def test_a_file_becomes_mail_and_goes_away(site, folder):
    drop(folder, "1", ["alice", "x@elsewhere.example"], message=b"Subject: x\n\n.dot\r\nbare\rcr")

    assert scan(site, folder) == 1

    arrival, content = site.mailboxes.arrivals[0], site.mailboxes.contents[0]
    assert [local.account.address for local in arrival.local] == ["alice@example.org"]
    assert [str(recipient.address) for recipient in arrival.remote] == ["x@elsewhere.example"]
    assert content.endswith(b"\nSubject: x\n\n.dot\nbare cr\n")
    assert b"\nMessage-ID: " in content
    assert list((folder / "new").iterdir()) == []


def test_a_big_file_goes_over_the_disk(site, folder):
    drop(folder, "1", ["alice@example.org"], message=b"Subject: x\n\n" + b"y" * 70 + b"\n" * 400_000)

    assert scan(site, folder) == 1
    assert len(site.mailboxes.contents[0]) > 400_000


def test_a_file_waits_while_it_cannot_be_delivered(site, folder):
    drop(folder, "1", ["alice@example.org"])
    site.mailboxes.error = psycopg.OperationalError("away")

    assert scan(site, folder) == 0
    assert [path.name for path in (folder / "new").iterdir()] == ["1"]


def test_an_unknown_recipient_is_left_to_the_queue_which_reports(site, folder):
    drop(folder, "1", ["ghost@example.org"])

    assert scan(site, folder) == 1
    assert [str(recipient.address) for recipient in site.mailboxes.arrivals[0].remote] == ["ghost@example.org"]


def test_a_file_that_is_none_of_ours_is_set_aside(site, folder):
    (folder / "new" / "bad").write_bytes(b"not json\n\n")
    (folder / "new" / "link").symlink_to(folder / "new" / "bad")

    assert scan(site, folder) == 0
    assert [path.name for path in (folder / "corrupt").iterdir()] == ["bad"]


def test_one_process_picks_up(site, folder):
    drop(folder, "1", ["alice@example.org"])
    with contextlib.closing(Pickup(site.services, site.handler, folder)) as first:
        asyncio.run(first.scan())
        drop(folder, "2", ["alice@example.org"])

        assert scan(site, folder) == 0
        assert asyncio.run(first.scan()) == 1


def test_wishes_for_reports():
    line = b'{"recipients":["a@b.example"],"options":{"notify":"success,DELAY","ret":"hdrs","envid":"E 1"}}'

    left = parse_envelope(line)

    assert (left.notify, left.ret, left.envid) == ({"SUCCESS", "DELAY"}, "HDRS", "E 1")
    odd = parse_envelope(b'{"recipients":["a"],"options":{"notify":"x","ret":"y","envid":"a\\nb"}}')
    assert (odd.notify, odd.ret, odd.envid) == (frozenset(), "", "")


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"recipients": []}', b'{"recipients": ["a b@c"]}', b"\xff"])
def test_malformed_envelopes(line):
    with pytest.raises(Malformed):
        parse_envelope(line)
