"""/api/v1/queue/ and /api/v1/status/"""

from datetime import timedelta

import pytest
from django.utils import timezone

from mailadmin.audit.models import AuditEntry
from mailadmin.mailqueue import actions
from mailadmin.mailqueue.models import QueueMessage, QueueRecipient
from mailadmin.status.models import ProcessStatus
from tests.admin.api_support import ApiClient, assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def recorded(monkeypatch):
    """The events that would go to the maillog and the trace."""
    events = []

    class Recorder:
        def record(self, event):
            events.append(event)

    monkeypatch.setattr(actions, "_recorder", lambda dsn: Recorder())
    return events


@pytest.fixture
def api(recorded):
    return ApiClient("queue:write")


def a_message(queue_id: str, *recipients: str, sender: str = "alice@linuxadmin.dev", **fields) -> QueueMessage:
    now = timezone.now()
    message = QueueMessage.objects.create(
        queue_id=queue_id, sender=sender, size=100, received_at=now, expires_at=now + timedelta(days=5), **fields
    )
    for address in recipients:
        QueueRecipient.objects.create(
            message=message,
            address=address,
            original=address,
            destination=address.partition("@")[2],
            next_attempt_at=now + timedelta(hours=1),
            attempts=3,
            last_reply="451 4.3.0 not now",
        )
    return message


def test_the_list_shows_the_last_words_of_the_remote_server(api):
    a_message("3ABCDEFGHIJK", "bob@far.example", "carol@far.example")
    _, page = api.get("/queue/")

    (message,) = page["results"]
    assert (message["queue_id"], message["recipient_count"]) == ("3ABCDEFGHIJK", 2)
    assert message["recipients"][0]["last_reply"] == "451 4.3.0 not now"
    assert api.get("/queue/3ABCDEFGHIJK/")[1] == message


def test_retry_makes_it_due_now(api, recorded):
    a_message("3ABCDEFGHIJK", "bob@far.example")

    assert api.post("/queue/3ABCDEFGHIJK/retry/") == (200, {"recipients": 1})
    assert QueueRecipient.objects.get().next_attempt_at <= timezone.now()
    assert AuditEntry.objects.get().changes == {"action": "retry", "recipients": 1}
    assert [(event.action, event.by, event.queue_id) for event in recorded] == [
        ("retry", "token test queue:write", "3ABCDEFGHIJK")
    ]


def test_hold_and_release(api):
    a_message("3ABCDEFGHIJK", "bob@far.example", "carol@far.example")

    assert api.post("/queue/3ABCDEFGHIJK/hold/", {"recipients": ["bob@far.example"]})[1] == {"recipients": 1}
    assert api.get("/queue/", state="held")[1]["count"] == 1
    assert api.post("/queue/3ABCDEFGHIJK/retry/")[1] == {"recipients": 1}, "held ones stay held"
    assert api.post("/queue/3ABCDEFGHIJK/release/")[1] == {"recipients": 1}
    assert not QueueRecipient.objects.filter(state="held").exists()


def test_delete(api):
    a_message("3ABCDEFGHIJK", "bob@far.example")

    assert api.delete("/queue/3ABCDEFGHIJK/")[0] == 204
    assert not QueueMessage.objects.exists()


def test_recipients_that_do_not_wait(api):
    a_message("3ABCDEFGHIJK", "bob@far.example")
    for recipients in (["eve@far.example"], [], "bob@far.example", [None]):
        api.post("/queue/3ABCDEFGHIJK/hold/", {"recipients": recipients})
        assert_problem(api.response, 400, "recipients")


def test_flush_with_the_filters_of_the_list(api):
    a_message("3ABCDEFGHIJK", "bob@far.example")
    a_message("3ABCDEFGHIJL", "carol@near.example")

    assert api.post("/queue/flush/", None, destination="near.example")[1] == {"recipients": 1}
    assert api.post("/queue/flush/")[1] == {"recipients": 2}
    assert api.post("/queue/flush/", None, destination="nowhere.example")[1] == {"recipients": 0}


def test_filters(api):
    a_message("3ABCDEFGHIJK", "bob@far.example", message_id="<one@x>")
    a_message("3ABCDEFGHIJL", "carol@near.example", sender="")

    def found(**query):
        return [row["queue_id"][-1] for row in api.get("/queue/", ordering="queue_id", **query)[1]["results"]]

    assert found() == ["K", "L"]
    assert found(recipient="CAROL@near.example") == ["L"]
    assert found(destination="far.example") == ["K"]
    assert found(sender="alice@linuxadmin.dev") == ["K"]
    assert found(state="waiting", search="one") == ["K"]
    api.get("/queue/", state="lost")
    assert_problem(api.response, 400, "state")


def test_a_page_costs_the_same_whatever_its_size(api, django_assert_num_queries):
    for number in range(8):
        a_message(f"3ABCDEFGHIJ{number}", "bob@far.example", "carol@far.example")
    api.get("/queue/", limit=1)
    with django_assert_num_queries(5):
        assert len(api.get("/queue/")[1]["results"]) == 8


def test_status():
    now = timezone.now()
    ProcessStatus.objects.create(role="smtpd", host="h", pid=1, started_at=now, generation=10**9, seen_at=now)
    ProcessStatus.objects.create(role="worker", host="h", pid=2, started_at=now, seen_at=now - timedelta(minutes=5))
    a_message("3ABCDEFGHIJK", "bob@far.example")
    _, status = ApiClient("status:read").get("/status/")

    assert [(p["role"], p["alive"], p["current"]) for p in status["processes"]] == [
        ("smtpd", True, True),
        ("worker", False, False),
    ]
    assert status["queue"]["messages"] == status["queue"]["waiting"] == 1
    assert status["generation"] >= 1


@pytest.mark.parametrize(
    "moment", ["0255-05-23T15:17:50+23:38", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+14:00"]
)
def test_moments_beyond_the_database_are_the_client_s_mistake(api, moment):
    status, _ = api.get("/queue/", received_at_before=moment)

    assert status in (200, 400)
