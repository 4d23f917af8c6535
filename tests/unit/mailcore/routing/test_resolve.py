"""From recipient to routes: own names, rewriting, aliases with their guards, subaddresses, catch-all."""

from dataclasses import replace

import pytest

from mailcore.address import Address
from mailcore.config.snapshot import DomainRecord, RewriteRule, Snapshot
from mailcore.directory.lookups import AccountRecord, AliasRecord
from mailcore.directory.memory import MemoryDirectory
from mailcore.errors import DirectoryUnavailable
from mailcore.identity import AccountRef
from mailcore.routing.expand import MAX_TARGETS
from mailcore.routing.lists import FileLists, parse_list
from mailcore.routing.resolve import Wishes, resolve
from mailcore.routing.rewrite import SENDER, account_key, qualify, rewrite

SNAPSHOT = Snapshot(
    myhostname="mail.example.org",
    mydomain="example.org",
    myorigin="example.org",
    inet_interfaces="192.0.2.25, 127.0.0.1",
    domains={
        "example.org": DomainRecord("example.org", "local"),
        "second.example": DomainRecord("second.example", "local"),
        "relay.example": DomainRecord("relay.example", "relay"),
        "alias.example": DomainRecord("alias.example", "alias", "example.org"),
        "off.example": DomainRecord("off.example", "local", enabled=False),
    },
)


def account(number, address, **changes):
    return AccountRecord(AccountRef(number, address), **changes)


ACCOUNTS = [
    account(1, "alice@example.org"),
    account(2, "bob@example.org"),
    account(3, "gone@example.org", enabled=False),
]


def routes(address, aliases=None, *, snapshot=SNAPSHOT, lists=None):
    records = [AliasRecord(name, tuple(targets)) for name, targets in (aliases or {}).items()]
    parsed = Address.parse(address) if "@" in address else Address(address, "")
    return resolve(parsed, None, snapshot, MemoryDirectory(ACCOUNTS, records), lists=lists)


def local(found):
    return [route.account.address for route in found.local]


def remote(found):
    return [str(route.recipient.address) for route in found.remote]


def test_an_account():
    found = routes("Alice@EXAMPLE.org")

    assert local(found) == ["alice@example.org"]
    assert found.destination == "local"
    assert found.targets == ()
    assert str(found.local[0].recipient.original) == "Alice@EXAMPLE.org"


@pytest.mark.parametrize(
    "address",
    ["alice", "alice@mail.example.org", "alice@localhost", "alice@localhost.example.org", "alice@[127.0.0.1]",
     "alice@[192.0.2.25]", "alice+tag@example.org", "alice@alias.example", "alice+x@alias.example"],
)  # fmt: skip
def test_other_names_of_the_same_mailbox(address):
    assert local(routes(address)) == ["alice@example.org"]


def test_somebody_elses_domain():
    found = routes("x@elsewhere.example")

    assert (found.destination, remote(found), found.refused) == ("elsewhere", ["x@elsewhere.example"], None)


def test_a_relay_domain_passes_every_name():
    found = routes("whoever@relay.example")

    assert (found.destination, remote(found)) == ("relay", ["whoever@relay.example"])


@pytest.mark.parametrize(
    ("address", "rule", "code"),
    [
        ("nobody@example.org", "refuse_unknown_user", "5.1.1"),
        ("nobody@alias.example", "refuse_unknown_user", "5.1.1"),
        ("gone@example.org", "refuse_disabled_account", "5.2.1"),
        ("alice@off.example", "refuse_disabled_domain", "5.1.2"),
    ],
)
def test_nobody_there(address, rule, code):
    refused = routes(address).refused

    assert (refused.rule, refused.reply.code, refused.reply.enhanced) == (rule, 550, code)


def test_this_host_without_a_domain_of_its_own_does_not_mail_itself():
    bare = Snapshot(myhostname="mail.example.org", mydomain="mail.example.org", myorigin="mail.example.org")

    assert routes("root@localhost", snapshot=bare).refused.rule == "refuse_unknown_user"


def test_an_alias_has_several_targets_here_and_elsewhere():
    found = routes("sales@example.org", {"sales@example.org": ["alice@example.org", "bob", "x@elsewhere.example"]})

    assert local(found) == ["alice@example.org", "bob@example.org"]
    assert remote(found) == ["x@elsewhere.example"]
    assert found.targets == ("alice@example.org", "bob", "x@elsewhere.example")


def test_aliases_nest_and_give_nobody_two_copies():
    aliases = {
        "all@example.org": ["staff@example.org", "alice@example.org"],
        "staff@example.org": ["ALICE@example.org", "bob+x@example.org", "bob@alias.example"],
    }

    assert local(routes("all@example.org", aliases)) == ["alice@example.org", "bob@example.org"]


def test_an_alias_that_names_itself_keeps_a_copy():
    found = routes("alice@example.org", {"alice@example.org": ["alice@example.org", "x@elsewhere.example"]})

    assert local(found) == ["alice@example.org"]
    assert remote(found) == ["x@elsewhere.example"]


def test_a_circle_with_a_way_out_is_left():
    aliases = {"a@example.org": ["b@example.org"], "b@example.org": ["a@example.org", "alice@example.org"]}

    assert local(routes("a@example.org", aliases)) == ["alice@example.org"]


def test_a_circle_without_a_way_out_is_refused():
    found = routes("a@example.org", {"a@example.org": ["b@example.org"], "b@example.org": ["a@example.org"]})

    assert found.refused.rule == "refuse_alias_loop"
    assert not found.is_deliverable


def test_a_chain_that_is_too_deep_is_refused():
    aliases = {f"a{n}@example.org": [f"a{n + 1}@example.org"] for n in range(30)}

    assert routes("a0@example.org", aliases).refused.rule == "refuse_alias_loop"


def test_an_alias_with_too_many_targets_is_refused():
    aliases = {"many@example.org": [f"x{n}@elsewhere.example" for n in range(MAX_TARGETS + 1)]}

    assert routes("many@example.org", aliases).refused.rule == "refuse_alias_loop"


def test_a_dead_member_does_not_stop_the_others_and_is_reported_by_the_queue():
    found = routes("sales@example.org", {"sales@example.org": ["alice@example.org", "dead@example.org"]})

    assert local(found) == ["alice@example.org"]
    assert remote(found) == ["dead@example.org"]
    assert found.refused is None


def test_a_disabled_alias_refuses():
    directory = MemoryDirectory(ACCOUNTS, [AliasRecord("x@example.org", ("alice@example.org",), enabled=False)])

    found = resolve(Address.parse("x@example.org"), None, SNAPSHOT, directory)

    assert found.refused.rule == "refuse_unknown_user"


def test_catch_all_is_the_last_resort():
    aliases = {"@example.org": ["bob@example.org"], "known@example.org": ["alice@example.org"]}

    assert local(routes("anything@example.org", aliases)) == ["bob@example.org"]
    assert local(routes("known@example.org", aliases)) == ["alice@example.org"]
    assert local(routes("alice+tag@example.org", aliases)) == ["alice@example.org"]


def test_a_catch_all_that_leads_to_nobody_is_no_loop():
    assert routes("x@example.org", {"@example.org": ["nobody@example.org"]}).refused.rule == "refuse_unknown_user"


def test_the_exact_address_wins_over_the_one_without_detail():
    aliases = {"alice+list@example.org": ["bob@example.org"]}

    assert local(routes("alice+list@example.org", aliases)) == ["bob@example.org"]


def test_postmaster_of_any_domain_reaches_the_postmaster():
    aliases = {"postmaster@example.org": ["alice@example.org"]}

    assert local(routes("Postmaster@second.example", aliases)) == ["alice@example.org"]
    assert local(routes("postmaster", aliases)) == ["alice@example.org"]


def test_a_recipient_is_rewritten_before_anything_else():
    rules = {
        "old@example.org": RewriteRule("old@example.org", "alice@example.org", "recipient"),
        "@second.example": RewriteRule("@second.example", "@example.org"),
    }
    snapshot = replace(SNAPSHOT, rewrites=rules)

    assert local(routes("old@example.org", snapshot=snapshot)) == ["alice@example.org"]
    assert local(routes("old+tag@example.org", snapshot=snapshot)) == ["alice@example.org"]
    assert local(routes("bob@second.example", snapshot=snapshot)) == ["bob@example.org"]
    old = Address.parse("old@example.org")
    assert rewrite(old, SENDER, snapshot) == old


def test_include_lists(tmp_path):
    (tmp_path / "staff").write_text("# everybody\nalice@example.org, bob@example.org # both\n\nx@elsewhere.example\n")

    found = routes("staff@example.org", {"staff@example.org": [":include:staff"]}, lists=FileLists(tmp_path))

    assert local(found) == ["alice@example.org", "bob@example.org"]
    assert remote(found) == ["x@elsewhere.example"]


def test_a_list_that_cannot_be_read_makes_mail_wait(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "secret").write_text("x@example.org")
    for path in ("missing", "../secret", str(tmp_path / "secret"), "."):
        with pytest.raises(DirectoryUnavailable):
            routes(
                "staff@example.org", {"staff@example.org": [f":include:{path}"]}, lists=FileLists(tmp_path / "lists")
            )


def test_a_target_that_is_no_address_makes_mail_wait():
    with pytest.raises(DirectoryUnavailable):
        routes("x@example.org", {"x@example.org": ["|/bin/sh@"]})


def test_list_files():
    assert parse_list("a@b, c@d # x\n#e@f\n\n g@h ") == ["a@b", "c@d", "g@h"]


def test_wishes_stay_with_every_recipient():
    wishes = Wishes(frozenset({"NEVER"}), "rfc822;x@y")

    found = resolve(Address.parse("alice@example.org"), None, SNAPSHOT, MemoryDirectory(ACCOUNTS), wishes=wishes)

    assert found.local[0].recipient.notify == {"NEVER"}
    assert found.local[0].recipient.orcpt == "rfc822;x@y"


def test_account_keys():
    for text in ("Alice+x@alias.example", "alice@localhost", "alice@example.org"):
        assert account_key(Address.parse(text), SNAPSHOT) == "alice@example.org"
    assert str(qualify(Address("root", ""), SNAPSHOT)) == "root@example.org"
