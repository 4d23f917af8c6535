"""Links between messages: no loops, no recursion, whatever they say (RFC 5256 section 3)."""

import random
from array import array

from accessd.imap.thread_response import format_threads
from mailcore.mailbox.thread_links import NOBODY, Links
from mailcore.mailbox.threading import _Gathered
from mailcore.message.message_id import NONE


def packed(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "big") for number in numbers)


def test_a_thread_as_deep_as_a_mailbox() -> None:
    count = 50_000
    links = Links(count)
    for number in range(count):
        links.add(number, packed(number + 1, number) if number else packed(1))

    gathered = _Gathered(links, array("q", range(count)))

    expected = "(" + " ".join(str(number) for number in range(count)) + ")"
    assert format_threads(gathered.forest(), range(count)).decode() == expected
    assert format_threads(gathered.forest(newest_last=True), range(count)).decode() == expected


def test_the_same_backwards() -> None:
    count = 20_000
    links = Links(count)
    for number in range(count):
        links.add(number, packed(count - number, count - number - 1) if number < count - 1 else packed(1))

    assert list(links.without_empty_places()[:count]) == [*range(1, count), NOBODY]


def test_random_references_never_make_a_loop() -> None:
    chance = random.Random(5256)
    for _ in range(300):
        count = chance.randrange(1, 12)
        links = Links(count)
        for number in range(count):
            own = packed(chance.randrange(1, 10)) if chance.random() < 0.9 else NONE
            links.add(number, own + packed(*(chance.randrange(1, 14) for _ in range(chance.randrange(5)))))
        forest = _Gathered(links, array("q", [chance.randrange(5) for _ in range(count)])).forest()
        written = format_threads(forest, range(count)).decode()

        for name in "()":
            written = written.replace(name, " ")
        assert sorted(map(int, written.split())) == list(range(count))
