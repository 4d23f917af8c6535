"""The list of messages: folders, pages, filters, and what can be done from it."""

from pathlib import Path

import pytest
from django.utils.html import escape

from mailadmin.mailboxes.models import Mailbox, Message
from mailadmin.webmail import listing
from mailcore.index.records import ANSWERED, DELETED, FLAGGED, SEEN
from tests.admin.webmail_support import a_message, a_reader

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["maildir", "mbox"])
def alice(request, settings, mail_home: Path, redis_url):
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    return a_reader("alice@linuxadmin.dev", mail_home, store=request.param)


def test_a_new_account_has_its_folders_and_an_empty_inbox(alice):
    response = alice.client.get("/mail/")
    assert response.headers["Location"] == alice.list_url()

    page = alice.page(alice.list_url())
    assert "Inbox is empty." in page
    for name in ("Drafts", "Sent", "Archive", "Junk", "Trash"):
        assert f'<span class="name">{name}</span>' in page


def test_messages_newest_first_with_unread_counts(alice):
    for number in range(3):
        alice.receive(a_message(f"Number {number}"), bits=SEEN if number == 0 else 0)
    page = alice.page(alice.list_url())

    assert page.index("Number 2") < page.index("Number 1") < page.index("Number 0")
    assert "<title>(2) Inbox" in page
    assert page.count('class="row unread"') == 2
    assert "Ann Example" in page and "1–3 of 3" in page


def test_pages_by_keyset(alice, monkeypatch):
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    uids = [alice.receive(a_message(f"Number {number}")) for number in range(5)]

    first = alice.page(alice.list_url())
    assert "Number 4" in first and "Number 3" in first and "Number 2" not in first and "1–2 of 5" in first
    assert f"?before={uids[3]}" in first and "after=" not in first
    second = alice.page(alice.list_url(), before=str(uids[3]))
    assert "Number 2" in second and "Number 1" in second and "3–4 of 5" in second
    last = alice.page(alice.list_url(), before=str(uids[1]))
    assert "Number 0" in last and "5–5 of 5" in last
    back = alice.page(alice.list_url(), after=str(uids[0]))
    assert "Number 2" in back and "Number 1" in back


@pytest.mark.parametrize(
    "query", [{"before": "x"}, {"after": "-1"}, {"before": "9" * 30}, {"show": "?"}, {"q": "\x00"}]
)
def test_nonsense_in_the_address_is_the_first_page(alice, query):
    alice.receive(a_message("Here"))

    assert "Here" in alice.page(alice.list_url(), **query)


def test_past_the_last_message(alice):
    uid = alice.receive(a_message("Here"))

    assert "To the newest messages" in alice.page(alice.list_url(), before=str(uid))


def test_only_unread_or_flagged(alice):
    alice.receive(a_message("Read"), bits=SEEN)
    alice.receive(a_message("Flagged"), bits=SEEN | FLAGGED)
    alice.receive(a_message("Fresh"))

    unread = alice.page(alice.list_url(), show="unread")
    flagged = alice.page(alice.list_url(), show="flagged")
    assert "Fresh" in unread and "1–1 of 1" in unread
    assert "1–1 of 1" in flagged and 'class="row flagged"' in flagged


def test_long_and_hostile_subjects_are_text(alice):
    alice.receive(a_message("<script>alert(1)</script>" + "x" * 2000, From='"<b>Eve</b>" <eve@far.example>'))
    page = alice.page(alice.list_url())

    assert escape("<script>alert(1)</script>") in page
    assert "<script>alert" not in page and "<b>Eve" not in page


def test_a_list_does_not_cost_more_for_more_messages(alice, django_assert_max_num_queries):
    for number in range(20):
        alice.receive(a_message(f"Number {number}"))
    alice.page(alice.list_url())
    with django_assert_max_num_queries(14):
        alice.page(alice.list_url())


def test_a_message_put_there_by_another_program_is_adopted(alice):
    folder = alice.storage.root / "linuxadmin.dev" / "alice"
    if alice.account.store == "maildir":
        (folder / "Maildir" / "new" / "1763800000.M1P1.elsewhere").write_text(a_message("From another program"))
    else:
        with (folder / "mbox" / "INBOX").open("a") as mbox:
            mbox.write(f"From ann@far.example Sun Nov 22 10:00:00 2026\n{a_message('From another program')}\n")

    assert "From another program" in alice.page(alice.list_url())


def test_bytes_that_are_no_message_are_listed(alice):
    uid = alice.receive(b"\xff\xfe\x00 no header at all\n\n\n")

    assert f'value="{uid}"' in alice.page(alice.list_url())
    alice.page(alice.url(uid))
    assert "no header at all" in alice.page(alice.url(uid, "source/"))


def test_read_unread_and_flags(alice):
    one, two = alice.receive(a_message()), alice.receive(a_message())

    alice.act("read", one, two)
    assert alice.flags(one) == alice.flags(two) == SEEN
    alice.act("unread", two)
    assert alice.flags(two) == 0
    alice.act(f"flag:{two}", one)
    assert (alice.flags(one), alice.flags(two)) == (SEEN, FLAGGED), "a star concerns its own line only"
    alice.act(f"unflag:{two}")
    assert alice.flags(two) == 0


def test_other_flags_stay(alice):
    uid = alice.receive(a_message(), bits=ANSWERED | DELETED)
    alice.act("read", uid)

    assert alice.flags(uid) == ANSWERED | DELETED | SEEN


def test_delete_moves_to_the_trash_and_then_for_good(alice):
    uid = alice.receive(a_message("Away"))

    alice.act("delete", uid)
    assert alice.uids() == []
    (trashed,) = alice.uids("Trash")
    page = alice.page(alice.list_url())
    assert "1 message moved to Trash." in page and "Undo" in page
    news = alice.client.get(alice.list_url(), headers={"HX-Request": "true", "X-News": "1"}).content.decode()
    assert "Undo" in news, "looking for new mail does not take the offer away"
    assert "Undo" not in alice.page(alice.list_url()), "an offer is made once"
    alice.act("delete", trashed, name="Trash")
    assert alice.uids("Trash") == []


def test_undo_moves_back(alice):
    uid = alice.receive(a_message("Away"))
    alice.act("archive", uid)
    alice.act("move", *alice.uids("Archive"), name="Archive", target=alice.mailbox().pk)

    assert len(alice.uids()) == 1 and alice.uids("Archive") == []


def test_junk_and_not_junk(alice):
    uid = alice.receive(a_message())
    alice.act("junk", uid)
    alice.act("inbox", *alice.uids("Junk"), name="Junk")

    assert len(alice.uids()) == 1


def test_empty_the_trash_but_not_the_inbox(alice):
    alice.receive(a_message(), name="Trash")
    alice.receive(a_message())

    alice.act("empty")
    alice.act("empty", name="Trash")
    assert len(alice.uids()) == 1 and alice.uids("Trash") == []


@pytest.mark.parametrize("action", ["", "nonsense", "move", "flag:x", "read:99999999999"])
def test_actions_that_make_no_sense_change_nothing(alice, action):
    uid = alice.receive(a_message())
    alice.act(action, uid)
    alice.act("read", 4_000_000_000)

    assert alice.flags(uid) == 0 and alice.uids() == [uid]


def test_move_to_somebody_else_s_folder_is_not_found(alice, mail_home):
    bob = a_reader("bob@linuxadmin.dev", mail_home)
    uid = alice.receive(a_message())
    data = {"action": "move", "uid": uid, "target": bob.mailbox().pk}

    assert alice.client.post(f"{alice.list_url()}act/", data).status_code == 404
    assert bob.uids() == []


def test_after_an_action_only_to_our_own_pages(alice):
    uid = alice.receive(a_message())
    for wanted, location in [("//evil.example/", alice.list_url()), ("https://evil.example", alice.list_url()),
                             (alice.list_url() + "?q=x", alice.list_url() + "?q=x")]:  # fmt: skip
        data = {"action": "read", "uid": uid, "next": wanted}
        assert alice.client.post(f"{alice.list_url()}act/", data).headers["Location"] == location


def test_htmx_gets_the_list_and_the_folders_only(alice):
    alice.receive(a_message("Fresh"))
    response = alice.client.get(alice.list_url(), headers={"HX-Request": "true"})
    part = response.content.decode()

    assert part.lstrip().startswith('<section id="list"')
    assert 'hx-swap-oob="true"' in part and "<html" not in part


def test_news(alice):
    before = Mailbox.objects.get(pk=alice.mailbox().pk).highestmodseq
    url = f"{alice.list_url()}news/"
    assert alice.client.get(url, {"modseq": before}).status_code == 204

    alice.receive(a_message())
    assert alice.client.get(url, {"modseq": before}).status_code == 200


def test_folders_are_made_and_deleted(alice):
    response = alice.client.post("/mail/folder/", {"name": "Projects/Mail"})
    made = alice.mailbox("Projects/Mail")
    assert response.headers["Location"] == f"/mail/folder/{made.pk}/"
    assert "Projects/Mail" in alice.page(alice.list_url("Projects/Mail"))

    uid = alice.receive(a_message(), name="Projects/Mail")
    alice.client.post(f"{alice.list_url('Projects/Mail')}delete/")
    assert alice.mailbox("Projects/Mail"), "a folder with mail stays"
    alice.act("expunge", uid, name="Projects/Mail")
    alice.client.post(f"{alice.list_url('Projects/Mail')}delete/")
    assert not Mailbox.objects.filter(name="Projects/Mail").exists()


@pytest.mark.parametrize("name", ["", "a//b", "Trash", "\x07", "x" * 5000])
def test_folder_names_that_cannot_be(alice, name):
    before = Mailbox.objects.count()
    page = alice.client.post("/mail/folder/", {"name": name}, follow=True).content.decode()

    if len(name) < 1000:
        assert Mailbox.objects.count() == before
        assert "notice error" in page


def test_special_folders_stay(alice):
    alice.client.post(f"{alice.list_url('Trash')}delete/")
    alice.client.post(f"{alice.list_url()}delete/")

    assert alice.mailbox("Trash") and alice.mailbox()


def test_a_message_gone_from_the_disk_is_no_error(alice):
    uid = alice.receive(a_message("Lost"))
    Message.objects.filter(uid=uid).update(envelope=None, subject=None)
    folder = alice.storage.root / "linuxadmin.dev" / "alice"
    for path in [*folder.glob("Maildir/*/*"), *folder.glob("mbox/INBOX")]:
        if path.is_file():
            path.unlink()

    alice.page(alice.list_url())
    assert alice.client.get(alice.url(uid)).status_code == 404
