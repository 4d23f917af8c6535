"""One complete command: tag, name, arguments (RFC 3501 section 2.2.1). Sans-IO."""

from __future__ import annotations

import re
from collections.abc import Mapping

from accessd.imap.events import CommandReceived, Rejected
from accessd.imap.grammar.command_args import ArgumentsParser
from accessd.imap.grammar.tokens import BadSyntax, Scanner

_TAG = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,100}) ')
_ONLY_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]{1,100}')


def tag_of(text: bytes) -> bytes | None:
    """The tag of a command, of which the beginning is enough; None if it has none."""
    found = _TAG.match(text)
    return found.group(1) if found else None


def read_command(text: bytes, parsers: Mapping[str, ArgumentsParser], modes: int) -> CommandReceived | Rejected:
    """The command that these octets are, literals included, without the CRLF at the end."""
    found = _TAG.match(text)
    if found is None:
        return Rejected(text, "No command") if _ONLY_TAG.fullmatch(text) else Rejected(None, "Invalid tag")
    tag = found.group(1)
    scanner = Scanner(text, found.end(), modes=modes)
    try:
        name = _read_name(scanner)
        parser = parsers.get(name)
        if parser is None:
            return Rejected(tag, "Unknown command")
        command = parser(scanner)
        scanner.end()
    except BadSyntax as error:
        return Rejected(tag, str(error), error.status, error.code)
    return CommandReceived(tag, name, command)


def _read_name(scanner: Scanner) -> str:
    name = scanner.keyword()
    if name != "UID":
        return name
    scanner.space()
    return "UID " + scanner.keyword()
