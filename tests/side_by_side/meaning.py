"""What an answer means, without what servers are free to choose.

Left out: texts, tags, the numbers of UIDVALIDITY and mod-sequences, the order of FETCH attributes, flags, untagged
responses and SEARCH results, the time zone of INTERNALDATE, letter case where the RFC makes no difference, IDs,
capabilities. EXPUNGE is told by the numbers messages had before the answer, so that any order of telling is equal.
"""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

from tests.side_by_side.body_meaning import body_structure
from tests.side_by_side.values import Atom, Response

Meaning = dict[str, Any]
ANY = Atom("#")
# Response codes whose (first) number is the server's choice; those that say nothing to a client's program.
CHOSEN = {"UIDVALIDITY": 0, "HIGHESTMODSEQ": 0, "MAILBOXID": 0, "APPENDUID": 0, "COPYUID": 0}
SILENT = {"CAPABILITY", "ALERT"}
_OWN_ADDRESS = re.compile(r"^(side|user)\d+@[a-z.]+$")


def meaning_of(responses: list[Response]) -> Meaning:
    """One answer: from after the command to its tagged response."""
    meaning: Meaning = {}
    removed: list[int] = []
    for response in responses:
        if response.state:
            _state(meaning, response)
        elif response.tag == "+":
            meaning["continuation"] = True
        elif response.values:
            _data(meaning, response.values, removed)
    return meaning


def _state(meaning: Meaning, response: Response) -> None:
    code = [_code_value(value) for value in response.code]
    name = code[0].upper() if code and isinstance(code[0], str) else ""
    if response.tag != "*":
        meaning["tagged"] = response.state
        if name and name not in SILENT:
            meaning[f"tagged {name}"] = _code(name, code[1:])
    elif name and name not in SILENT:
        meaning[f"{response.state} {name}"] = _code(name, code[1:])
    elif response.state != "OK":
        meaning.setdefault(response.state, True)


def _code(name: str, values: list[Any]) -> Any:
    if name in CHOSEN and values:
        values[CHOSEN[name]] = ANY
    if name == "PERMANENTFLAGS":
        return sorted(map(flag, values[0]))
    return values or True


def _code_value(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _data(meaning: Meaning, values: list[Any], removed: list[int]) -> None:
    if len(values) > 1 and isinstance(values[0], str) and values[0].isdigit():
        _numbered(meaning, int(values[0]), values[1].upper(), values[2:], removed)
        return
    word = str(values[0]).upper()
    reader = READERS.get(word)
    if reader is not None:
        reader(meaning, values[1:])
    elif word not in ("ID", "CAPABILITY"):
        meaning.setdefault(word, []).append(values[1:])


def _numbered(meaning: Meaning, number: int, word: str, rest: list[Any], removed: list[int]) -> None:
    if word == "FETCH":
        attributes = meaning.setdefault("FETCH", {}).setdefault(original_number(number, removed), {})
        attributes.update(fetch_attributes(rest[0]))
    elif word == "EXPUNGE":
        removed.append(original_number(number, removed))
        removed.sort()
        meaning["EXPUNGE"] = list(removed)
    else:
        meaning[word] = number


def original_number(number: int, removed: list[int]) -> int:
    """The number before those in `removed` (in order) were expunged."""
    for gone in removed:
        number += number >= gone
    return number


def fetch_attributes(pairs: list[Any]) -> Meaning:
    """The attributes of a FETCH response by their names."""
    return {
        name.upper(): ATTRIBUTES.get(name.upper(), _as_is)(value)
        for name, value in zip(pairs[::2], pairs[1::2], strict=True)
    }


def flag(value: Any) -> str:
    """System flags are the same in any case; keywords too (RFC 3501 section 2.3.2, RFC 9051 section 2.3.2)."""
    return str(value).lower()


def _as_is(value: Any) -> Any:
    return value


def _flags(value: list[Any]) -> list[str]:
    return sorted(map(flag, value))


def _internal_date(value: bytes) -> str:
    """In UTC; a time within the last hour is the server's clock."""
    moment = datetime.strptime(value.decode().strip(), "%d-%b-%Y %H:%M:%S %z")
    if abs(time.time() - moment.timestamp()) < 3600:
        return ANY
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment.timestamp()))


def _chosen(value: Any) -> Any:
    return [ANY] if isinstance(value, list) else ANY


ATTRIBUTES: dict[str, Any] = {
    "FLAGS": _flags,
    "INTERNALDATE": _internal_date,
    "SAVEDATE": lambda value: value and ANY,
    "MODSEQ": _chosen,
    "BODYSTRUCTURE": body_structure,
    "BODY": body_structure,
}


def mailbox_name(value: Any) -> str:
    """An astring or list-mailbox: quoted or not is no difference."""
    name = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "INBOX" if name.upper() == "INBOX" else name


def _list(word: str) -> Any:
    def read(meaning: Meaning, values: list[Any]) -> None:
        attributes, delimiter, name, *more = values
        entry: Meaning = {"delimiter": delimiter, **{str(attribute).lower(): True for attribute in attributes}}
        for extra in more:
            entry.update(zip(map(mailbox_name, extra[::2]), map(_plain, extra[1::2]), strict=True))
        meaning.setdefault(word, {})[mailbox_name(name)] = entry

    return read


def _plain(value: Any) -> Any:
    """Quoted or not is no difference."""
    return [_plain(item) for item in value] if isinstance(value, list) else mailbox_name(value)


def _status(meaning: Meaning, values: list[Any]) -> None:
    items = {str(k).upper(): v for k, v in zip(values[1][::2], values[1][1::2], strict=True)}
    for name in ("UIDVALIDITY", "HIGHESTMODSEQ"):
        if name in items:
            items[name] = ANY
    meaning.setdefault("STATUS", {})[mailbox_name(values[0])] = items


def _search(meaning: Meaning, values: list[Any]) -> None:
    """Numbers, in any order; a MODSEQ behind them is told as such."""
    meaning["SEARCH"] = ["MODSEQ" if isinstance(value, list) else str(value) for value in values]


def _sort(meaning: Meaning, values: list[Any]) -> None:
    """As one value: one message in another place would otherwise move all that follow."""
    meaning["SORT"] = " ".join(str(value) for value in values if not isinstance(value, list))


def _thread(meaning: Meaning, values: list[Any]) -> None:
    meaning["THREAD"] = " ".join(map(_nested, values))


def _nested(value: Any) -> str:
    return f"({' '.join(map(_nested, value))})" if isinstance(value, list) else str(value)


def _acl(meaning: Meaning, values: list[Any]) -> None:
    """Identifiers and their rights, in any order; one's own address is not the same with every server."""
    pairs = zip(map(mailbox_name, values[1::2]), map(mailbox_name, values[2::2]), strict=True)
    meaning["ACL"] = {_OWN_ADDRESS.sub("{user}", who): "".join(sorted(rights)) for who, rights in pairs}


def _rights(word: str) -> Any:
    def read(meaning: Meaning, values: list[Any]) -> None:
        meaning[word] = sorted("".join(sorted(mailbox_name(value))) for value in values)

    return read


def _metadata(meaning: Meaning, values: list[Any]) -> None:
    found = meaning.setdefault("METADATA", {}).setdefault(mailbox_name(values[0]), {})
    if isinstance(values[1], list):
        found.update(zip((mailbox_name(name).lower() for name in values[1][::2]), values[1][1::2], strict=True))


def _esearch(meaning: Meaning, values: list[Any]) -> None:
    if values and isinstance(values[0], list):
        values = values[1:]
    found: Meaning = meaning.setdefault("ESEARCH", {})
    while values:
        name = str(values[0]).upper()
        width = 1 if name == "UID" else 2
        found[name] = True if width == 1 else ANY if name == "MODSEQ" else values[1]
        values = values[width:]


def _vanished(meaning: Meaning, values: list[Any]) -> None:
    word = "VANISHED EARLIER" if isinstance(values[0], list) else "VANISHED"
    meaning[word] = sorted({*meaning.get(word, []), *numbers_of(str(values[-1]))})


def numbers_of(sequence_set: str) -> list[int]:
    """The numbers of a set without "*"."""
    numbers: list[int] = []
    for piece in sequence_set.split(","):
        first, _, last = piece.partition(":")
        low, high = sorted((int(first), int(last or first)))
        numbers += range(low, high + 1)
    return numbers


def _flags_response(meaning: Meaning, values: list[Any]) -> None:
    meaning["FLAGS"] = _flags(values[0])


READERS: dict[str, Any] = {
    "LIST": _list("LIST"),
    "LSUB": _list("LSUB"),
    "STATUS": _status,
    "SEARCH": _search,
    "ACL": _acl,
    "METADATA": _metadata,
    "LISTRIGHTS": _rights("LISTRIGHTS"),
    "MYRIGHTS": _rights("MYRIGHTS"),
    "SORT": _sort,
    "THREAD": _thread,
    "ESEARCH": _esearch,
    "VANISHED": _vanished,
    "FLAGS": _flags_response,
}
