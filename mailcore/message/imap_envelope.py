"""ENVELOPE as ready IMAP response text (RFC 3501 section 7.4.2).

Values are as sent, unfolded but not decoded: encoded words are the client's to decode. Never raises.
"""

from mailcore.message.address_list import MailAddress, parse_addresses
from mailcore.message.headers import Headers
from mailcore.message.imap_text import nstring, string

Addresses = dict[bytes, list[MailAddress]]

_ADDRESS_FIELDS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")


def envelope(headers: Headers) -> bytes:
    """The parenthesised ENVELOPE of a message with these header fields."""
    return envelope_with(headers, address_fields(headers))


def address_fields(headers: Headers) -> Addresses:
    """The parsed address lists an ENVELOPE shows, by lower-case field name; several fields of one name as one
    list."""
    lists: Addresses = {}
    for name in _ADDRESS_FIELDS:
        value = headers.joined(name)
        if value is not None:
            lists[name] = parse_addresses(value)
    return lists


def envelope_with(headers: Headers, addresses: Addresses) -> bytes:
    """`envelope` for a caller that has the address lists already."""
    sent_from = _list(addresses.get(b"from"))
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(headers.first(b"date")),
        nstring(headers.first(b"subject")),
        sent_from,
        # An absent or empty Sender or Reply-To is shown as From: the server fills it in, not the client.
        _list(addresses.get(b"sender")) if addresses.get(b"sender") else sent_from,
        _list(addresses.get(b"reply-to")) if addresses.get(b"reply-to") else sent_from,
        _list(addresses.get(b"to")),
        _list(addresses.get(b"cc")),
        _list(addresses.get(b"bcc")),
        nstring(headers.first(b"in-reply-to")),
        nstring(headers.first(b"message-id")),
    )


def _list(addresses: list[MailAddress] | None) -> bytes:
    if not addresses:
        return b"NIL"
    return b"(" + b"".join(map(_address, addresses)) + b")"


def _address(address: MailAddress) -> bytes:
    name, route, local, domain = address
    if route is None and local is not None and domain is not None:
        return b"(%b NIL %b %b)" % (nstring(name), string(local), string(domain))
    return b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(local), nstring(domain))
