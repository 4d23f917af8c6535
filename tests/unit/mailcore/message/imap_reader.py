"""A strict reader of IMAP response text: what a client's parser makes of ENVELOPE and BODYSTRUCTURE.

Stricter than clients are: exactly one space between values, none inside parentheses, no 8-bit or line break
in quoted strings, only quotes and backslashes escaped, no NUL anywhere (RFC 3501 section 9).
"""

import re

_ATOM = re.compile(rb"NIL|\d+")
_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(\d+)\}\r\n")


def read(text):
    """One value: list, bytes, int or None. Raises ValueError for anything that is not exactly one value."""
    assert b"\0" not in text
    value, position = _value(text, 0)
    if position != len(text):
        raise ValueError(f"left over: {text[position : position + 40]!r}")
    return value


def _value(text, position):
    if text[position : position + 1] == b"(":
        return _list(text, position + 1)
    if match := _ATOM.match(text, position):
        return (None if match[0] == b"NIL" else int(match[0])), match.end()
    if match := _QUOTED.match(text, position):
        return re.sub(rb"\\(.)", rb"\1", match[1]), match.end()
    if match := _LITERAL.match(text, position):
        end = match.end() + int(match[1])
        if end > len(text):
            raise ValueError("literal too short")
        return text[match.end() : end], end
    raise ValueError(f"no value at {text[position : position + 40]!r}")


def _list(text, position):
    values = []
    while text[position : position + 1] != b")":
        # BODYSTRUCTURE puts body parts, ENVELOPE puts addresses next to each other without a space.
        if values and not (isinstance(values[-1], list) and text[position : position + 1] == b"("):
            if text[position : position + 1] != b" ":
                raise ValueError(f"no space at {text[position : position + 40]!r}")
            position += 1
        value, position = _value(text, position)
        values.append(value)
    if not values:
        raise ValueError("empty list")
    return values, position + 1


def check_envelope(envelope):
    """The shape of RFC 3501's env-*: ten values; addresses of four, of which groups leave out what they
    must."""
    assert len(envelope) == 10
    for index in (0, 1, 8, 9):
        assert envelope[index] is None or isinstance(envelope[index], bytes)
    for addresses in envelope[2:8]:
        assert addresses is None or addresses
        depth = 0
        for name, route, local, domain in addresses or ():
            assert all(value is None or isinstance(value, bytes) for value in (name, route, local, domain))
            if domain is None:
                assert name is None and route is None
                depth += 1 if local is not None else -1
                assert depth in (0, 1)
            else:
                assert local is not None
        assert depth == 0


def check_body(body, *, extended):
    """The shape of RFC 3501's body: returns the number of leaves."""
    if isinstance(body[0], list):
        count = next(index for index, value in enumerate(body) if not isinstance(value, list))
        subtype, rest = body[count], body[count + 1 :]
        assert isinstance(subtype, bytes)
        assert len(rest) == (4 if extended else 0)
        if extended:
            _check_parameters(rest[0])
            _check_extension(rest[1:])
        return sum(check_body(child, extended=extended) for child in body[:count])
    return _check_single(body, extended=extended)


def _check_single(body, *, extended):
    main, sub, parameters, content_id, description, encoding, size = body[:7]
    rest = body[7:]
    assert isinstance(main, bytes) and main and isinstance(sub, bytes) and isinstance(encoding, bytes) and encoding
    assert isinstance(size, int)
    assert all(value is None or isinstance(value, bytes) for value in (content_id, description))
    _check_parameters(parameters)
    leaves = 1
    if main == b"message" and sub in (b"rfc822", b"global"):
        check_envelope(rest[0])
        leaves += check_body(rest[1], extended=extended)
        assert isinstance(rest[2], int)
        rest = rest[3:]
    elif main == b"text":
        assert isinstance(rest[0], int)
        rest = rest[1:]
    assert len(rest) == (4 if extended else 0)
    if extended:
        assert rest[0] is None or isinstance(rest[0], bytes)
        _check_extension(rest[1:])
    return leaves


def _check_parameters(parameters):
    assert parameters is None or (len(parameters) % 2 == 0 and all(isinstance(value, bytes) for value in parameters))


def _check_extension(values):
    disposition, language, location = values
    if disposition is not None:
        kind, parameters = disposition
        assert isinstance(kind, bytes)
        _check_parameters(parameters)
    assert language is None or isinstance(language, bytes) or all(isinstance(tag, bytes) for tag in language)
    assert location is None or isinstance(location, bytes)
