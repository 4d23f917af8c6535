"""Content-Type and Content-Disposition: a value with parameters (RFC 2045 section 5.1, RFC 2183, RFC 2231).

Never raises. Names and types are lower-case text, values are bytes as sent. Continuations (name*0, name*1
...) are joined; a value with a charset keeps its star and its form charset'language'encoded, because that is
what IMAP shows; `parameter_text` decodes it for people.
"""

import re
from urllib.parse import unquote_to_bytes

from mailcore.message.charset import decode
from mailcore.message.encoded_word import decode_header

Parameters = tuple[tuple[str, bytes], ...]

MAX_PARAMETERS = 100

_TOKEN = rb"[^\s()<>@,;:\\\"/\[\]?=]+"
_TYPE = re.compile(rb"\s*(" + _TOKEN + rb")\s*/\s*(" + _TOKEN + rb")")
_FIRST_TOKEN = re.compile(rb"\s*(" + _TOKEN + rb")")
_SEPARATOR = re.compile(rb"[;\s]*")
_PARAMETER = re.compile(
    rb"([^\s=;\"]+)\s*=\s*"
    rb'(?:"([^"\\]*(?:\\.[^"\\]*)*)(?:"|\\?\Z)|([^;]*))',
    re.DOTALL,
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_CONTINUED = re.compile(r"^([^*]+)\*(\d{1,3})(\*?)$")


def parse_content_type(value: bytes) -> tuple[str, str, Parameters] | None:
    """(type, subtype, parameters), None when it is no media type: the default then applies (RFC 2045 section
    5.2)."""
    match = _TYPE.match(value)
    if match is None:
        return None
    return _lower(match[1]), _lower(match[2]), parse_parameters(value[match.end() :])


def parse_disposition(value: bytes) -> tuple[str, Parameters] | None:
    """("attachment" | "inline" | ..., parameters), None when the field has no type."""
    match = _FIRST_TOKEN.match(value)
    if match is None:
        return None
    return _lower(match[1]), parse_parameters(value[match.end() :])


def parse_token(value: bytes) -> str:
    """The first token of a field, in lower case, without comments: a Content-Transfer-Encoding."""
    match = _FIRST_TOKEN.match(value)
    return _lower(match[1]) if match else ""


def parse_parameters(value: bytes) -> Parameters:
    """What follows the type: "; name=value" as often as it is there; the first of two equal names counts."""
    parameters: dict[str, bytes] = {}
    start = value.find(b";")
    while start >= 0 and len(parameters) < MAX_PARAMETERS:
        start = _skip_separators(value, start)
        match = _PARAMETER.match(value, start)
        if match is None:
            start = value.find(b";", start)
            continue
        name, quoted, bare = match.groups()
        parameters.setdefault(_lower(name), _bare_value(bare) if quoted is None else _unescaped(quoted))
        start = match.end()
    return _joined(parameters)


def _skip_separators(value: bytes, start: int) -> int:
    match = _SEPARATOR.match(value, start)
    return match.end() if match else start


def parameter(parameters: Parameters, name: str) -> bytes | None:
    """The value of `name` as sent, None when it is missing."""
    for key, value in parameters:
        if key == name:
            return value
    return None


def parameter_text(parameters: Parameters, name: str) -> str | None:
    """The value of `name` for people: RFC 2231 form first, else plain, where encoded words occur although
    forbidden."""
    extended = parameter(parameters, name + "*")
    if extended is not None:
        charset, _, rest = extended.partition(b"'")
        encoded = rest.partition(b"'")[2] if b"'" in rest else extended
        return decode(unquote_to_bytes(encoded), charset.decode("ascii", "replace") if b"'" in rest else "")
    plain = parameter(parameters, name)
    return None if plain is None else decode_header(plain)


def _joined(parameters: dict[str, bytes]) -> Parameters:
    """RFC 2231 section 3: name*0, name*1* ... become one parameter, in the order of their numbers."""
    if not any("*" in name for name in parameters):
        return tuple(parameters.items())
    whole: dict[str, bytes] = {}
    pieces: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for name, value in parameters.items():
        if match := _CONTINUED.match(name):
            pieces.setdefault(match[1], {})[int(match[2])] = (value, bool(match[3]))
        else:
            whole[name] = value
    for name, numbered in pieces.items():
        encoded = any(is_encoded for _, is_encoded in numbered.values())
        values = (_as_encoded(*numbered[number], encoded=encoded) for number in sorted(numbered))
        whole.setdefault(name + "*" if encoded else name, b"".join(values))
    return tuple(whole.items())


def _as_encoded(value: bytes, is_encoded: bool, *, encoded: bool) -> bytes:
    """A plain piece between encoded ones must not be unquoted with them."""
    return value.replace(b"%", b"%25") if encoded and not is_encoded else value


def _bare_value(value: bytes) -> bytes:
    """An unquoted value: spaces inside are forbidden but common in file names; a comment may follow."""
    value = value.strip()
    return value[: value.rfind(b"(")].rstrip() if value.endswith(b")") and b"(" in value else value


def _unescaped(value: bytes) -> bytes:
    return _ESCAPE.sub(rb"\1", value) if b"\\" in value else value


def _lower(token: bytes) -> str:
    return token.decode("ascii", "replace").lower()
