"""What a client sends that is no command: the content of a message (DATA up to its end, BDAT by count; in blocks, with
bounded memory) and its side of an authentication.
"""

from __future__ import annotations

from mailcore.smtp.data import ChunkReader, DataReader
from smtpd import auth
from smtpd.incoming import Incoming
from smtpd.stream import AUTH_LINE_LIMIT, SMTPStream


class ContentStream(SMTPStream):
    """From the stream's buffer into an Incoming. What is beyond the limit is only swallowed (RFC 1870 section 6.3)."""

    async def _receive_data(self, incoming: Incoming, limit: int) -> int:
        """Everything up to CRLF "." CRLF; what follows it is kept for the next command. Returns its wire size."""
        reader = DataReader()
        while not reader.done:
            if not self._buffer:
                await self._wait_for_data()
            await self._keep(incoming, reader.feed(self._take()), reader.wire_size, limit)
        self._buffer[:0] = reader.rest
        return reader.wire_size

    async def _receive_chunk(self, left: int, chunks: ChunkReader, incoming: Incoming, limit: int) -> None:
        """The next `left` octets."""
        while left:
            if not self._buffer:
                await self._wait_for_data()
            block = self._take_at_most(left)
            left -= len(block)
            await self._keep(incoming, chunks.feed(block), chunks.wire_size, limit)

    async def _skip(self, left: int) -> None:
        """The octets of a chunk that is refused."""
        while left:
            if not self._buffer:
                await self._wait_for_data()
            left -= len(self._take_at_most(left))

    async def _keep(self, incoming: Incoming, block: bytes, size: int, limit: int) -> None:
        if limit and size > limit:
            incoming.drop()
        elif block and incoming.add(block):
            await incoming.flush()

    async def _exchange(self, challenge: bytes) -> bytes:
        """A challenge of AUTH, and the client's response."""
        self._replies.append(auth.encode_challenge(challenge))
        return auth.decode_response(await self._read_line(AUTH_LINE_LIMIT))
