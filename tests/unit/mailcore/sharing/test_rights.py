"""Rights as letters, and what of a change of flags they allow (RFC 4314)."""

import pytest

from mailcore.errors import IdentifierInvalid
from mailcore.index.records import FlagChange, FlagMode, Flags
from mailcore.sharing import rights
from mailcore.sharing.acl import Identifier
from mailcore.sharing.flags import permitted, settable


def flags(*names: str) -> Flags:
    return Flags.parse(names)


def test_obsolete_rights_are_read_as_what_they_stand_for():
    assert rights.read("cd") == "kxte"
    assert rights.read("lrc") == "lrkx"
    assert rights.with_obsolete("lrk") == "lrkc"
    assert rights.with_obsolete("lre") == "lred"
    assert rights.with_obsolete(rights.ALL) == "lrswipkxteacd"


def test_an_unknown_right_is_not_passed_over():
    assert rights.read("lrz") is None
    assert rights.read("LR") is None
    assert rights.read("") == ""


@pytest.mark.parametrize(
    ("granted", "kept"),
    [
        ("lrs", ["\\Seen"]),
        ("lrt", ["\\Deleted"]),
        ("lrw", ["$Junk", "\\Draft"]),
        ("lr", []),
        (rights.ALL, ["$Junk", "\\Deleted", "\\Draft", "\\Seen"]),
    ],
)
def test_flags_of_a_new_message_need_their_rights(granted, kept):
    wanted = flags("\\Seen", "\\Deleted", "\\Draft", "$Junk")

    assert sorted(settable(wanted, granted).names()) == kept


def test_store_goes_on_with_the_flags_one_may_set():
    change = permitted(FlagChange(FlagMode.ADD, flags("\\Seen", "\\Deleted")), "lrs")

    assert change is not None
    assert change.apply(0, []) == flags("\\Seen")


def test_store_of_only_forbidden_flags_is_refused():
    assert permitted(FlagChange(FlagMode.ADD, flags("\\Deleted")), "lrs") is None
    assert permitted(FlagChange(FlagMode.REMOVE, flags("word")), "lrst") is None
    assert permitted(FlagChange(FlagMode.REPLACE, flags()), "lr") is None


def test_replacing_leaves_alone_what_one_may_not_change():
    before = flags("\\Flagged", "\\Seen", "word")

    change = permitted(FlagChange(FlagMode.REPLACE, flags("\\Deleted", "\\Draft", "other")), "lrst")

    assert change is not None
    assert change.apply(before.bits, sorted(before.keywords)) == flags("\\Flagged", "\\Deleted", "word")


def test_identifiers():
    assert Identifier.parse("-anyone") == Identifier("anyone", negative=True)
    assert Identifier.parse("Bob@Example.ORG") == Identifier("bob@example.org")
    assert str(Identifier.parse("-bob@example.org")) == "-bob@example.org"
    for text in ("", "-", "bob", "$group", "a@b@"):
        with pytest.raises(IdentifierInvalid):
            Identifier.parse(text)
