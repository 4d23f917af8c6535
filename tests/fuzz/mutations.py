"""Broken on purpose: what is done to octets that were right."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

MOST_MUTATIONS = 4


def mutated(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """`data` with up to MOST_MUTATIONS changes; `tokens` are what its syntax consists of."""
    for _ in range(rng.randrange(MOST_MUTATIONS + 1)):
        data = rng.choice(_CHANGES)(rng, data, tokens)
    return data


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """`data` as a network might bring it: whole, octet by octet, or in pieces of any size."""
    sizes = rng.choice([(len(data) or 1,), (1,), (1, 2, 3, 7), (1, 40, 400), (4096,)])
    found, start = [], 0
    while start < len(data):
        end = start + rng.choice(sizes)
        found.append(data[start:end])
        start = end
    return found


def _at(rng: random.Random, data: bytes) -> int:
    return rng.randrange(len(data) + 1)


def _replace_octet(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at = _at(rng, data)
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _insert_token(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at = _at(rng, data)
    return data[:at] + rng.choice(tokens) + data[at:]


def _replace_token(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    old = rng.choice(tokens)
    return data.replace(old, rng.choice(tokens), rng.choice([1, 1, -1])) if old else data


def _remove(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at = _at(rng, data)
    return data[:at] + data[at + rng.choice([1, 1, 2, 5, 50]) :]


def _repeat(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at = _at(rng, data)
    return data[:at] + data[at : at + rng.choice([1, 3, 10])] * rng.choice([2, 3, 60, 5000]) + data[at:]


def _cut(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    return data[: _at(rng, data)]


def _splice(rng: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    return data[: _at(rng, data)] + data[_at(rng, data) :]


_CHANGES: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _replace_octet,
    _replace_octet,
    _insert_token,
    _insert_token,
    _replace_token,
    _remove,
    _repeat,
    _cut,
    _splice,
)
