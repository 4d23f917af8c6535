"""The parsers take what the ABNF says and nothing else: of each command texts that follow it, and the same with one
octet wrong, judged by the ABNF itself.
"""

import random
import re

import pytest

from accessd.imap.command import Login
from accessd.imap.commands import PARSERS
from accessd.imap.enabled import REV2
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from tests.unit.accessd.imap.abnf import imap

COMMANDS = [name.removeprefix("args-") for name in imap().rules if name.startswith("args-")]
SUSPECTS = b' ()"\\{}[]<>*%:,.$+-=/&0123456789aAxZ~\x00\x01\r\n\x7f\x80\xff'

# What the ABNF allows and a server may still refuse: not syntax, but meaning.
REFUSED_FOR_ITS_MEANING = re.compile(
    "Mailbox name is .*|Text is not .*|Unknown charset|Unknown special use|Unknown system flag|Keyword too long"
    "|Invalid header field name|.* twice|More than 30 fields|Field too long|PARTIAL stands alone, without ALL"
    "|Search keys nested too deep|Part number too deep|.*Invalid base64|Invalid entry.*|.*metadata.*|Unknown object"
    "|NUL in a literal|More known .* than .*|Known numbers and UIDs must be in ascending order"
)


def refusal(command: str, arguments: bytes, modes: int = 0) -> BadSyntax | None:
    scanner = Scanner(arguments, modes=modes)
    try:
        PARSERS[command.replace("UID-", "UID ")](scanner)
        scanner.end()
    except BadSyntax as error:
        return error
    return None


def one_octet_wrong(rng: random.Random, text: bytes) -> bytes:
    at = rng.randrange(len(text))
    octet = bytes([rng.choice(SUSPECTS)])
    return rng.choice([text[:at] + text[at + 1 :], text[:at] + octet + text[at:], text[:at] + octet + text[at + 1 :]])


def judge(command: str, arguments: bytes) -> None:
    follows = imap().matches(f"args-{command}", arguments)
    error = refusal(command, arguments)
    if follows:
        assert error is None or REFUSED_FOR_ITS_MEANING.fullmatch(str(error)), (command, arguments, error)
    else:
        assert error is not None, (command, arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_what_the_abnf_says(command: str) -> None:
    rng = random.Random(command)
    for _ in range(30):
        right = imap().make(f"args-{command}", rng)
        assert imap().matches(f"args-{command}", right), right
        judge(command, right)
        for _ in range(5):
            judge(command, one_octet_wrong(rng, right))


@pytest.mark.parametrize("command", COMMANDS)
def test_most_of_what_follows_the_abnf_is_understood(command: str) -> None:
    """Else the test above would be satisfied with a parser that refuses everything."""
    rng = random.Random(command)
    made = [imap().make(f"args-{command}", rng) for _ in range(60)]

    assert sum(refusal(command, each) is None for each in made) > 15
    assert any(refusal(command, one_octet_wrong(rng, each)) for each in made)


def test_rev2_takes_only_utf8_in_quoted_strings() -> None:
    assert refusal("LOGIN", b' "\xff" x') is not None
    assert refusal("STATUS", b' "\xff" (MESSAGES)', REV2) is not None
    assert refusal("STATUS", b' "\xc3\xbc" (MESSAGES)', REV2) is None


def test_a_password_in_a_literal_may_have_any_octets() -> None:
    scanner = Scanner(b' "anna@firm.test" {4}\r\np\xe4ss')

    assert PARSERS["LOGIN"](scanner) == Login("anna@firm.test", "päss")


@pytest.mark.parametrize(("names", "length", "taken"), [(30, 30, True), (31, 1, False), (1, 31, False)])
def test_fields_of_id_are_limited(names: int, length: int, taken: bool) -> None:
    """RFC 2971 section 3.3."""
    fields = b" ".join(b'"%b" NIL' % (b"n" * length) for _ in range(names))

    assert (refusal("ID", b" (" + fields + b")") is None) == taken


@pytest.mark.parametrize(("length", "taken"), [(1024, True), (1025, False)])
def test_values_of_id_are_limited(length: int, taken: bool) -> None:
    assert (refusal("ID", b' ("name" "%b")' % (b"v" * length)) is None) == taken
