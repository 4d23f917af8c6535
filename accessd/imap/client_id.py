"""What a client says of itself with ID (RFC 2971 section 3.3) in a few words: "Thunderbird 115.3, Linux"."""

from __future__ import annotations

from collections.abc import Mapping

MOST_CHARACTERS = 100


def in_words(fields: Mapping[str, str]) -> str:
    """Name and version of the program, then of its system, as far as they are told; "" if neither is."""
    known = {name.lower(): _plain(value) for name, value in fields.items()}
    program = f"{known.get('name') or known.get('vendor', '')} {known.get('version', '')}".strip()
    system = f"{known.get('os', '')} {known.get('os-version', '')}".strip()
    return ", ".join(part for part in (program, system) if part)[:MOST_CHARACTERS]


def _plain(text: str) -> str:
    """On one line and printable, whatever a client sends."""
    return " ".join("".join(each if each.isprintable() else " " for each in text[:MOST_CHARACTERS]).split())
