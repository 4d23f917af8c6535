"""The message trace: every event is found by what is known of it, once per message, page by page."""

import html
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from mailadmin.database import raw_connection
from mailadmin.trace import queries
from mailadmin.trace.criteria import Criteria, read_anything
from mailadmin.trace.models import TraceEvent
from mailadmin.trace.presenters import KINDS, lines
from mailadmin.trace.retention import forget_before, make_partitions
from mailcore.maillog import event
from mailcore.maillog.record import store
from tests.admin.panel_support import errors_of, text_of
from tests.admin.queue_support import queued

pytestmark = pytest.mark.django_db
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ID, REPORT = "4KTRACED00001", "4KREPORT00001"
SESSION = {"session_id": "S1", "client_address": "192.0.2.7", "client_name": "mx.far.example"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def a_whole_life() -> list[event.Event]:
    """Refused once, accepted, expanded, delivered, deferred, bounced, reported."""
    sender = "ann@far.example"
    attempt = {"queue_id": ID, "recipient": "x@gone.example", "relay": "mx.gone.example[192.0.2.9]:25"}
    return [
        event.Connected(at=at(0), **SESSION),
        event.Refused(
            at=at(1), sender=sender, recipient="typo@linuxadmin.dev", rule="refuse_unknown_user",
            reply="550 5.1.1 user unknown", stage="RCPT", helo="mx.far.example", **SESSION,
        ),
        event.Accepted(
            at=at(2), queue_id=ID, sender=sender, recipients=("sales@linuxadmin.dev", "bob@linuxadmin.dev"), size=4321,
            message_id="<1@far.example>", tls="TLSv1.3 X", **SESSION,
        ),
        event.Expanded(
            at=at(3), queue_id=ID, recipient="sales@linuxadmin.dev", targets=("alice@linuxadmin.dev", "x@gone.example")
        ),
        event.DeliveredLocally(
            at=at(4), queue_id=ID, recipient="alice@linuxadmin.dev", original="sales@linuxadmin.dev"
        ),
        event.DeferredAttempt(at=at(5), reply="450 4.2.0 later", next_attempt_at=at(300), **attempt),
        event.Bounced(at=at(600), reply="550 5.1.1 no such user here", rule="permanent", tls="TLSv1.2 Y", **attempt),
        event.ReportSent(at=at(601), queue_id=ID, report_queue_id=REPORT, recipient=sender),
        event.Removed(at=at(602), queue_id=ID),
        event.Accepted(at=at(601), queue_id=REPORT, sender="", recipients=(sender,), message_id="<2@linuxadmin.dev>"),
    ]  # fmt: skip


@pytest.fixture
def life(db):
    store(raw_connection(), a_whole_life())


def found(**criteria):
    page = queries.search(raw_connection(), Criteria(**criteria))
    return [(message.queue_id, message.state) for message in page.messages]


@pytest.mark.parametrize(
    "criteria",
    [
        {"queue_id": ID},
        {"message_id": "<1@far.example>"},
        {"message_id": "1@far.example"},
        {"recipient": "Sales@LinuxAdmin.dev"},
        {"recipient": "alice@linuxadmin.dev"},
        {"recipient": "x@gone.example"},
        {"recipient": "@gone.example"},
        {"outcome": "bounced"},
        {"outcome": "deferred"},
        {"outcome": "delivered"},
        {"sender": "ann@far.example", "recipient": "alice@linuxadmin.dev"},
        {"client": "192.0.2.7", "recipient": "x@gone.example"},
        {"client": "192.0.2.0/24", "outcome": "bounced"},
        {"message_id": "<1@far.example>", "outcome": "deferred", "sender": "@far.example"},
    ],
)
def test_a_message_is_found_once_by_anything_known_of_it(life, criteria):
    assert found(**criteria) == [(ID, "bounced")]


@pytest.mark.parametrize(
    "criteria",
    [
        {"sender": "ann@far.example", "recipient": "nobody@linuxadmin.dev"},
        {"queue_id": "4KOTHER000001"},
        {"recipient": "%@linuxadmin.dev"},
        {"sender": "@ar.example"},
        {"client": "192.0.2.8"},
        {"client": "2001:db8::/32"},
        {"queue_id": ID, "until": at(0)},
        {"queue_id": ID, "since": at(9999)},
    ],
)
def test_what_does_not_match_is_not_found(life, criteria):
    assert found(**criteria) == []


def test_mail_refused_before_data_is_found_with_its_rule(life):
    (message,) = queries.search(raw_connection(), Criteria(recipient="typo@linuxadmin.dev")).messages

    assert (message.queue_id, message.state, message.event.rule) == ("", "refused", "refuse_unknown_user")
    assert message.event.reply == "550 5.1.1 user unknown"


def test_time_range_counts_for_the_event_that_matches(life):
    assert found(queue_id=ID, since=at(0), until=at(10)) == [(ID, "bounced")]
    assert found(recipient="alice@linuxadmin.dev", since=at(5)) == []


def test_message_still_in_the_queue_is_deferred_not_done():
    message = queued("x@far.example")
    store(raw_connection(), [
        event.Accepted(queue_id=message.queue_id, sender="a@b.example", recipients=("x@far.example",)),
        event.DeferredAttempt(queue_id=message.queue_id, recipient="x@far.example", reply="450 later"),
    ])  # fmt: skip

    assert found(queue_id=message.queue_id) == [(message.queue_id, "deferred")]


def test_message_that_an_administrator_deleted_says_so():
    store(raw_connection(), [
        event.Accepted(queue_id="4KDELETED0001", sender="a@b.example", recipients=("x@far.example",)),
        event.QueueAction(queue_id="4KDELETED0001", action="delete", by="admin@linuxadmin.dev"),
    ])  # fmt: skip

    assert found(queue_id="4KDELETED0001") == [("4KDELETED0001", "deleted")]


def test_search_pages_through_everything_once():
    events = []
    for number in range(23):
        queue_id = f"4KPAGE{number:07d}"
        both = ("x@c.example", "y@c.example")
        events += [
            event.Accepted(at=at(number // 3), queue_id=queue_id, sender="a@b.example", recipients=both),
            event.Relayed(at=at(number // 3 + 5), queue_id=queue_id, recipient="x@c.example"),
        ]
    store(raw_connection(), events)

    seen, cursor = [], None
    for _ in range(10):
        page = queries.search(raw_connection(), Criteria(recipient="x@c.example"), cursor=cursor, limit=5)
        seen += [message.queue_id for message in page.messages]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert len(seen) == 23
    assert len(set(seen)) == 23
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "MjAyNi0wMS0wMVQwMDowMDowMHwx", "4pyT"])
def test_a_forged_cursor_is_refused(panel, cursor):
    with pytest.raises(queries.CursorInvalid):
        queries.read_cursor(cursor)
    if cursor:
        assert panel.get("/admin/trace/", {"cursor": cursor}).status_code == 404


@pytest.mark.parametrize(
    ("typed", "criteria"),
    [
        (" 192.0.2.1 ", Criteria(client="192.0.2.1")),
        ("2001:db8::/32", Criteria(client="2001:db8::/32")),
        ("4KTRACED00001", Criteria(queue_id="4KTRACED00001")),
        ("a@b.example", Criteria(anything="a@b.example")),
        ("<a@b.example>", Criteria(message_id="<a@b.example>")),
        ("12345", Criteria(message_id="12345")),
        ("", Criteria()),
    ],
)
def test_quick_search_guesses_what_it_was_given(typed, criteria):
    assert read_anything(typed) == criteria


def test_timeline_tells_the_whole_story_in_order(life):
    timeline = queries.timeline(raw_connection(), ID)

    assert [happened.kind for happened in timeline.events] == [
        "connected", "refused", "accepted", "expanded", "delivered", "deferred", "bounced", "report", "removed",
    ]  # fmt: skip
    assert timeline.summary.recipient_count == 2
    assert timeline.summary.counts == {"delivered": 1, "relayed": 0, "deferred": 1, "bounced": 1}


def test_report_and_message_point_at_each_other(life):
    assert queries.timeline(raw_connection(), REPORT).report_of == ID
    (report,) = [line for line in lines(queries.timeline(raw_connection(), ID).events) if line.link_queue_id]
    assert report.link_queue_id == REPORT


def test_earlier_messages_of_the_session_stay_out_of_the_timeline(life):
    store(raw_connection(), [
        event.Refused(at=at(20), recipient="z@linuxadmin.dev", rule="r", reply="550 no", **SESSION),
        event.Accepted(at=at(21), queue_id="4KSECOND00001", recipients=("bob@linuxadmin.dev",), **SESSION),
    ])  # fmt: skip

    second = queries.timeline(raw_connection(), "4KSECOND00001")

    assert [(happened.kind, happened.recipient) for happened in second.events] == [
        ("connected", ""),
        ("refused", "z@linuxadmin.dev"),
        ("accepted", "bob@linuxadmin.dev"),
    ]


def test_message_page_in_words(panel, life):
    page = text_of(panel.get(f"/admin/trace/message/{ID}/"))

    assert f"Message {ID} bounced" in page
    assert "sales@linuxadmin.dev was expanded 2026-11-20 12:00:03 Stands for alice@linuxadmin.dev, x@gone." in page
    assert "Remote host mx.gone.example[192.0.2.9]:25 TLS TLSv1.2 Y Reply 550 5.1.1 no such user here" in page
    assert "Rule refuse_unknown_user Reply 550 5.1.1 user unknown" in page
    assert f"Report {REPORT}" in page
    assert f"Report about {ID}" in text_of(panel.get(f"/admin/trace/message/{REPORT}/"))


def test_session_page_shows_what_was_refused(panel, life):
    page = text_of(panel.get("/admin/trace/session/S1/"))

    assert "Client connected" in page
    assert "Stage RCPT Rule refuse_unknown_user Reply 550 5.1.1 user unknown" in page
    assert "Client mx.far.example[192.0.2.7]" in page


def test_pages_of_unknown_things_do_not_exist(panel):
    assert panel.get("/admin/trace/message/4KNOTHING0001/").status_code == 404
    assert panel.get("/admin/trace/session/none/").status_code == 404
    assert "no event of this message yet" in text_of(panel.get("/admin/trace/message/4KNOTHING0001/events/"))


def test_every_kind_of_event_can_be_told():
    kinds = {cls.kind for cls in event.Event.__subclasses__() + event.Attempt.__subclasses__() if cls.kind}

    assert kinds <= set(KINDS)


def test_an_event_of_a_kind_not_known_yet_is_still_shown(panel):
    TraceEvent.objects.create(at=timezone.now(), kind="quarantined", queue_id="4KSTRANGE0001", reply="why not")

    assert "quarantined" in text_of(panel.get("/admin/trace/message/4KSTRANGE0001/"))


def test_search_page_finds_and_links(panel, life):
    page = panel.get("/admin/trace/", {"q": "alice@linuxadmin.dev"})
    assert f"/admin/trace/message/{ID}/" in page.content.decode()

    page = panel.get("/admin/trace/", {"outcome": "refused"})
    assert "/admin/trace/session/S1/" in page.content.decode()
    assert "550 5.1.1 user unknown" in text_of(page)


def test_search_page_leads_to_older_mail(panel):
    store(raw_connection(), [
        event.Accepted(at=at(number), queue_id=f"4KMANY{number:07d}", sender="a@b.example", recipients=("x@c.example",))
        for number in range(60)
    ])  # fmt: skip

    first = panel.get("/admin/trace/", {"sender": "a@b.example"})
    link = first.content.decode().split('rel="next" href="')[1].split('"')[0]
    older = panel.get("/admin/trace/" + html.unescape(link))

    assert "4KMANY0000059" in text_of(first) and "4KMANY0000009" not in text_of(first)
    assert "4KMANY0000009" in text_of(older) and "4KMANY0000059" not in text_of(older)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"client": "somewhere"}, "client"),
        ({"outcome": "lost"}, "outcome"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-02T00:00", "until": "2026-11-01T00:00"}, "until"),
    ],
)
def test_search_form_complains_beside_the_field(panel, fields, field):
    assert field in errors_of(panel.get("/admin/trace/", fields))


def test_hostile_text_in_the_trace_is_only_text(panel):
    store(raw_connection(), [
        event.Refused(
            client_address="192.0.2.1", session_id="S9", sender="<script>x</script>@e", rule="r", reply="550 <b>no</b>"
        )
    ])  # fmt: skip

    page = panel.get("/admin/trace/").content.decode()

    assert "<script>x" not in page and "<b>no" not in page


WEEK = timedelta(weeks=1)


def removed_at(moment: datetime, queue_id: str) -> event.Event:
    return event.Removed(at=moment, queue_id=queue_id)


def traced_ids() -> set[str]:
    return set(TraceEvent.objects.values_list("queue_id", flat=True))


def partitions() -> set[str]:
    found = raw_connection().execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'trace_event'::regclass"
    )
    return {name for (name,) in found}


def test_weeks_that_are_over_are_dropped_whole(panel):
    now = datetime(2031, 3, 12, 10, tzinfo=UTC)
    make_partitions(raw_connection(), now)
    store(raw_connection(), [removed_at(now - timedelta(hours=1), "4KTHISWEEK"), removed_at(now + WEEK, "4KNEXTWEEK")])

    dropped = forget_before(raw_connection(), now + WEEK)

    assert dropped >= 1 and traced_ids() == {"4KNEXTWEEK"}
    assert "trace_event_20310310" not in partitions() and "trace_event_20310317" in partitions()


def test_a_week_is_kept_until_all_of_it_is_too_old(panel):
    now = datetime(2031, 3, 12, 10, tzinfo=UTC)
    make_partitions(raw_connection(), now)
    store(raw_connection(), [removed_at(now, "4KMONDAYS")])

    forget_before(raw_connection(), datetime(2031, 3, 16, 23, 59, tzinfo=UTC))

    assert traced_ids() == {"4KMONDAYS"}


def test_events_of_a_week_without_a_partition_are_kept_found_and_moved_when_it_gets_one(panel):
    now = datetime(2032, 6, 2, tzinfo=UTC)
    store(raw_connection(), [removed_at(now, "4KTOOEARLY000"), removed_at(now - 52 * WEEK, "4KANCIENT0000")])
    assert panel.get("/admin/trace/message/4KTOOEARLY000/").status_code == 200

    make_partitions(raw_connection(), now)

    where = "SELECT tableoid::regclass::text FROM trace_event WHERE queue_id = %s"
    assert raw_connection().execute(where, ["4KTOOEARLY000"]).fetchone() == ("trace_event_20320531",)
    assert raw_connection().execute(where, ["4KANCIENT0000"]).fetchone() == ("trace_event_default",)
    forget_before(raw_connection(), now - WEEK)
    assert traced_ids() == {"4KTOOEARLY000"}


def test_partitions_are_made_once(panel):
    now = datetime(2033, 1, 1, tzinfo=UTC)

    assert make_partitions(raw_connection(), now) == 3
    assert make_partitions(raw_connection(), now) == 0


@pytest.mark.parametrize("typed", ["ann@sender.example", "ANN@Sender.Example", "@sender.example", "@SENDER.example"])
def test_addresses_are_found_however_they_are_capitalised(panel, typed):
    store(
        raw_connection(),
        [event.Accepted(queue_id="4KCAPITALS000", sender="Ann@Sender.EXAMPLE", recipients=("b@x.example",))],
    )

    assert "4KCAPITALS000" in panel.get("/admin/trace/", {"sender": typed}).content.decode()


@pytest.mark.parametrize("typed", ["@er.example", "@ender.example", "@%.example", "@sender_example"])
def test_a_domain_is_found_whole_only(panel, typed):
    store(
        raw_connection(),
        [event.Accepted(queue_id="4KWHOLE000000", sender="ann@sender.example", recipients=("b@x.example",))],
    )

    assert "4KWHOLE000000" not in panel.get("/admin/trace/", {"sender": typed}).content.decode()
