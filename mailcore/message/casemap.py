"""i;unicode-casemap (RFC 5051): what two texts have in common that differ in case or in how characters are composed.

Each character becomes its titlecase character, then that one's full decomposition. Pure; linear in the length of the
text: nothing is sorted, so letters with a million accents cost no more than others.
"""

import re
import unicodedata

VERSION = 1
"""Of this mapping. What was mapped by another one is not compared with what is mapped by this."""

_NOT_ASCII = re.compile("([^\0-\x7f]+)")
_BASIC_PLANE = 0x10000


class _Mapping(dict[int, str | int]):
    """What each character becomes, found when it is first met. Those of the higher planes are rare, and there are a
    million of them: they are kept only if they become something else.
    """

    def __missing__(self, code: int) -> str | int:
        mapped = _map(chr(code))
        if mapped == chr(code):
            if code >= _BASIC_PLANE:
                raise LookupError(code)
            self[code] = code
            return code
        self[code] = mapped
        return mapped


def _map(character: str) -> str:
    title = character.title()
    # UnicodeData.txt has single characters only; "ß" has none.
    return unicodedata.normalize("NFKD", title if len(title) == 1 else character)


_MAPPING = _Mapping()


def casemap(text: str) -> str:
    """`text` as it is compared: equal results, equal texts; a substring of the result is a substring of the text."""
    if text.isascii():
        return text.upper()
    return "".join([run.upper() if run.isascii() else run.translate(_MAPPING) for run in _NOT_ASCII.split(text)])
