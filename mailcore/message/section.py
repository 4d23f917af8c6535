"""BODY[section]: which bytes of a message a client means (RFC 3501 section 6.4.5, RFC 9051 section 6.4.5).

`Section` is the value the IMAP grammar fills; `locate` turns it into one range of wire offsets where that is
possible, `cut` into bytes. All offsets and sizes are of the wire form.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """One section: part numbers, then what of that part.

    kind is "" (the part itself), "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT" or "MIME"; fields are the
    names for the two FIELDS kinds, in the client's spelling. `Section()` is the whole message: BODY[].
    """

    path: tuple[int, ...] = ()
    kind: str = ""
    fields: tuple[str, ...] = ()
