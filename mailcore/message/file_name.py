"""File names for attachments: what a stranger proposes -> what may be saved without surprise."""

import mimetypes
import re
import unicodedata

MAX_LENGTH = 120

# Separators and what shells, Windows and HTTP headers give a meaning to.
_FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
_WINDOWS_DEVICES = re.compile(r"^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")
# mimetypes' answers depend on the machine's tables; these must not.
_EXTENSIONS = {
    "message/rfc822": ".eml",
    "text/plain": ".txt",
    "text/html": ".html",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "text/calendar": ".ics",
    "application/octet-stream": ".bin",
}


def safe_file_name(proposed: str | None, content_type: str, fallback: str) -> str:
    """A bare name: no directory, no control or direction-changing characters, not hidden, of sensible length.

    Without a usable proposal it is `fallback` with an extension for the content type.
    """
    name = _FORBIDDEN.sub("_", (proposed or "").replace("\\", "/").rpartition("/")[2])
    # Cf: U+202E and friends make "gpj.exe" look like "exe.jpg".
    name = "".join(" " if character.isspace() else character for character in name if _is_visible(character))
    name = " ".join(name.split()).lstrip(". -").rstrip(". ")
    if not name or _WINDOWS_DEVICES.match(name):
        return fallback + _extension(content_type)
    return _shortened(name)


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def _shortened(name: str) -> str:
    if len(name) <= MAX_LENGTH:
        return name
    extension = match[0] if (match := _EXTENSION.search(name)) else ""
    return name[: MAX_LENGTH - len(extension)] + extension


def _extension(content_type: str) -> str:
    return _EXTENSIONS.get(content_type) or mimetypes.guess_extension(content_type) or ".bin"
