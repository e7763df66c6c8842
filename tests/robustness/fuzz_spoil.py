"""Sound examples altered in their structure or in their bytes."""

from __future__ import annotations

import copy
import json
import random
import struct

JUNK = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, -(10**18), 0.5, 1e308, float("nan"), float("inf"), "", "a", "0",
    "../../etc/passwd", "/", "\x00", "é\ud800", "x" * 5000, [], {}, [[]], [None], {"": None}, [0, 0, 0], ["a", 1],
    {"0": 0}, [1e400], [2**40] * 3,
]  # fmt: skip


def spoil(rng: random.Random, sound: list[bytes], kind: str) -> bytes:
    """One input: a sound example altered in its structure or in its bytes."""
    data = rng.choice([one for one in sound if one])
    roll = rng.random()
    if kind == "json" and roll < 0.8:
        return _spoiled_json(rng, data)
    if kind == "tensors" and roll < 0.6 and data[8:9] == b"{":
        size = int.from_bytes(data[:8], "little")
        head = _spoiled_json(rng, data[8 : 8 + size], deep=True)
        return len(head).to_bytes(8, "little") + head + data[8 + size :]
    if kind in ("csv", "words") and roll < 0.8:
        return _spoiled_text(rng, data, b"\0" if kind == "words" else rng.choice([b"\n", b","]))
    return _spoiled_bytes(rng, data)


def _spoiled_json(rng: random.Random, data: bytes, deep: bool = False) -> bytes:
    value = [json.loads(data)]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        parent, key = value, 0
        while isinstance(parent[key], dict | list) and parent[key] and rng.random() < 0.85:
            parent = parent[key]
            key = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
        what = rng.random()
        if what < 0.15 and parent is not value:
            del parent[key]
            break
        if what < 0.25 and isinstance(parent, dict):
            parent[rng.choice(("", "0", "extra", "__metadata__"))] = copy.deepcopy(rng.choice(JUNK))
        elif deep and isinstance(parent[key], str) and parent[key].startswith(("{", "[")) and what < 0.8:
            parent[key] = _spoiled_json(rng, parent[key].encode()).decode("utf-8", "replace")
        elif isinstance(parent[key], int) and what < 0.6:
            parent[key] = parent[key] + rng.choice((-1, 1, 8, 10**6, 10**12))
        else:
            parent[key] = copy.deepcopy(rng.choice(JUNK))
    return json.dumps(value[0]).encode()


def _spoiled_text(rng: random.Random, data: bytes, separator: bytes) -> bytes:
    pieces = data.split(separator)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(pieces))
        what = rng.random()
        if what < 0.2 and len(pieces) > 1:
            del pieces[at]
        elif what < 0.4:
            pieces.insert(at, rng.choice(pieces))
        elif what < 0.8:
            words = [b'"', b"'", b"nan", b"1e999", b"-1", b"\xff", b"=1+1", b"<b>", b"", b"[", b"${", b"}", b"\\",
                     b"9" * 40, b"null", b"true", b"a.b=c", b"~x", b"{a:1}", b"\x00", b"..", b"+", b"@",
                     b"\xe2\x80\xae"]  # fmt: skip
            cut = rng.randrange(len(pieces[at]) + 1)
            pieces[at] = pieces[at][:cut] + rng.choice(words) + pieces[at][cut + rng.randrange(3) :]
        else:
            pieces[at] = _spoiled_bytes(rng, pieces[at])
    return separator.join(pieces)


def _spoiled_bytes(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        what = rng.random()
        at = min(int(rng.expovariate(1 / 60)), len(out)) if rng.random() < 0.5 else rng.randrange(len(out) + 1)
        if what < 0.5 and at < len(out):
            out[at] = rng.choice((0, 255, 127, 128, rng.randrange(256), out[at] ^ (1 << rng.randrange(8))))
        elif what < 0.65:
            del out[at : at + rng.choice((1, 4, 8, len(out)))]
        elif what < 0.8:
            out[at:at] = rng.randbytes(rng.choice((1, 4, 8)))
        elif what < 0.9:
            out[at : at + 8] = rng.choice((b"\xff" * 8, b"\0" * 8, struct.pack("<q", 2**40), struct.pack("<d", 1e300)))
        else:
            begin = rng.randrange(len(out) + 1)
            out[at:at] = out[begin : begin + 64]
    return bytes(out)
