"""MAIL and RCPT with their parameters: RFC 5321 sections 4.1.1.2, 4.1.1.3 and 4.1.2. Sans-IO.

Understood: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), RET, ENVID, NOTIFY and ORCPT (RFC 3461), AUTH
(RFC 4954). As Postfix does by default, a blank after the colon and an address without angle brackets are let pass;
a source route is read and dropped. An address without a domain comes back with the domain "": policy decides.

Raises a CommandError, which knows the reply code and the enhanced code it deserves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from mailcore.address import Address
from mailcore.errors import AddressSyntaxError, MailError
from mailcore.smtp.xtext import decode_xtext, is_xtext

_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f]+))?")
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})
_ATEXT_LOCAL = re.compile(r"[^\x00-\x20\x7f\"(),:;<>@\[\\\]]+")


class CommandError(MailError):
    """A MAIL or RCPT command that cannot be obeyed; the text may be shown to the client."""

    code: ClassVar[int] = 501
    enhanced: ClassVar[str] = "5.5.4"


class BadSyntax(CommandError):
    """The command does not have the form of RFC 5321."""


class BadParameter(CommandError):
    """A known parameter with an impossible value, or given twice."""


class UnknownParameter(CommandError):
    """A parameter of an extension that is not offered."""

    code = 555


class BadSenderAddress(CommandError):
    """The reverse-path is no address."""

    enhanced = "5.1.7"


class BadRecipientAddress(CommandError):
    """The forward-path is no address."""

    enhanced = "5.1.3"


class NeedsSmtputf8(CommandError):
    """A UTF-8 address in a transaction that was not opened with SMTPUTF8 (RFC 6531 section 3.5)."""

    code = 553
    enhanced = "5.6.7"


@dataclass(frozen=True, slots=True)
class MailCommand:
    """MAIL FROM. `sender` None is the null reverse-path; `size` 0 is "not said"; ENVID is xtext-decoded."""

    sender: Address | None
    size: int = 0
    body: str = ""
    smtputf8: bool = False
    ret: str = ""
    envid: str = ""
    auth: str = ""


@dataclass(frozen=True, slots=True)
class RcptCommand:
    """RCPT TO. `orcpt` is "type;address", its address xtext-decoded."""

    address: Address
    notify: frozenset[str] = frozenset()
    orcpt: str = ""


def parse_mail(argument: str, *, extended: bool = True) -> MailCommand:
    """The argument of MAIL. Parameters are errors unless the client said EHLO (`extended`)."""
    path, rest = _path(argument, "FROM:")
    values = _parameters(rest, _MAIL_PARAMETERS, extended=extended) if rest else {}
    sender = None if path == "" else _address(path, BadSenderAddress)
    if sender is not None and not path.isascii() and "smtputf8" not in values:
        raise NeedsSmtputf8("this address needs SMTPUTF8")
    return MailCommand(sender, **values)  # type: ignore[arg-type]


def parse_rcpt(argument: str, *, extended: bool = True, smtputf8: bool = False) -> RcptCommand:
    """The argument of RCPT, in a transaction with or without SMTPUTF8."""
    path, rest = _path(argument, "TO:")
    if path == "":
        raise BadRecipientAddress("a recipient cannot be empty")
    if not path.isascii() and not smtputf8:
        raise NeedsSmtputf8("this address needs SMTPUTF8")
    values = _parameters(rest, _RCPT_PARAMETERS, extended=extended) if rest else {}
    return RcptCommand(_address(path, BadRecipientAddress), **values)  # type: ignore[arg-type]


def _path(argument: str, keyword: str) -> tuple[str, str]:
    """The address without brackets and source route, and the parameters' text."""
    if argument[: len(keyword)].upper() != keyword:
        raise BadSyntax(f"expected {keyword}<address>")
    text = argument[len(keyword) :].lstrip(" ")
    if not text.startswith("<"):
        address, _, rest = text.partition(" ")
        if not address:
            raise BadSyntax(f"expected {keyword}<address>")
        return address, rest
    end = _closing_bracket(text)
    path, rest = text[1:end], text[end + 1 :]
    if rest and not rest.startswith(" "):
        raise BadSyntax("a blank belongs between address and parameters")
    return _without_route(path), rest.strip(" ")


def _closing_bracket(text: str) -> int:
    """Where the path ends; a ">" in a quoted local part does not count."""
    if '"' not in text:
        end = text.find(">")
    else:
        quoted = escaped = False
        end = -1
        for index, character in enumerate(text):
            if escaped:
                escaped = False
            elif quoted and character == "\\":
                escaped = True
            elif character == '"':
                quoted = not quoted
            elif character == ">" and not quoted:
                end = index
                break
    if end < 0:
        raise BadSyntax("the address has no closing >")
    return end


def _without_route(path: str) -> str:
    """RFC 5321 appendix C: a source route must be accepted and should be ignored."""
    if not path.startswith("@"):
        return path
    _, colon, mailbox = path.partition(":")
    return mailbox if colon else path


def _address(path: str, error: type[CommandError]) -> Address:
    if "@" not in path:
        if _ATEXT_LOCAL.fullmatch(path) is None or len(path) > 64:
            raise error("this is not an address")
        return Address(path, "")
    try:
        return Address.parse(path)
    except AddressSyntaxError as problem:
        raise error("this is not an address") from problem


Value = int | bool | str | frozenset[str]


def _parameters(
    text: str, known: Mapping[str, Callable[[str | None], tuple[str, Value]]], *, extended: bool
) -> dict[str, Value]:
    """Parameter text as keyword arguments of the command value."""
    values: dict[str, Value] = {}
    for word in text.split(" "):
        if not word:
            continue
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise BadSyntax("malformed parameter")
        name = match[1].upper()
        if not extended:
            raise UnknownParameter("parameters need EHLO")
        parse = known.get(name)
        if parse is None:
            raise UnknownParameter(f"{name} is not supported here")
        field, value = parse(match[2])
        if field in values:
            raise BadParameter(f"{name} is given twice")
        values[field] = value
    return values


def _size(value: str | None) -> tuple[str, Value]:
    if value is None or not value.isascii() or not value.isdigit() or len(value) > 20:
        raise BadParameter("SIZE is a number of octets")
    return "size", int(value)


def _body(value: str | None) -> tuple[str, Value]:
    body = (value or "").upper()
    if body not in ("7BIT", "8BITMIME"):
        raise BadParameter("BODY is 7BIT or 8BITMIME")
    return "body", body


def _smtputf8(value: str | None) -> tuple[str, Value]:
    if value is not None:
        raise BadParameter("SMTPUTF8 takes no value")
    return "smtputf8", True


def _ret(value: str | None) -> tuple[str, Value]:
    ret = (value or "").upper()
    if ret not in ("FULL", "HDRS"):
        raise BadParameter("RET is FULL or HDRS")
    return "ret", ret


def _decoded(value: str) -> str:
    """xtext decoded; a line end or other control character in it would end up in a header field of a report."""
    text = decode_xtext(value)
    if not text.isprintable():
        raise BadParameter("control characters are not allowed, encoded or not")
    return text


def _envid(value: str | None) -> tuple[str, Value]:
    if not value or len(value) > 100 or not is_xtext(value):
        raise BadParameter("ENVID is at most 100 characters of xtext")
    return "envid", _decoded(value)


def _auth(value: str | None) -> tuple[str, Value]:
    if not value or not (value == "<>" or is_xtext(value)):
        raise BadParameter("AUTH is <> or an address as xtext")
    return "auth", _decoded(value)


def _notify(value: str | None) -> tuple[str, Value]:
    wishes = (value or "").upper().split(",")
    if wishes == ["NEVER"]:
        return "notify", frozenset({"NEVER"})
    if not _NOTIFY.issuperset(wishes) or len(set(wishes)) != len(wishes):
        raise BadParameter("NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY")
    return "notify", frozenset(wishes)


def _orcpt(value: str | None) -> tuple[str, Value]:
    kind, semicolon, address = (value or "").partition(";")
    wellformed = kind.replace("-", "").isalnum() and kind.isascii() and address and semicolon
    is_utf8 = kind.lower() == "utf-8"  # RFC 6533 section 3 has its own encoding; passed on as it came
    if not wellformed or len(value or "") > 500 or not (is_utf8 or is_xtext(address)):
        raise BadParameter("ORCPT is a type, a semicolon and an address as xtext")
    return "orcpt", f"{kind};{address if is_utf8 else _decoded(address)}"


_MAIL_PARAMETERS = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": _smtputf8,
    "RET": _ret,
    "ENVID": _envid,
    "AUTH": _auth,
}
_RCPT_PARAMETERS = {"NOTIFY": _notify, "ORCPT": _orcpt}
