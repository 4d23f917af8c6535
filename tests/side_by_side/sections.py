"""Which sections of a message to ask for: all that a BODYSTRUCTURE promises, and one that it does not."""

from __future__ import annotations

from typing import Any

from tests.side_by_side.values import Response


def section_numbers(answer: list[Response]) -> list[str]:
    """The numbers of all parts, by the BODYSTRUCTURE in an answer; for each list of parts one too many."""
    for response in answer:
        if len(response.values) == 3 and response.values[1] == "FETCH":
            pairs = response.values[2]
            attributes = dict(zip(pairs[::2], pairs[1::2], strict=True))
            if "BODYSTRUCTURE" in attributes:
                return _numbers(attributes["BODYSTRUCTURE"], "")
    return ["1", "2"]


def _numbers(body: list[Any], above: str) -> list[str]:
    parts = _parts(body)
    if parts is None:
        return [f"{above}1", *_within(body, f"{above}1"), f"{above}2"]
    numbers = []
    for number, part in enumerate(parts, 1):
        numbers.append(f"{above}{number}")
        inner = _within(part, f"{above}{number}") if _parts(part) is None else _numbers(part, f"{above}{number}.")
        numbers += inner
    return [*numbers, f"{above}{len(parts) + 1}"]


def _within(body: list[Any], number: str) -> list[str]:
    """The parts of a message within a message."""
    kind = body[0].upper() if isinstance(body[0], bytes) else b""
    is_message = kind == b"MESSAGE" and len(body) > 8 and isinstance(body[8], list)
    return _numbers(body[8], f"{number}.") if is_message else []


def _parts(body: list[Any]) -> list[Any] | None:
    return body[: _leading_lists(body)] or None


def _leading_lists(body: list[Any]) -> int:
    count = 0
    while count < len(body) and isinstance(body[count], list):
        count += 1
    return count


def fetch_items(numbers: list[str], style: str) -> list[str]:
    """The items of one FETCH for BODY; of one each for BINARY, since any of them may be refused."""
    if style == "BINARY":
        return [f"BINARY.PEEK[{n}] BINARY.SIZE[{n}]" for n in numbers]
    whole = ["BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]"]
    return [" ".join(whole + [f"BODY.PEEK[{n}{part}]" for n in numbers for part in ("", ".MIME", ".HEADER", ".TEXT")])]
