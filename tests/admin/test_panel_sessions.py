"""Connected clients in the panel, on the account's page and in the API: who is there, and how they are ended."""

import json
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailadmin.audit.models import AuditEntry
from mailadmin.mailboxes.models import Mailbox
from mailadmin.status.models import ClientSession, ProcessStatus
from mailadmin.status.sessions import end_sessions
from tests.admin.api_support import ApiClient, assert_problem
from tests.admin.panel_support import messages_of, text_of

pytestmark = pytest.mark.django_db
LIST = "/admin/status/clientsession/"
MANY = """
INSERT INTO client_session (host, pid, number, protocol, account_id, client_address, client_id, tls, since, mailbox,
                            idle_since, end_wanted)
SELECT 'box', 1, n, CASE WHEN n %% 9 = 0 THEN 'pop3' ELSE 'imap' END, %s, '192.0.2.1', 'Mutt ' || n %% 100, true,
       now() - n * interval '1 minute', 'INBOX', now() - n * interval '1 second', ''
FROM generate_series(1, %s) n
"""


@pytest.fixture
def process():
    return a_process(1)


def a_process(pid, *, seen_s=1.0):
    now = timezone.now()
    return ProcessStatus.objects.create(
        role="accessd", pid=pid, host="box", started_at=now, seen_at=now - timedelta(seconds=seen_s)
    )


def a_session(account, number, *, pid=1, idle_s=None, **fields):
    now = timezone.now()
    values = {"protocol": "imap", "client_address": "192.0.2.1", "client_id": "Mutt 2.2", "tls": True}
    values |= {"since": now - timedelta(minutes=number), "mailbox": "INBOX"}
    idle_since = None if idle_s is None else now - timedelta(seconds=idle_s)
    return ClientSession.objects.create(
        host="box", pid=pid, number=number, account=account, idle_since=idle_since, **{**values, **fields}
    )


def test_the_list_says_who_is_connected_from_where_with_what_since_when_and_how_idle(panel, alice, process):
    a_session(alice, 90, idle_s=7650, client_address="2001:db8::7", client_id="Thunderbird 115.3")
    a_session(alice, 120, protocol="pop3", tls=False, client_id="")

    text = text_of(panel.get(LIST))

    assert "alice@linuxadmin.dev IMAP TLS Thunderbird 115.3 2001:db8::7 INBOX 1 h 30 min 2 h 7 min" in text
    assert "alice@linuxadmin.dev POP3 no TLS does not say 192.0.2.1 INBOX 2 h active" in text


def test_sessions_of_a_process_that_is_silent_are_not_shown(panel, alice, process):
    a_process(2, seen_s=60)
    a_session(alice, 1)
    a_session(alice, 2, pid=2, client_id="Ghost")

    assert "Ghost" not in text_of(panel.get(LIST))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("protocol=pop3", ["POP"]),
        ("protocol=xmpp", ["Mutt", "POP", "Thunderbird"]),
        ("client_id=192.0.2.9", ["Thunderbird"]),
        ("client_id=thunder", ["Thunderbird"]),
        ("client_id=2001:db8::1", []),
        ("account=admin@linuxadmin.dev", ["Mutt"]),
        ("account=nobody", []),
        ("q=alice+pop", ["POP"]),
        ("q=archive", ["Mutt"]),
        ("q=192.0.2.9", ["Thunderbird"]),
        ("q=192.0.2", ["Mutt", "POP", "Thunderbird"]),
        ("q=alice+2001:db8", []),
        ("q=19", ["Mutt", "POP", "Thunderbird"]),
    ],
)
def test_the_list_is_filtered_by_account_client_and_protocol(panel, administrator, alice, process, query, shown):
    a_session(administrator, 1, client_id="Mutt", mailbox="Archive")
    a_session(alice, 2, client_id="POP", protocol="pop3")
    a_session(alice, 3, client_id="Thunderbird", client_address="192.0.2.9")

    rows = panel.get(f"{LIST}?{query}").context["cl"].result_list

    assert sorted(session.client_id for session in rows) == shown


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("192.0.2.9", ["Thunderbird"]),
        ("192.0.2", ["Mutt", "POP", "Thunderbird"]),
        ("ALICE 192.0.2.1", ["POP"]),
        ("archive", ["Mutt"]),
        ("alice 2001:db8", []),
    ],
)
def test_the_api_searches_what_the_list_searches(panel, administrator, alice, process, words, found):
    a_session(administrator, 1, client_id="Mutt", mailbox="Archive")
    a_session(alice, 2, client_id="POP", protocol="pop3")
    a_session(alice, 3, client_id="Thunderbird", client_address="192.0.2.9")

    listed = ApiClient("sessions:read").get("/sessions/", search=words)[1]["results"]

    assert sorted(session["client_id"] for session in listed) == found
    rows = panel.get(LIST, {"q": words}).context["cl"].result_list
    assert sorted(session.client_id for session in rows) == found


def test_a_page_of_ten_thousand_sessions_costs_no_more_than_one_of_a_hundred(panel, alice, process):
    few = the_cost_of_a_page(panel, alice, 100)
    many = the_cost_of_a_page(panel, alice, 10_000)

    assert many.statements == few.statements
    # Of the 300 ms that a page may take most is for making fifty lines of HTML out of whatever there is. Time of our
    # own and pages of the table are counted, not seconds of the clock: the machine may be busy with something else.
    assert many.cpu_s - few.cpu_s < 0.1
    assert many.table_pages < 500


def the_cost_of_a_page(panel, account, sessions):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE client_session")
        cursor.execute(MANY, [account.pk, sessions])
        cursor.execute("ANALYZE client_session")
    return min((measured(panel) for _ in range(3)), key=lambda cost: cost.cpu_s)


def measured(panel):
    begun = time.thread_time()
    with CaptureQueriesContext(connection) as found:
        assert len(panel.get(LIST).context["cl"].result_list) == 50
    return SimpleNamespace(
        statements=len(found),
        cpu_s=time.thread_time() - begun,
        table_pages=sum(pages_read(query["sql"]) for query in found if "client_session" in query["sql"]),
    )


def pages_read(statement):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0]
    return (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]["Shared Hit Blocks"]


def test_chosen_sessions_are_ended_with_a_line_in_the_audit_log_for_each_account(panel, administrator, alice, process):
    chosen = [a_session(alice, 1), a_session(alice, 2), a_session(administrator, 3)]
    other = a_session(alice, 4)

    response = panel.post(LIST, {"action": "end", "_selected_action": [session.pk for session in chosen]})

    assert "3 sessions will be ended within three seconds." in messages_of(response)
    wanted = {session.pk: session.end_wanted for session in ClientSession.objects.all()}
    assert wanted == {other.pk: "", **{session.pk: "Ended by the administrator" for session in chosen}}
    lines = AuditEntry.objects.order_by("object_key").values_list(
        "actor", "action", "object_type", "object_key", "changes"
    )
    assert list(lines) == [
        ("admin@linuxadmin.dev", "did", "connected client", "admin@linuxadmin.dev", {"action": "end", "sessions": 1}),
        ("admin@linuxadmin.dev", "did", "connected client", "alice@linuxadmin.dev", {"action": "end", "sessions": 2}),
    ]
    assert "is being ended" in text_of(panel.get(LIST))


def test_nothing_else_can_be_done_to_a_session(panel, alice, process):
    session = a_session(alice, 1)

    assert "delete_selected" not in panel.get(LIST).content.decode()
    panel.post(LIST, {"action": "delete_selected", "_selected_action": [session.pk], "post": "yes"})
    assert panel.post(f"{LIST}{session.pk}/delete/", {"post": "yes"}).status_code == 403
    assert panel.get(f"{LIST}add/").status_code == 403
    assert panel.get(f"{LIST}{session.pk}/change/").headers["Location"] == LIST
    assert ClientSession.objects.count() == 1


def test_the_page_of_an_account_shows_mailboxes_quota_and_sessions_and_ends_them_all(panel, alice, process):
    alice.quota_bytes, alice.quota_messages = 10 * 1024 * 1024, 40
    alice.save()
    Mailbox.objects.create(account=alice, name="INBOX", uidvalidity=1, messages=8, unseen=3, size=5 * 1024 * 1024)
    Mailbox.objects.create(account=alice, name="Sent", uidvalidity=1, messages=2, special_use="\\Sent")
    a_session(alice, 420, client_id="Mutt 2.2")
    url = reverse("admin:directory_account_change", args=[alice.pk])

    text = text_of(panel.get(url))

    assert "Mailboxes 10 messages, 5 MB" in text
    assert "Storage 5 MB of 10 MB · 50 %" in text
    assert "Messages 10 of 40 · 25 %" in text
    assert "INBOX 8 3 5 MB –" in text
    assert "IMAP TLS Mutt 2.2 192.0.2.1 INBOX 7 h active" in text

    end = reverse("admin:status_clientsession_end", args=[alice.pk])
    assert panel.get(end).status_code == 405
    response = panel.post(end)

    assert response.headers["Location"] == url
    assert "1 session will be ended" in messages_of(response)
    assert ClientSession.objects.get().end_wanted == "Ended by the administrator"
    assert AuditEntry.objects.get(object_type="connected client").object_key == "alice@linuxadmin.dev"


def test_metrics_count_the_sessions_by_protocol(panel, alice, process):
    a_process(2, seen_s=60)
    for number, fields in enumerate(({}, {}, {"pid": 2})):
        a_session(alice, number, **fields)

    page = panel.get("/metrics").content.decode()

    assert 'mailkeep_sessions{protocol="imap"} 2.0' in page
    assert 'mailkeep_sessions{protocol="pop3"} 0.0' in page


def test_sessions_of_one_app_password_are_ended_and_no_others(alice, process):
    own, device = a_session(alice, 1), a_session(alice, 2, app_password_id=77)

    assert end_sessions(alice.pk, app_password_id=77) == 1
    assert end_sessions(alice.pk, app_password_id=78) == 0

    own.refresh_from_db()
    device.refresh_from_db()
    assert (own.end_wanted, device.end_wanted) == ("", "App password revoked")


def test_the_api_lists_sessions_and_ends_them(alice, administrator, process):
    first, second = a_session(alice, 1, idle_s=60), a_session(administrator, 2)
    api = ApiClient("sessions:write")

    status, body = api.get("/sessions/", account="ALICE@linuxadmin.dev")
    assert status == 200
    (listed,) = body["results"]
    assert (listed["account"], listed["client_id"], listed["mailbox"]) == ("alice@linuxadmin.dev", "Mutt 2.2", "INBOX")
    assert listed["ending"] is False and listed["idle_since"] is not None

    assert api.delete(f"/sessions/{first.pk}/")[0] == 204
    assert api.get(f"/sessions/{first.pk}/")[1]["ending"] is True
    assert api.post("/sessions/end/", {"account": "admin@linuxadmin.dev"}) == (200, {"sessions": 1})
    second.refresh_from_db()
    assert second.end_wanted == "Ended by the administrator"
    assert [line.actor for line in AuditEntry.objects.filter(object_type="connected client")] == [
        "token test sessions:write"
    ] * 2


def test_the_api_refuses_what_is_not_there_or_not_allowed(alice, process):
    session = a_session(alice, 1)
    api, reader = ApiClient("sessions:write"), ApiClient("sessions:read")

    api.post("/sessions/end/", {"account": "nobody@linuxadmin.dev"})
    assert_problem(api.response, 404)
    api.delete("/sessions/999999/")
    assert_problem(api.response, 404)
    api.post("/sessions/end/", {})
    assert_problem(api.response, 400, "account")
    assert reader.get("/sessions/")[0] == 200
    assert reader.delete(f"/sessions/{session.pk}/")[0] == 403
