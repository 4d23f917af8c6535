"""Which message answers which: step 1 of THREAD=REFERENCES and what it leaves of empty places (RFC 5256 section 3).

Pure. Nodes below the number of messages are messages, those after them identifiers that no message has. There are never
loops, whatever messages say of each other.
"""

from __future__ import annotations

from array import array

from mailcore.message.message_id import HASH_OCTETS, NONE

NOBODY = -1


class Links:
    """Messages and identifiers, and for each the one it answers."""

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._parents = array("i", [NOBODY]) * messages
        self._has_children = bytearray(messages)
        self._nodes: dict[bytes, int] = {}
        # The message in the place of an identifier that was named before the message came.
        self._taken = array("i")

    def add(self, number: int, refs: bytes) -> None:
        """The next message in the order of the mailbox, with its thread_refs (mailcore.message.message_id)."""
        parent = NOBODY
        for start in range(HASH_OCTETS, len(refs), HASH_OCTETS):
            node = self._node(refs[start : start + HASH_OCTETS])
            if parent != NOBODY:
                self._link(parent, node)
            parent = node
        node = self._own(number, refs[:HASH_OCTETS])
        if self._parents[node] != parent:
            self._parents[node] = NOBODY
        if parent != NOBODY:
            self._link(parent, node)

    def _node(self, identifier: bytes) -> int:
        node = self._nodes.get(identifier)
        if node is None:
            node = self._nodes[identifier] = len(self._parents)
            self._parents.append(NOBODY)
            self._has_children.append(0)
            self._taken.append(NOBODY)
        return node

    def _own(self, number: int, identifier: bytes) -> int:
        """The place of a message: that of its identifier, if it is the first to have it."""
        if identifier == NONE:
            return number
        node = self._nodes.get(identifier)
        if node is None:
            self._nodes[identifier] = number
            return number
        if node < self._messages or self._taken[node - self._messages] != NOBODY:
            return number
        self._taken[node - self._messages] = number
        return node

    def _link(self, parent: int, child: int) -> None:
        """Make one the parent of the other, unless that has a parent or is above it."""
        if parent == child or self._parents[child] != NOBODY:
            return
        # Nothing is below who has no children: most messages come after what they answer.
        if self._has_children[child] and self._is_above(child, parent):
            return
        self._parents[child] = parent
        self._has_children[parent] = 1

    def _is_above(self, node: int, below: int) -> bool:
        while below != NOBODY:
            if below == node:
                return True
            below = self._parents[below]
        return False

    def without_empty_places(self) -> array[int]:
        """The parent of each message: the nearest message above it; else the empty place on the top, if that has
        several; else NOBODY. Places follow the messages and have no parents.
        """
        above = self._nearest()
        taken = self._taken
        parents = array("i", [NOBODY]) * len(self._parents)
        children = array("i", [0]) * len(self._parents)
        for place, number in enumerate(taken, self._messages):
            if number != NOBODY:
                parents[number] = above[place]
        for number in range(self._messages):
            if self._parents[number] != NOBODY:
                parents[number] = above[number]
        for number in range(self._messages):
            if parents[number] >= self._messages:
                children[parents[number]] += 1
        for number in range(self._messages):
            if parents[number] >= self._messages and children[parents[number]] == 1:
                parents[number] = NOBODY
        return parents

    def _message_of(self, node: int) -> int:
        """The message in a place, NOBODY if it is empty."""
        return node if node < self._messages else self._taken[node - self._messages]

    def _nearest(self) -> array[int]:
        """For each node what `without_empty_places` calls its parent, as the number of a message or of a place."""
        unknown = -2
        nearest = array("i", [unknown]) * len(self._parents)
        for start in range(len(self._parents)):
            path, node = [], start
            while nearest[node] == unknown:
                path.append(node)
                parent = self._parents[node]
                if parent == NOBODY:
                    found = NOBODY
                elif (message := self._message_of(parent)) != NOBODY:
                    found = message
                elif self._parents[parent] == NOBODY:
                    found = parent
                else:
                    node = parent
                    continue
                nearest[node] = found
            for each in reversed(path):
                nearest[each] = nearest[node]
        return nearest
