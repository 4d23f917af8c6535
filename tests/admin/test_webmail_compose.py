"""Writing: what reaches the maildrop, the copy in Sent, and replies."""

import email
import json
from email import policy
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from mailadmin.directory.models import Alias
from mailadmin.transport.models import ServerSettings
from mailcore.index.records import ANSWERED
from tests.admin.webmail_support import a_message, a_reader

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(settings, mail_home: Path, redis_url):
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    return a_reader("alice@linuxadmin.dev", mail_home, display_name="Alice Liddell")


@pytest.fixture
def left(mail_home: Path):
    """What lies in the maildrop: (envelope, message)."""

    def read():
        (path,) = (mail_home / "maildrop" / "new").iterdir()
        head, _, content = path.read_bytes().partition(b"\n")
        return json.loads(head), email.message_from_bytes(content, policy=policy.SMTP)

    return read


def write(reader, query: str = "", **fields):
    form = {"to": "bob@far.example", "subject": "Hi", "text": "x", **fields}
    return reader.client.post(f"/mail/compose/{query}", form)


def nothing_left(mail_home: Path) -> bool:
    return not any(path.is_file() for path in (mail_home / "maildrop").rglob("*"))


def test_a_message_is_left_for_the_mta_and_kept_in_sent(alice, left):
    response = write(
        alice, to="Böb <bob@far.example>; carol@far.example", cc="dan@far.example", bcc="eve@far.example",
        subject="Grüße", text="Hallo,\r\nwie geht es?",
    )  # fmt: skip
    envelope, message = left()

    assert response.headers["Location"] == "/mail/"
    assert envelope["sender"] == "alice@linuxadmin.dev"
    assert envelope["recipients"] == ["bob@far.example", "carol@far.example", "dan@far.example", "eve@far.example"]
    assert message["From"] == "Alice Liddell <alice@linuxadmin.dev>"
    assert message["To"] == "Böb <bob@far.example>, carol@far.example" and message["Subject"] == "Grüße"
    assert message["Bcc"] is None and "eve" not in message.as_string()
    assert message["Message-ID"] and message["Date"]
    assert message.get_content() == "Hallo,\r\nwie geht es?\r\n" or message.get_content() == "Hallo,\nwie geht es?\n"
    page = alice.page(alice.list_url("Sent"))
    assert "Grüße" in page and "Böb" in page and "unread" not in page.partition('class="rows"')[2].partition("</ul>")[0]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"to": ""}, "To whom?"),
        ({"to": "nonsense"}, "nonsense"),
        ({"cc": "a b@x"}, "problem"),
        ({"bcc": "@"}, "problem"),
        ({"to": ", ".join(f"p{n}@x.example" for n in range(101))}, "At most"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_written_stays(alice, mail_home, fields, field):
    response = write(alice, text="all my words", **fields)
    page = response.content.decode()

    assert response.status_code == 400
    assert field in page and "all my words" in page
    assert nothing_left(mail_home)


def test_nobody_writes_as_somebody_else(alice, left):
    write(alice, sender="boss@linuxadmin.dev")

    assert left()[0]["sender"] == "alice@linuxadmin.dev"


def test_as_an_alias_that_leads_here(alice, left):
    Alias.objects.create(address="sales@linuxadmin.dev", domain_id="linuxadmin.dev", targets=["alice@linuxadmin.dev"])
    assert "sales@linuxadmin.dev" in alice.page("/mail/compose/")
    write(alice, sender="sales@linuxadmin.dev")

    assert left()[0]["sender"] == "sales@linuxadmin.dev"


def test_line_breaks_cannot_make_header_fields(alice, left):
    evil = '"A\r\nX-Evil: 1" <bob@far.example>'
    write(alice, subject="x\r\nBcc: spy@evil.example", to=evil, in_reply_to="<a>\nX-E: 2")
    _, message = left()

    assert {name.lower() for name, _ in message.items()} <= {
        "date", "from", "to", "subject", "message-id", "in-reply-to", "mime-version", "content-type",
        "content-transfer-encoding",
    }  # fmt: skip


def test_files(alice, left):
    files = [SimpleUploadedFile("übersicht.pdf", b"%PDF"), SimpleUploadedFile("x", b"\x00\xff")]
    write(alice, files=files)
    _, message = left()

    assert [(part.get_filename(), part.get_content()) for part in message.iter_attachments()] == [
        ("übersicht.pdf", b"%PDF"),
        ("x", b"\x00\xff"),
    ]


def test_files_that_are_too_large(alice, mail_home):
    ServerSettings.objects.update_or_create(
        id=1, defaults={"myhostname": "mx.example", "mydomain": "example", "myorigin": "x", "message_size_limit": 70000}
    )
    response = write(alice, files=[SimpleUploadedFile("big", b"x" * 60000)])

    assert response.status_code == 400 and nothing_left(mail_home)


def original(alice, **headers) -> str:
    text = a_message("Re: Plan", "first\n> second", To="alice@linuxadmin.dev, Carol <carol@far.example>", **headers)
    uid = alice.receive(text)
    return f"?mailbox={alice.mailbox().pk}&uid={uid}"


def test_a_reply(alice, left):
    query = original(alice, References="<0@far.example>")
    page = alice.page(f"/mail/compose/{query}&mode=reply")

    assert 'value="Re: Plan"' in page and 'value="Ann Example &lt;ann@far.example&gt;"' in page
    assert "&gt; first\n&gt;&gt; second" in page and "carol" not in page
    write(alice, f"{query}&mode=reply", in_reply_to="<1@far.example>", references="<0@far.example> <1@far.example>")
    _, message = left()
    assert message["In-Reply-To"] == "<1@far.example>"
    assert message["References"] == "<0@far.example> <1@far.example>"
    assert alice.flags(1) & ANSWERED


def test_a_reply_to_all_leaves_oneself_out(alice):
    page = alice.page(f"/mail/compose/{original(alice)}&mode=all")

    assert 'name="cc" value="Carol &lt;carol@far.example&gt;"' in page


def test_a_reply_goes_where_the_sender_wants_it(alice):
    query = original(alice, Reply_To="list@far.example")

    assert 'name="to" value="list@far.example"' in alice.page(f"/mail/compose/{query}&mode=reply")


def test_a_forwarded_message_is_attached(alice, left):
    query = original(alice)
    assert 'value="Fwd: Plan"' in alice.page(f"/mail/compose/{query}&mode=forward")
    write(alice, f"{query}&mode=forward")
    _, message = left()

    (attached,) = message.iter_attachments()
    assert attached.get_content_type() == "message/rfc822"
    assert attached.get_content()["Subject"] == "Re: Plan"
    assert attached["Content-Transfer-Encoding"] == "8bit"


def test_nobody_answers_other_people_s_mail(alice, mail_home):
    bob = a_reader("bob@linuxadmin.dev", mail_home)
    uid = bob.receive(a_message())

    assert alice.client.get(f"/mail/compose/?mailbox={bob.mailbox().pk}&uid={uid}&mode=reply").status_code == 404
    assert write(alice, f"?mailbox={bob.mailbox().pk}&uid={uid}&mode=forward").status_code == 404


def test_an_account_that_may_not_send(alice, mail_home):
    alice.account.allow_smtp = False
    alice.account.save()

    assert write(alice).status_code == 403 and nothing_left(mail_home)
    assert "/mail/compose/" not in alice.page(alice.list_url())


def test_a_full_mailbox_does_not_stop_the_message(alice, left):
    alice.account.quota_bytes = 1
    alice.account.save()
    page = write(alice).client.get("/mail/", follow=True).content.decode()

    assert left()[0]["recipients"] == ["bob@far.example"]
    assert "no room for a copy" in page


def test_without_a_maildrop_nothing_is_lost_silently(alice, mail_home):
    for folder in ("tmp", "new"):
        (mail_home / "maildrop" / folder).rmdir()
    response = write(alice, text="all my words")

    assert response.status_code == 503 and "all my words" in response.content.decode()
    assert alice.uids("Sent") == []
