"""BODY and BODYSTRUCTURE without the letter case that makes no difference (RFC 2045 section 5.1, 2183 section 2).

Types, subtypes, names of parameters, charsets, transfer encodings and dispositions are compared in capitals; values of
other parameters, descriptions and ids as they are.
"""

from __future__ import annotations

from typing import Any


def body_structure(value: Any) -> Any:
    """The same structure, comparable."""
    if not isinstance(value, list) or not value:
        return value
    return _multipart(value) if isinstance(value[0], list) else _single(value)


def _multipart(value: list[Any]) -> list[Any]:
    parts = 0
    while parts < len(value) and isinstance(value[parts], list):
        parts += 1
    subtype, *extension = value[parts:]
    return [*map(body_structure, value[:parts]), _upper(subtype), *_extension(extension, parameters_first=True)]


def _single(value: list[Any]) -> list[Any]:
    kind, subtype, parameters, identity, description, encoding, size, *more = value
    found = [_upper(kind), _upper(subtype), _parameters(parameters), identity, description, _upper(encoding), size]
    if found[0] == b"TEXT":
        found, more = [*found, *more[:1]], more[1:]
    elif found[0] == b"MESSAGE" and found[1] in (b"RFC822", b"GLOBAL") and len(more) > 2:
        found, more = [*found, more[0], body_structure(more[1]), more[2]], more[3:]
    return found + _extension(more, parameters_first=False)


def _extension(value: list[Any], *, parameters_first: bool) -> list[Any]:
    """MD5 (or the multipart's parameters), disposition, language, location."""
    first = [_parameters(value[0]) if parameters_first else value[0]] if value else []
    disposition = [_disposition(item) for item in value[1:2]]
    return first + disposition + value[2:]


def _disposition(value: Any) -> Any:
    return [_upper(value[0]), _parameters(value[1])] if isinstance(value, list) and len(value) == 2 else value


def _parameters(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    pairs = [(_upper(name), found) for name, found in zip(value[::2], value[1::2], strict=True)]
    return [item for name, found in pairs for item in (name, _upper(found) if name == b"CHARSET" else found)]


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, bytes) else value
