"""The queue in the panel: what it shows, and that every deed is asked for, done, traced and audited."""

import re

import psycopg
import pytest
from django.test import Client
from django.urls import reverse

from mailadmin.audit.models import AuditEntry
from mailadmin.directory.models import Account, Domain
from mailadmin.mailqueue import actions
from mailadmin.mailqueue.models import QueueMessage, QueueRecipient
from tests.admin.conftest import hashed
from tests.admin.panel_support import messages_of, text_of
from tests.admin.queue_support import queued

LIST = "/admin/mailqueue/queuerecipient/"


class Ignored:
    """Stands where events would leave this test's transaction: for the trace of the whole session's database."""

    def record(self, happened: object) -> None:
        """Nothing."""


class Wakeups:
    """Stands where the hint to the scheduler would go."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, client: object) -> None:
        self.count += 1


@pytest.fixture
def wakeups(monkeypatch):
    heard = Wakeups()
    monkeypatch.setattr(actions.publish, "queue_wakeup", heard)
    monkeypatch.setattr(actions, "_recorder", lambda dsn: Ignored())
    return heard


def choose(panel, deed, *recipients, **more):
    ids = [recipient.pk for recipient in recipients]
    return panel.post(LIST, {"action": deed, "_selected_action": ids, "select_across": "0", **more})


def test_list_shows_the_remote_servers_own_words(panel):
    words = "451 4.7.1 <x@far.example>: Greylisted"
    message = queued("x@far.example", last_reply=words, last_relay="mx[192.0.2.1]:25", attempts=3)

    page = text_of(panel.get(LIST))

    line = rf"{message.queue_id} waiting alice@linuxadmin\.dev x@far\.example 7 min( \d+ s)? 3 attempts"
    assert re.search(line, page), page
    assert "451 4.7.1 <x@far.example>: Greylisted" in page


def test_an_empty_queue_says_so(panel):
    assert "The queue is empty: no mail is waiting." in panel.get(LIST).text
    found = panel.get(LIST, {"q": "nobody@far.example"}).text
    assert "Nothing matches “nobody@far.example”." in found and "Show all" in found


def test_list_is_found_by_address_queue_id_and_words(panel):
    message = queued("x@far.example", last_reply="451 4.7.1 Greylisted")
    queued("y@near.example", last_reply="connection refused")

    for word in ("x@far", message.queue_id, "Greylisted"):
        page = text_of(panel.get(LIST, {"q": word}))
        assert "x@far.example" in page and "y@near.example" not in page
    assert "y@near.example" not in text_of(panel.get(LIST, {"destination": "far.example"}))


@pytest.mark.parametrize(
    ("deed", "before", "after", "wakes"),
    [
        ("retry", "waiting", "waiting", 1),
        ("hold", "waiting", "held", 0),
        ("release", "held", "waiting", 1),
        ("delete", "waiting", None, 0),
    ],
)
def test_deed_is_asked_for_and_then_done(panel, wakeups, deed, before, after, wakes):
    message = queued("x@far.example", "y@far.example", state=before)
    chosen, other = message.recipients.order_by("id")

    question = choose(panel, deed, chosen)
    assert question.status_code == 200
    assert "1 recipient will" in text_of(question)
    chosen.refresh_from_db()
    assert chosen.state == before

    response = choose(panel, deed, chosen, confirmed="yes")

    assert response.status_code == 302
    assert "1 recipient" in messages_of(response)
    assert QueueRecipient.objects.filter(pk=chosen.pk).values_list("state", flat=True).first() == after
    assert QueueRecipient.objects.get(pk=other.pk).state == before
    assert wakeups.count == wakes
    entry = AuditEntry.objects.get(action="did")
    assert (entry.object_key, entry.changes) == (message.queue_id, {"action": deed, "recipients": 1})


def test_retry_makes_a_recipient_due_at_once(panel, wakeups):
    message = queued("x@far.example")
    (recipient,) = message.recipients.all()
    due = recipient.next_attempt_at

    choose(panel, "retry", recipient, confirmed="yes")

    recipient.refresh_from_db()
    assert recipient.next_attempt_at < due


def test_deed_for_all_pages(panel, wakeups):
    queued(*(f"user{number}@far.example" for number in range(60)))
    first = QueueRecipient.objects.order_by("next_attempt_at", "id").first()

    question = choose(panel, "hold", first, select_across="1")
    assert "60 recipients will" in text_of(question)
    choose(panel, "hold", first, select_across="1", confirmed="yes")

    assert QueueRecipient.objects.filter(state="held").count() == 60


def test_releasing_what_is_not_on_hold_says_so(panel, wakeups):
    message = queued("x@far.example")

    response = choose(panel, "release", message.recipients.get(), confirmed="yes")

    assert "Nothing changed" in messages_of(response)
    assert not AuditEntry.objects.filter(action="did").exists()
    assert wakeups.count == 0


def test_djangos_own_deletion_is_not_offered(panel):
    message = queued("x@far.example")

    choose(panel, "delete_selected", message.recipients.get(), post="yes")

    assert message.recipients.count() == 1


def test_message_page_shows_envelope_header_and_replies(panel, settings, tmp_path):
    settings.MAIL_HOME = tmp_path
    relay = "mx.far.example[192.0.2.1]:25"
    message = queued("x@far.example", last_reply="450 4.2.0 busy", last_relay=relay)
    message.recipients.update(original="old@linuxadmin.dev")
    spool = tmp_path / "spool" / "queue" / message.queue_id[5:7]
    spool.mkdir(parents=True)
    (spool / message.queue_id).write_text("Return-Path: <a@b>\nSubject: <b>Hi</b>\nTo: x@far.example\n\nsecret body\n")
    QueueMessage.objects.update(content_offset=len("Return-Path: <a@b>\n"))

    response = panel.get(reverse("admin:mailqueue_queuemessage_change", args=[message.pk]))
    page = text_of(response)

    assert "Sender alice@linuxadmin.dev" in page
    assert "from old@linuxadmin.dev" in page
    assert "mx.far.example[192.0.2.1]:25 450 4.2.0 busy" in page
    assert "&lt;b&gt;Hi&lt;/b&gt;" in response.content.decode()
    assert "Return-Path" not in page and "secret body" not in page


def test_message_page_without_a_readable_spool_says_so(panel, settings, tmp_path):
    settings.MAIL_HOME = tmp_path
    message = queued("x@far.example")

    assert "cannot be read from here" in text_of(panel.get(f"/admin/mailqueue/queuemessage/{message.pk}/change/"))


@pytest.mark.parametrize("deed", ["retry", "hold", "release", "delete"])
def test_deed_on_a_whole_message(panel, wakeups, deed):
    message = queued("x@far.example", "y@far.example", state="held" if deed == "release" else "waiting")
    url = f"/admin/mailqueue/queuemessage/{message.pk}/{deed}/confirm/"

    assert "2 recipients will" in text_of(panel.get(url))
    assert QueueRecipient.objects.count() == 2
    response = panel.post(url)

    assert response.status_code == 302
    assert "2 recipients" in messages_of(response)
    assert QueueMessage.objects.exists() is (deed != "delete")
    assert panel.get(response.headers["Location"]).status_code == 200


def test_a_message_that_left_meanwhile(panel):
    for url in ("/admin/mailqueue/queuemessage/99999/change/", "/admin/mailqueue/queuemessage/99999/retry/confirm/"):
        response = panel.get(url)
        assert response.status_code == 302
        assert "left the queue" in messages_of(response)


def test_unknown_deed_does_not_exist(panel):
    message = queued("x@far.example")

    assert panel.post(f"/admin/mailqueue/queuemessage/{message.pk}/explode/confirm/").status_code == 404


def test_the_list_of_messages_is_the_list_of_recipients(panel):
    assert panel.get("/admin/mailqueue/queuemessage/").headers["Location"] == LIST


def test_deed_reaches_the_trace(django_database):
    """The recorder writes on a connection of its own: this needs a database that commits."""
    domain = Domain.objects.create(name="trace.example")
    boss = Account.objects.create(address="boss@trace.example", domain=domain, password=hashed(), is_staff=True)
    client = Client()
    client.force_login(boss)
    message = queued("x@far.example")
    actions._recorder.cache_clear()

    client.post(f"/admin/mailqueue/queuemessage/{message.pk}/hold/confirm/")
    actions._recorder(actions._dsn()).close()
    actions._recorder.cache_clear()

    with psycopg.connect(django_database) as conn:
        found = conn.execute("SELECT kind, queue_id, detail ->> 'by' FROM trace_event").fetchall()
    assert found == [("queue_action", message.queue_id, "boss@trace.example")]
