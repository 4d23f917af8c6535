"""CAPABILITY: nothing is advertised that docs/rfc.md does not name a module and a test for."""

import re
from pathlib import Path

import pytest

from accessd.imap.capabilities import AFTER_LOGIN, ALWAYS, capabilities
from mailcore.sasl.mechanisms import MECHANISMS

RFC = Path(__file__).parents[4] / "docs" / "rfc.md"


def named_in_rfc_md() -> set[str]:
    """Words of the column "what" of the section IMAP."""
    section = RFC.read_text().split("\n## IMAP\n")[1].split("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("|")]
    return {word for row in rows for word in re.split(r"[\s,:;()]+", row[2])}


@pytest.mark.parametrize(
    "capability",
    [
        *ALWAYS,
        *AFTER_LOGIN,
        "LITERAL+",
        "LITERAL-",
        "STARTTLS",
        "COMPRESS=DEFLATE",
        *(f"AUTH={each}" for each in sorted(MECHANISMS)),
    ],
)
def test_what_is_advertised_has_its_row(capability: str) -> None:
    assert capability in named_in_rfc_md()


def offered(**changes: object) -> list[bytes]:
    given: dict[str, object] = {"logged_in": False, "starttls": False, "mechanisms": [], **changes}
    return capabilities(**given).split()  # type: ignore[arg-type]


def test_nothing_is_said_twice() -> None:
    found = offered(starttls=True, mechanisms=["PLAIN"])
    assert len(found) == len(set(found))


def test_without_plain_there_is_no_login_either() -> None:
    assert b"LOGINDISABLED" in offered(starttls=True)
    assert b"LOGINDISABLED" not in offered(mechanisms=["PLAIN"])
    assert b"AUTH=PLAIN" in offered(mechanisms=["PLAIN"])


def test_who_has_logged_in_is_told_no_mechanisms() -> None:
    assert not [word for word in offered(logged_in=True, mechanisms=["PLAIN"]) if word.startswith(b"AUTH=")]


def test_the_two_kinds_of_literal_exclude_each_other() -> None:
    """RFC 7888 section 5."""
    assert [word for word in offered() if word.startswith(b"LITERAL")] == [b"LITERAL+"]
    assert [word for word in offered(literal_minus=True) if word.startswith(b"LITERAL")] == [b"LITERAL-"]
