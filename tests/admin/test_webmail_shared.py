"""Folders of others in webmail: who sees them, what is offered, what is done, and what is refused (RFC 4314)."""

import re
from pathlib import Path

import pytest

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailadmin.mailboxes.models import Message
from mailcore.index.records import ANSWERED, FLAGGED, SEEN
from mailcore.mailbox.account import create_mailbox
from tests.admin.webmail_support import Reader, a_message, a_message_with_file, a_reader, an_html_message, share

ALICE = "alice@linuxadmin.dev"
REFUSED = "does not allow you to do that"
# What a page may offer, by what stands in it.
OFFERS = {
    "read": 'value="read"',
    "unread": 'value="unread"',
    "flag": 'value="flag:',
    "delete": 'value="delete"',
    "archive": 'value="archive"',
    "junk": 'value="junk"',
    "move": 'value="move"',
    "copy": 'value="copy"',
}


@pytest.fixture
def alice(db, settings, mail_home: Path, redis_url) -> Reader:
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    return a_reader(ALICE, mail_home)


@pytest.fixture
def bob(alice, mail_home: Path) -> Reader:
    """With a folder Work and two messages in it."""
    reader = a_reader("bob@linuxadmin.dev", mail_home)
    create_mailbox(raw_connection(), reader.storage, reader.ref, "Work")
    reader.receive(a_message("Minutes", "of the meeting about roses"), "Work")
    reader.receive(a_message("Plan", "for next week"), "Work")
    return reader


def offered(page: str) -> set[str]:
    return {name for name, text in OFFERS.items() if text in page}


def press(reader: Reader, owner: Reader, action: str, *uids: int, name: str = "Work", **fields: object) -> str:
    """Press a button over somebody's list; the page after it."""
    data = {"action": action, "uid": list(uids), **fields}
    response = reader.client.post(f"{owner.list_url(name)}act/", data, follow=True)
    return response.content.decode()


def seen_of(page: str) -> list[str]:
    """The names in the group of what others share."""
    group = page.partition('class="shared"')[2].partition("</section>")[0]
    return [owner or name for owner, name in re.findall(r'<h3 title="([^"]+)"|class="name">([^<]+)', group)]


def test_what_others_share_stands_below_ones_own_folders_by_owner(alice, bob, mail_home):
    carol = a_reader("carol@linuxadmin.dev", mail_home)
    create_mailbox(raw_connection(), bob.storage, bob.ref, "Work/2026")
    assert seen_of(alice.page(alice.list_url())) == []

    share(bob, "lr", "anyone")
    share(bob, "lr", name="Work/2026")
    share(carol, "lrs", name="INBOX")
    share(carol, "l", name="Sent")
    share(carol, "ws", name="Drafts")

    page = alice.page(alice.list_url())
    assert seen_of(page) == ["bob@linuxadmin.dev", "Work", "2026", "carol@linuxadmin.dev", "Inbox"]
    assert 'title="user/bob@linuxadmin.dev/Work: 2 messages"' in page
    assert seen_of(carol.page(carol.list_url())) == ["bob@linuxadmin.dev", "Work"]
    share(bob, "r", f"-{ALICE}")
    shown = seen_of(alice.page(alice.list_url()))
    assert shown == ["bob@linuxadmin.dev", "Work/2026", "carol@linuxadmin.dev", "Inbox"]
    assert seen_of(bob.page(bob.list_url())) == []


def test_a_folder_of_somebody_else_is_read_and_searched(alice, bob):
    share(bob, "lr")

    page = alice.page(bob.list_url("Work"))
    assert "Work of bob@linuxadmin.dev" in page and "Tick Minutes" in page and "Tick Plan" in page
    found = alice.page(bob.list_url("Work"), q="roses", **{"in": "text"})
    assert "Tick Minutes" in found and "Tick Plan" not in found
    assert "of the meeting" in alice.page(bob.url(1, name="Work"))
    for view in ("journey/", "headers/", "source/", "raw/"):
        assert alice.client.get(bob.url(1, view, "Work")).status_code == 200
    assert alice.client.get(f"{bob.list_url('Work')}news/?modseq=0").status_code == 200


def test_parts_and_pictures_of_a_shared_message_are_shown(alice, bob):
    share(bob, "lr")
    uid = bob.receive(an_html_message('<p>hi <img src="cid:pic@x"></p>'), "Work")
    file = bob.receive(a_message_with_file('"report.pdf"'), "Work")

    html = alice.page(bob.url(uid, "html/", "Work"))
    picture = re.search(r'src="http://testserver(/mail/inline/[^"]+)"', html)
    assert picture is not None and alice.client.get(picture[1]).status_code == 200
    assert alice.client.get(bob.url(file, "part/2/", "Work")).content == b"Hello"
    share(bob, "")
    assert alice.client.get(picture[1]).status_code == 404


@pytest.mark.parametrize("place", ["list", "message"])
def test_what_is_offered_is_what_is_allowed(alice, bob, place):
    url = bob.list_url("Work") if place == "list" else bob.url(1, name="Work")
    read = {"read", "unread"} if place == "list" else {"unread"}
    allowed = {
        "lr": {"copy"},
        "lrs": {*read, "copy"},
        "lrw": {"flag", "copy"},
        "lrt": {"copy"},
        "lrte": {"delete", "move"},
        "lrswipkxtea": {*read, "flag", "delete", "move"},
    }
    for rights, wanted in allowed.items():
        share(bob, rights)
        assert offered(alice.page(url)) == wanted, rights
    assert offered(bob.page(url)) == {*read, "flag", "delete", "move", "archive", "junk"}


def test_an_action_without_its_right_is_refused_and_changes_nothing(alice, bob):
    before = list(Message.objects.order_by("pk").values("mailbox_id", "uid", "flags"))
    needed = dict.fromkeys(("read", "unread"), "s") | dict.fromkeys(("flag", "unflag"), "w")
    needed |= dict.fromkeys(("delete", "move", "expunge", "archive", "junk"), "te")
    target = alice.mailbox("Archive").pk

    for action, rights in needed.items():
        for missing in rights:
            share(bob, "".join(set("lrswite") - {missing}))
            page = press(alice, bob, action, 1, 2, target=target)
            assert REFUSED in page and "Tick Minutes" in page, (action, missing)
    assert list(Message.objects.order_by("pk").values("mailbox_id", "uid", "flags")) == before

    for action, rights in needed.items():
        share(bob, "lr" + rights)
        uid = bob.receive(a_message(), "Work")
        assert REFUSED not in press(alice, bob, action, uid, target=target), action
        assert (uid in bob.uids("Work")) is (rights != "te")


def test_reading_marks_as_read_only_who_may(alice, bob):
    share(bob, "lrw")
    alice.page(bob.url(1, name="Work"))
    assert not bob.flags(1, "Work") & SEEN

    share(bob, "lrs")
    alice.page(bob.url(1, name="Work"))
    assert bob.flags(1, "Work") & SEEN


def test_flags_are_those_of_the_owner(alice, bob):
    share(bob, "lrsw")

    press(alice, bob, "flag", 1)
    press(alice, bob, "read", 1, 2)
    assert bob.flags(1, "Work") == SEEN | FLAGGED and bob.flags(2, "Work") == SEEN


def test_what_is_flagged_is_shown_to_who_may_not_flag(alice, bob):
    share(bob, "lr")
    bob.act("flag", 1, name="Work")

    assert alice.page(bob.list_url("Work")).count('class="star off on"') == 1


def test_deleting_moves_to_ones_own_trash_and_undo_takes_it_back(alice, bob):
    share(bob, "lrtei")

    page = press(alice, bob, "delete", 1)
    assert "1 message moved to Trash." in page and "Undo" in page
    assert bob.uids("Work") == [2] and alice.uids("Trash") == [1]
    press(alice, alice, "move", 1, name="Trash", target=bob.mailbox("Work").pk)
    assert bob.uids("Work") == [2, 3] and alice.uids("Trash") == []


def test_there_is_no_undo_where_nothing_may_be_put_back(alice, bob):
    share(bob, "lrte")
    page = press(alice, bob, "move", 1, target=alice.mailbox("Archive").pk)

    assert "1 message moved to Archive." in page and "Undo" not in page
    assert alice.uids("Archive") == [1]


def test_a_copy_needs_no_more_than_reading(alice, bob):
    share(bob, "lr")
    page = press(alice, bob, "copy", 1, 2, target=alice.mailbox().pk)

    assert "2 messages copied to Inbox." in page
    assert alice.uids() == [1, 2] and bob.uids("Work") == [1, 2]


def test_messages_are_put_into_a_folder_that_only_its_owner_reads(alice, bob):
    share(bob, "li")
    uid, target = alice.receive(a_message("For bob")), bob.mailbox("Work").pk

    page = alice.page(alice.list_url())
    assert f'<option value="{target}">user/bob@linuxadmin.dev/Work</option>' in page and seen_of(page) == []
    page = press(alice, alice, "move", uid, name="INBOX", target=target)
    assert "1 message moved to user/bob@linuxadmin.dev/Work." in page and "Undo" not in page
    assert bob.uids("Work") == [1, 2, 3] and alice.uids() == []


def test_what_may_be_read_but_not_written_is_no_target(alice, bob):
    share(bob, "lr")
    uid, target = alice.receive(a_message()), bob.mailbox("Work").pk
    assert f'<option value="{target}"' not in alice.page(alice.list_url())

    assert REFUSED in press(alice, alice, "move", uid, name="INBOX", target=target)
    assert alice.uids() == [uid] and bob.uids("Work") == [1, 2]


def test_a_full_mailbox_of_somebody_else_is_named(alice, bob):
    share(bob, "lri")
    Account.objects.filter(pk=bob.account.pk).update(quota_messages=2)
    uid = alice.receive(a_message())

    page = press(alice, alice, "move", uid, name="INBOX", target=bob.mailbox("Work").pk)
    assert "The mailbox of bob@linuxadmin.dev is full." in page and alice.uids() == [uid]


def test_a_guessed_folder_is_as_if_it_was_not_there_unless_one_may_know_of_it(alice, bob):
    ids = bob.mailbox("Work").pk, 2**31 - 1
    uid = alice.receive(a_message())

    def answers(mailbox_id: int) -> list[tuple[int, str]]:
        base, compose = f"/mail/folder/{mailbox_id}/", "/mail/compose/?mode=forward&uid=1&mailbox="
        asked = [alice.client.get(base + view) for view in ("", "1/", "1/html/", "1/raw/", "1/part/1/", "news/")]
        asked += [alice.client.get(f"{compose}{mailbox_id}"), alice.client.post(f"{base}delete/")]
        asked += [alice.client.post(f"{base}act/", {"action": "flag", "uid": 1})]
        move = {"action": "move", "uid": uid, "target": mailbox_id}
        asked += [alice.client.post(f"{alice.list_url()}act/", move)]
        return [(each.status_code, re.sub(r'value="[^"]{64}"|\d{3,}', "", each.content.decode())) for each in asked]

    nobodys = answers(ids[1])
    assert {status for status, _ in nobodys} == {404}
    for rights in ("", "swite"):
        share(bob, rights)
        assert answers(ids[0]) == nobodys
    share(bob, "l")
    theirs = answers(ids[0])
    # The last one goes back to one's own folder, and says it there.
    assert [status for status, _ in theirs] == [403] * 9 + [303] and REFUSED in theirs[0][1]


def test_a_right_that_is_taken_away_meanwhile_is_told(alice, bob):
    share(bob, "lrw")
    assert 'value="flag:1"' in alice.page(bob.list_url("Work"))

    share(bob, "lr")
    assert REFUSED in press(alice, bob, "flag", 1)
    share(bob, "l")
    assert REFUSED in alice.page(bob.list_url("Work"), status=403)
    share(bob, "")
    assert "There is nothing here" in alice.page(bob.list_url("Work"), status=404)


def test_a_folder_of_somebody_else_is_not_deleted_and_none_is_made_among_them(alice, bob):
    create_mailbox(raw_connection(), bob.storage, bob.ref, "Empty")
    share(bob, "lrswipkxtea", name="Empty")

    assert "Delete this folder" not in alice.page(bob.list_url("Empty"))
    alice.client.post(f"{bob.list_url('Empty')}delete/")
    assert bob.mailbox("Empty")
    for name in ("user/bob@linuxadmin.dev/Empty/Mine", "user", "shared/Notes"):
        page = alice.client.post("/mail/folder/", {"name": name}, follow=True).content.decode()
        assert "those of other people" in page, name
    assert not alice.account.mailboxes.filter(name__regex="^(user|shared)").exists()


def test_a_shared_message_is_answered(alice, bob):
    address = f"/mail/compose/?mode=reply&uid=1&mailbox={bob.mailbox('Work').pk}"
    written = {"to": "ann@far.example", "subject": "Re: Minutes", "text": "Thanks", "sender": ALICE}

    for rights, is_marked in (("lr", False), ("lrw", True)):
        share(bob, rights)
        assert "Re: Minutes" in alice.page(address)
        alice.client.post(address, written)
        assert bool(bob.flags(1, "Work") & ANSWERED) is is_marked
    assert alice.uids("Sent") == [1, 2]


def test_what_belongs_to_the_domain_stands_under_its_account(alice, mail_home):
    everybody = a_reader("shared@linuxadmin.dev", mail_home)
    create_mailbox(raw_connection(), everybody.storage, everybody.ref, "Notices/2026")
    share(everybody, "lri", "anyone", "Notices/2026")
    alice.receive(a_message())

    page = alice.page(alice.list_url())
    assert seen_of(page) == ["shared@linuxadmin.dev", "Notices/2026"] and ">shared/Notices/2026</option>" in page
