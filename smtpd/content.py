"""What a client sends that is no command: the content of a message (DATA up to its end, BDAT by count; in blocks, with
bounded memory) and its side of an authentication.

What is refused meanwhile is read past, so that its end is found and the session can go on (RFC 5321 section 4.5.3.1.7
and 4.5.3.1.8 want an answer after it). Postfix reads it to whatever end; here once more the size limit and READ_PAST,
for READ_PAST_S.
"""

from __future__ import annotations

from collections.abc import Callable

from mailcore.smtp.data import ChunkReader, DataReader
from smtpd import auth
from smtpd.incoming import Incoming
from smtpd.stream import AUTH_LINE_LIMIT, SMTPStream

READ_PAST = 64 * 1024 * 1024
READ_PAST_S = 600.0


class Patience:
    """With one content that is refused. Its time begins with the first octet that is read past."""

    __slots__ = ("_clock", "_left", "_until")

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._left = limit + READ_PAST
        self._clock = clock
        self._until = 0.0

    def lasts(self, octets: int) -> bool:
        """So many more have been thrown away: may there be others?"""
        now = self._clock()
        self._until = self._until or now + READ_PAST_S
        self._left -= octets
        return self._left >= 0 and now < self._until


class ContentStream(SMTPStream):
    """From the stream's buffer into an Incoming. What is beyond the limit is only swallowed (RFC 1870 section 6.3)."""

    async def _receive_data(self, incoming: Incoming, limit: int) -> int:
        """Everything up to CRLF "." CRLF; what follows it is kept for the next command. Returns its wire size.

        Sets `_gave_up` when there is too much after it was refused, as the others do.
        """
        reader, patience = DataReader(), Patience(limit, self.loop.time)
        while not (reader.done or self._gave_up):
            if not self._buffer:
                await self._wait_for_data()
            block = self._take()
            await self._keep(incoming, reader.feed(block), reader.wire_size, limit)
            if incoming.is_dropped and not reader.done:
                self._gave_up = not patience.lasts(len(block))
        self._buffer[:0] = reader.rest
        return reader.wire_size

    async def _receive_chunk(self, left: int, chunks: ChunkReader, incoming: Incoming, limit: int) -> int:
        """The next `left` octets. Returns the wire size of all chunks so far; far too many octets are not read."""
        patience = Patience(limit, self.loop.time)
        if limit and chunks.wire_size + left > 2 * limit + READ_PAST:
            incoming.drop()
            self._gave_up = True
            return chunks.wire_size + left
        while left and not self._gave_up:
            block = await self._next_block(left)
            left -= len(block)
            await self._keep(incoming, chunks.feed(block), chunks.wire_size, limit)
            if incoming.is_dropped and left:
                self._gave_up = not patience.lasts(len(block))
        return chunks.wire_size

    async def _skip(self, left: int, limit: int) -> None:
        """The octets of a chunk that is refused."""
        patience = Patience(limit, self.loop.time)
        self._gave_up = left > limit + READ_PAST
        while left and not self._gave_up:
            block = await self._next_block(left)
            left -= len(block)
            self._gave_up = not patience.lasts(len(block))

    async def _next_block(self, most: int) -> bytes:
        if not self._buffer:
            await self._wait_for_data()
        return self._take_at_most(most)

    async def _keep(self, incoming: Incoming, block: bytes, size: int, limit: int) -> None:
        if limit and size > limit:
            incoming.drop()
        elif block and incoming.add(block):
            await incoming.flush()

    async def _exchange(self, challenge: bytes) -> bytes:
        """A challenge of AUTH, and the client's response."""
        self._replies.append(auth.encode_challenge(challenge))
        return auth.decode_response(await self._read_line(AUTH_LINE_LIMIT))
