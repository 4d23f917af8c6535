"""The notes of what other hosts have accepted: what is in them, and what becomes of them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from mailcore.address import Address
from mailcore.envelope import Envelope, Recipient
from mailcore.outcome import Deferred, Delivered
from mailcore.queue.records import LeasedMessage, LeasedRecipient
from mailcore.relay import accepted
from mailcore.relay.accepted import AcceptedFile
from mailcore.relay.jobs import Job
from mailcore.reply import Reply

TAKEN = Reply(250, "2.0.0", "taken\nas 4711, Grüße")
LATER = Reply(450, "4.2.0", "later")


def a_job(*names: str, queue_id: str = "abcdefgh1") -> Job:
    recipients = tuple(LeasedRecipient(number, recipient(name), 0) for number, name in enumerate(names, 1))
    now = datetime(2026, 1, 1, tzinfo=UTC)
    envelope = Envelope(Address.parse("alice@here.test"), tuple(leased.recipient for leased in recipients))
    message = LeasedMessage(
        7, queue_id, envelope, 100, 0, now, now, "", "", "", delay_warned=False, recipients=recipients,
        recipients_in_queue=len(recipients),
    )  # fmt: skip
    return Job(message, recipients, "")


def recipient(name: str) -> Recipient:
    address = Address.parse(f"{name}@there.test")
    return Recipient(address, address)


def accept(notes: AcceptedFile, job: Job, *, reports_itself: bool = False) -> None:
    outcomes = [Delivered(leased.recipient, "mx.test", TAKEN, "TLSv1.3") for leased in job.recipients]
    notes.add(job, outcomes, reports_itself=reports_itself)


@pytest.fixture
def notes(tmp_path: Path) -> AcceptedFile:
    return AcceptedFile(tmp_path, uuid4())


def left(root: Path) -> list[Path]:
    return list((root / accepted.FOLDER).glob("*"))


def test_what_was_noted_is_read_as_it_was(tmp_path, notes):
    job = a_job("bob", "carol")
    accept(notes, job, reports_itself=True)

    done, how, rest = accepted.divide(job, accepted.read(tmp_path))

    assert done == job and rest.recipients == ()
    assert [(one.relay, one.reply, one.tls, one.reports_itself) for one in how] == [
        ("mx.test", TAKEN, "TLSv1.3", True)
    ] * 2
    assert accepted.outcomes(done, how) == [
        Delivered(leased.recipient, "mx.test", TAKEN, "TLSv1.3") for leased in job.recipients
    ]


def test_only_acceptances_are_noted(tmp_path, notes):
    job = a_job("bob", "carol")
    bob, carol = (leased.recipient for leased in job.recipients)
    notes.add(job, [Deferred(bob, "mx.test", LATER), Delivered(carol, "mx.test", TAKEN)], reports_itself=False)

    done, how, rest = accepted.divide(job, accepted.read(tmp_path))

    assert [leased.recipient for leased in done.recipients] == [carol] and len(how) == 1
    assert [leased.recipient for leased in rest.recipients] == [bob]


def test_nothing_is_made_where_nothing_was_accepted(tmp_path, notes):
    job = a_job("bob")
    notes.add(job, [Deferred(job.recipients[0].recipient, "mx.test", LATER)], reports_itself=False)
    notes.clear()
    notes.close()

    assert accepted.read(tmp_path) == {} and left(tmp_path) == []


def test_another_message_with_the_same_row_is_not_known(tmp_path, notes):
    accept(notes, a_job("bob"))

    _, how, rest = accepted.divide(a_job("bob", queue_id="abcdefgh2"), accepted.read(tmp_path))

    assert how == [] and len(rest.recipients) == 1


def test_what_is_recorded_is_forgotten_and_the_file_goes_with_its_lease(tmp_path, notes):
    accept(notes, a_job("bob"))
    notes.clear()
    assert accepted.read(tmp_path) == {} and len(left(tmp_path)) == 1

    accept(notes, a_job("carol", queue_id="abcdefgh2"))
    assert list(accepted.read(tmp_path)) == [("abcdefgh2", 1)]
    notes.clear()
    notes.close()

    assert left(tmp_path) == []


def test_what_is_not_recorded_stays(tmp_path, notes):
    accept(notes, a_job("bob"))
    notes.close()
    notes.close()

    assert list(accepted.read(tmp_path)) == [("abcdefgh1", 1)]


def test_half_a_line_costs_no_other(tmp_path, notes):
    """The disk was full, or the worker was killed, in the middle of it."""
    accept(notes, a_job("bob"))
    notes.close()
    (path,) = left(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    accept(notes, a_job("carol", queue_id="abcdefgh2"))

    assert list(accepted.read(tmp_path)) == [("abcdefgh2", 1)]


@pytest.mark.parametrize(
    "text", ["[]", "7", "{}", '["a", 1]', '["a", 1, "r", [250], "", true]', "\0\0\0", '[["a"], 1,']
)
def test_anything_else_in_a_file_is_passed_over(tmp_path, notes, text):
    accept(notes, a_job("bob"))
    notes.close()
    (path,) = left(tmp_path)
    path.write_text(f"{text}\n{path.read_text()}{text}\n")

    assert list(accepted.read(tmp_path)) == [("abcdefgh1", 1)]


def test_a_disk_that_takes_nothing_is_no_error(tmp_path):
    (tmp_path / accepted.FOLDER).write_text("not a folder")
    notes = AcceptedFile(tmp_path, uuid4())

    accept(notes, a_job("bob"))
    notes.clear()
    notes.close()

    assert accepted.read(tmp_path) == {}


def test_the_sweep_takes_what_is_old(tmp_path, notes):
    accept(notes, a_job("bob"))
    notes.close()
    (path,) = left(tmp_path)
    os.utime(path, (1000, 1000))

    assert accepted.sweep(tmp_path, 1000) == 0 and accepted.sweep(tmp_path, 1001) == 1
    assert left(tmp_path) == []
