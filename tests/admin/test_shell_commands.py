"""mailq, postconf and newaliases as management commands: what they print and change."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from mailadmin.audit.models import AuditEntry
from mailadmin.directory.models import Account, Alias, Domain
from mailadmin.mailqueue.models import QueueMessage, QueueRecipient
from mailadmin.transport.models import RelayHost, ServerSettings, TransportRule

pytestmark = pytest.mark.django_db
ARRIVED = datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def queued() -> QueueMessage:
    message = QueueMessage.objects.create(
        queue_id="0dZKmMqtz718yg",
        sender="alice@example.org",
        size=2048,
        received_at=ARRIVED,
        expires_at=ARRIVED + timedelta(days=5),
    )
    for number, address in enumerate(["bob@remote.example", "carol@remote.example"]):
        QueueRecipient.objects.create(
            message=message,
            address=address,
            original=address,
            destination="remote.example",
            next_attempt_at=ARRIVED,
            last_reply="connect to remote.example: refused" if number == 0 else "",
        )
    return message


def test_mailq_looks_like_postqueue(queued):
    lines = run("mailq").splitlines()

    assert lines[0].startswith("-Queue ID-")
    assert lines[1].startswith("0dZKmMqtz718yg ")
    assert lines[1].endswith("  alice@example.org")
    assert " 2048 " in lines[1]
    assert "(connect to remote.example: refused)" in run("mailq")
    assert lines[-1] == "-- 2 Kbytes in 1 Request."


def test_mailq_writes_what_postqueue_writes(queued):
    later = QueueMessage.objects.create(
        queue_id="1aZKmMqtz718yg", sender="", size=100, received_at=ARRIVED + timedelta(days=3),
        expires_at=ARRIVED + timedelta(days=5),
    )  # fmt: skip
    for address, reply in (("d@x.example", "451 later"), ("e@x.example", "450 no"), ("f@x.example", "451 later")):
        QueueRecipient.objects.create(
            message=later, address=address, original=address, destination="x.example", next_attempt_at=ARRIVED,
            last_reply=reply,
        )  # fmt: skip

    assert run("mailq") == (
        "-Queue ID-        --Size-- ----Arrival Time---- -Sender/Recipient-------\n"
        "0dZKmMqtz718yg        2048 Sun Nov 22 15:04:05   alice@example.org\n"
        f"{'':<49}carol@remote.example\n"
        f"{'(connect to remote.example: refused)':>76}\n"
        f"{'':<49}bob@remote.example\n"
        "\n"
        "1aZKmMqtz718yg         100 Wed Nov 25 15:04:05   MAILER-DAEMON\n"
        f"{'(450 no)':>76}\n"
        f"{'':<49}e@x.example\n"
        f"{'(451 later)':>76}\n"
        f"{'':<49}d@x.example\n"
        f"{'':<49}f@x.example\n"
        "\n"
        "-- 3 Kbytes in 2 Requests.\n"
    )


def test_mailq_asks_once_however_long_the_queue_is(queued, django_assert_num_queries):
    for number in range(30):
        QueueMessage.objects.create(
            queue_id=f"n{number}", sender="a@example.org", size=1, received_at=ARRIVED, expires_at=ARRIVED
        )

    with django_assert_num_queries(1):
        assert run("mailq").endswith(" in 31 Requests.\n")


def test_mailq_as_json_has_the_fields_of_postqueue(queued):
    (line,) = run("mailq", "-j").splitlines()

    found = json.loads(line)
    assert found["queue_id"] == "0dZKmMqtz718yg"
    assert found["arrival_time"] == int(ARRIVED.timestamp())
    assert found["recipients"] == [
        {"address": "bob@remote.example", "delay_reason": "connect to remote.example: refused"},
        {"address": "carol@remote.example"},
    ]


@pytest.mark.parametrize(("state", "mark"), [("waiting", " "), ("held", "!")])
def test_mailq_marks_held_messages(queued, state, mark):
    queued.recipients.update(state=state)

    assert f"0dZKmMqtz718yg{mark}" in run("mailq")


def test_an_empty_queue_says_so():
    assert run("mailq") == "Mail queue is empty\n"


def test_postconf_speaks_postfix():
    Domain.objects.create(name="example.org", kind="local")
    Domain.objects.create(name="passed.example", kind="relay")
    relay = RelayHost.objects.create(host="smtp.provider.example", port=587, lookup_mx=False)
    ServerSettings.objects.filter(id=1).update(relayhost=relay, myhostname="mail.example.org")
    TransportRule.objects.create(match="special.example", direction="recipient", relayhost=relay)

    lines = run("postconf", "-n").splitlines()

    assert "relayhost = [smtp.provider.example]:587" in lines
    assert "virtual_mailbox_domains = example.org" in lines
    assert "relay_domains = passed.example" in lines
    assert "mynetworks = 127.0.0.0/8 [::1]/128" in lines
    assert "transport_maps = inline:{ {special.example = smtp:[smtp.provider.example]:587} }" in lines
    assert not [line for line in lines if line.endswith("=")]
    assert run("postconf", "-h", "myhostname") == "mail.example.org\n"


def test_postconf_says_whether_balancers_are_trusted():
    assert run("postconf", "-h", "smtpd_upstream_proxy_protocol") == "\n"

    ServerSettings.objects.update(haproxy_trusted_networks=["192.0.2.5/32"])

    assert run("postconf", "smtpd_upstream_proxy_protocol") == "smtpd_upstream_proxy_protocol = haproxy\n"


def test_postconf_does_not_know_everything():
    with pytest.raises(CommandError, match="no_such_parameter"):
        run("postconf", "no_such_parameter")


@pytest.fixture
def local_domain() -> Domain:
    domain = Domain.objects.create(name="example.org", kind="local")
    Account.objects.create_user("alice@example.org", "a password of hers")
    ServerSettings.objects.filter(id=1).update(mydomain="example.org")
    return domain


def test_an_import_makes_changes_and_records_aliases(local_domain, tmp_path):
    Alias.objects.create(domain=local_domain, address="sales@example.org", targets=["old@example.net"])
    file = tmp_path / "aliases"
    file.write_text("sales: alice, bob@example.net\nnew: alice\nself: self\n")

    printed = run("newaliases", "--import", str(file))

    assert "taken over into example.org" in printed
    assert Alias.objects.get(address="sales@example.org").targets == ["alice@example.org", "bob@example.net"]
    assert Alias.objects.get(address="new@example.org").targets == ["alice@example.org"]
    assert not Alias.objects.filter(address="self@example.org").exists()
    actions = set(AuditEntry.objects.filter(actor="shell (newaliases)").values_list("action", flat=True))
    assert actions == {"created", "changed"}


def test_a_dry_run_changes_nothing(local_domain, tmp_path):
    file = tmp_path / "aliases"
    file.write_text("new: alice\n")

    printed = run("newaliases", "--import", str(file), "--dry-run")

    assert "1 aliases would be taken over" in printed
    assert not Alias.objects.filter(address="new@example.org").exists()


def test_a_domain_that_is_not_local_is_refused(local_domain, tmp_path):
    with pytest.raises(CommandError, match=r"elsewhere\.example is not a local domain"):
        run("newaliases", "--import", str(tmp_path / "aliases"), "--domain", "elsewhere.example")


def test_a_line_without_a_name_is_said_once_and_makes_no_alias(local_domain, tmp_path):
    file = tmp_path / "aliases"
    file.write_text("new: alice\nalice@example.org\n")

    printed = run("newaliases", "--import", str(file))

    assert printed.splitlines() == [
        f"{file}:2: alice@example.org: no name before a colon",
        "1 aliases taken over into example.org, 1 lines need a look.",
    ]
    assert not Alias.objects.filter(address="@example.org").exists()
