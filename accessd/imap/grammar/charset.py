"""CHARSET of SEARCH (RFC 3501 section 6.4.4): the names this server understands, and text in them."""

from accessd.imap.grammar.tokens import BadSyntax

_CODECS: dict[str, str] = {
    "US-ASCII": "utf-8",
    "ASCII": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    **{f"ISO-8859-{number}": f"iso8859-{number}" for number in (*range(1, 12), *range(13, 17))},
    **{f"WINDOWS-125{number}": f"cp125{number}" for number in range(9)},
    "KOI8-R": "koi8-r",
    "KOI8-U": "koi8-u",
    "ISO-2022-JP": "iso2022-jp",
    "SHIFT_JIS": "shift-jis",
    "EUC-JP": "euc-jp",
    "EUC-KR": "euc-kr",
    "GB2312": "gb2312",
    "GBK": "gbk",
    "GB18030": "gb18030",
    "BIG5": "big5",
}
_NAMED_TO_CLIENTS = b"BADCHARSET (US-ASCII UTF-8 ISO-8859-1 ISO-8859-15 WINDOWS-1252)"


class BadCharset(BadSyntax):
    """The client named a charset that nobody here knows: NO [BADCHARSET ...], not BAD."""

    status = "NO"
    code = _NAMED_TO_CLIENTS


def codec_of(charset: bytes) -> str:
    """The codec of a charset name."""
    codec = _CODECS.get(charset.decode("ascii", "replace").upper())
    if codec is None:
        raise BadCharset("Unknown charset")
    return codec


def decode(value: bytes, codec: str) -> str:
    """Text to search for. Octets that are not of their charset are taken for Latin-1 when no charset was
    needed.
    """
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        if codec == "utf-8":
            return value.decode("latin-1")
        raise BadSyntax("Text is not in the charset named") from None
