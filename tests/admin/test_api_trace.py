"""/api/v1/trace/"""

from datetime import timedelta

import pytest
from django.utils import timezone

from mailadmin.trace.models import TraceEvent
from tests.admin.api_support import ApiClient, assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    return ApiClient("trace:read")


def an_event(kind: str, *, minutes_ago: int = 0, **fields) -> TraceEvent:
    return TraceEvent.objects.create(at=timezone.now() - timedelta(minutes=minutes_ago), kind=kind, **fields)


@pytest.fixture
def events():
    common = {"queue_id": "3ABCDEFGHIJK", "session_id": "S1", "sender": "ann@far.example"}
    an_event("accepted", minutes_ago=3, client_address="192.0.2.7", message_id="<1@far.example>", size=99, **common)
    an_event("delivered", minutes_ago=2, recipient="bob@linuxadmin.dev", **common)
    an_event(
        "refused",
        minutes_ago=1,
        session_id="S2",
        client_address="198.51.100.9",
        sender="spam@bad.example",
        recipient="nobody@linuxadmin.dev",
        rule="unknown_user",
        reply="550 5.1.1 no such user",
    )


def test_refused_mail_is_found_with_its_rule(api, events):
    _, page = api.get("/trace/", client="198.51.100.0/24")

    (found,) = page["results"]
    assert (found["queue_id"], found["rule"], found["state"]) == ("", "unknown_user", "refused")
    assert found["reply"].startswith("550 5.1.1")
    assert api.get(f"/trace/sessions/{found['session_id']}/")[1]["events"][0]["kind"] == "refused"


def test_the_client_has_the_name_it_has_in_the_answer_too(api, events):
    (found,) = api.get("/trace/", client_address="198.51.100.9")[1]["results"]

    assert found["client_address"] == "198.51.100.9"
    api.get("/trace/", client_address="nobody")
    assert_problem(api.response, 400, "client")


def test_the_timeline_of_a_message(api, events):
    for query in ({"recipient": "bob@linuxadmin.dev"}, {"message_id": "1@far.example"}, {"sender": "@far.example"}):
        (found,) = api.get("/trace/", **query)[1]["results"]
        assert found["queue_id"] == "3ABCDEFGHIJK"

    _, timeline = api.get("/trace/3ABCDEFGHIJK/")
    assert [event["kind"] for event in timeline["events"]] == ["accepted", "delivered"]
    assert timeline["summary"]["client_address"] == "192.0.2.7"


def test_pages_follow_a_cursor(api):
    for number in range(5):
        an_event("refused", minutes_ago=number, session_id=f"S{number}", sender=f"{number}@x.example")

    seen, cursor = [], None
    while True:
        _, page = api.get("/trace/", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [row["sender"] for row in page["results"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == [f"{number}@x.example" for number in range(5)]


@pytest.mark.parametrize(
    "query",
    [
        {"client": "x"}, {"outcome": "x"}, {"since": "yesterday"}, {"cursor": "x"}, {"limit": 0}, {"limit": 10**6},
        {"sender": "a" * 400},
    ],
)  # fmt: skip
def test_what_cannot_be_searched_for(api, query):
    api.get("/trace/", **query)

    assert_problem(api.response, 400, next(iter(query)))


def test_what_is_not_known(api):
    for path in ("/trace/NOSUCHMESSAGE/", "/trace/sessions/nothing/"):
        api.get(path)
        assert_problem(api.response, 404)


@pytest.mark.parametrize(
    "moment", ["0255-05-23T15:17:50+23:38", "9999-12-31T23:59:59-23:00", "0001-01-01T00:00:00+14:00"]
)
def test_moments_beyond_the_database_are_the_client_s_mistake(api, moment):
    status, _ = api.get("/trace/", since=moment)

    assert status in (200, 400)
