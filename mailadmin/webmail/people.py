"""Names out of decoded address lists such as `Ann <ann@example.org>, bob@example.org`, for lines of a list."""

import re

MAX_NAMES = 4
# A comma or a name inside quotes or angle brackets does not end an address.
_ADDRESS = re.compile(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<])+')
_NAME_ADDR = re.compile(r"\s*(.*?)\s*<([^>]*)>\s*$", re.DOTALL)


def short_people(text: str) -> str:
    """`Ann, bob@example.org`: names where there are any, else addresses; at most MAX_NAMES of them."""
    names = [name for piece in _ADDRESS.findall(text) if (name := short_name(piece))]
    shown = ", ".join(names[:MAX_NAMES])
    return f"{shown} and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else shown


def short_name(address: str) -> str:
    """The display name of one address, or else the address."""
    match = _NAME_ADDR.match(address)
    if match is None:
        return address.strip()
    name = match[1].strip().strip('"').replace('\\"', '"').strip()
    return name or match[2].strip()


def bare_address(address: str) -> str:
    """The address without its display name."""
    match = _NAME_ADDR.match(address)
    return (match[2] if match else address).strip()
