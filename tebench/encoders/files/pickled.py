"""Pickles read as data by a machine of their own: plain values, descriptions of tensors, and inert stubs.

Python's unpickler imports and calls what a file names. This one knows the opcodes only; a name becomes a `Named`, what
is made of it a `Stub`, and the few names below become values. Each step takes memory in proportion to the bytes that
it reads and steps are counted, so time and memory are bounded by the file (`docs/security.md`).
Format: Python's pickletools; tensors: torch/_utils.py and torch/serialization.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from tebench.base.errors import InputError
from tebench.encoders.files import names
from tebench.encoders.files.formats import damaged
from tebench.encoders.files.names import Named

MOST_STEPS = 4_000_000  # a file with optimiser state of a large network takes 300,000


class _Mark:
    pass


_MARK = _Mark()


class Reader:
    """One or more pickles after one another in `data`.

    storage: (dtype, key, count) -> what a tensor's values are; only for files of torch.
    """

    def __init__(self, data: bytes, storage: Callable | None = None, at: int = 0):
        self.data, self.at = data, at
        self.storage = storage
        self.steps = 0

    def load(self):
        """The next pickle's value; InputError where it is damaged, too long or names what no weight file needs."""
        try:
            return self._run()
        except InputError:
            raise
        except (IndexError, KeyError, ValueError, TypeError, struct.error, AttributeError, OverflowError) as error:
            raise damaged("{type(error).__name__} at byte {self.at}") from error

    def charge(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise InputError(f"is refused: its pickle takes more than {MOST_STEPS} steps, which no weight file does")

    def call(self, what, args):
        """What calling a name would have made: a value of `names`, or a stub."""
        if isinstance(what, Named):
            made = names.MADE.get(what.path)
            args = args if isinstance(args, tuple) else (args,)
            return names.Stub(what.path, args) if made is None else made(self, *args)
        return names.Stub(getattr(what, "name", type(what).__name__))

    # The machine ------------------------------------------------------------------------------------------------

    def _run(self):
        self.stack, self.memo = [], {}
        data, size, table = self.data, len(self.data), _TABLE
        while True:
            if self.at >= size:
                raise damaged("its pickle has no end")
            code = data[self.at]
            self.at += 1
            if code == 0x2E:
                return self._pop()
            step = table[code]
            if step is None:
                raise damaged(f"byte {self.at - 1} of its pickle is {code:#04x}")
            self.steps += 1
            if self.steps > MOST_STEPS:
                self.charge(0)
            step(self)

    def _take(self, count: int) -> bytes:
        if count < 0 or count > len(self.data) - self.at:
            raise damaged(f"its pickle announces {count} bytes")
        found = self.data[self.at : self.at + count]
        self.at += count
        return found

    def _number(self, form: str, size: int) -> int:
        return struct.unpack(form, self._take(size))[0]

    def _line(self) -> str:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise damaged("a line of its pickle has no end")
        found = self.data[self.at : end]
        self.at = end + 1
        return found.decode("utf-8", "replace")

    def _push(self, value) -> None:
        self.stack.append(value)

    def _pop(self):
        value = self.stack.pop()
        if value is _MARK:
            raise damaged("a mark without its values")
        return value

    def _marked(self) -> list:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                found = self.stack[index + 1 :]
                del self.stack[index:]
                return found
        raise damaged("values without their mark")

    def _last(self):
        if self.stack[-1] is _MARK:
            raise damaged("nothing to fill")
        return self.stack[-1]

    def _extend(self, values: list) -> None:
        there = self._last()
        there = there.values if isinstance(there, names.Stub) else there
        if not isinstance(there, list):
            raise damaged(f"its pickle appends to a {type(there).__name__}")
        there.extend(values)

    def _set(self, pairs: list) -> None:
        there = self._last()
        there = there.items if isinstance(there, names.Stub) else there
        if not isinstance(there, dict) or len(pairs) % 2:
            raise damaged(f"its pickle sets items of a {type(there).__name__}")
        there.update((names.key_of(key), value) for key, value in zip(pairs[::2], pairs[1::2], strict=True))

    def _build(self) -> None:
        state = self._pop()
        there = self._last()
        if isinstance(there, names.Stub):
            there.state = state
        elif hasattr(there, "built"):
            self.stack[-1] = there.built(self, state)

    def _global(self, module: str, name: str) -> None:
        path = f"{module}.{name}"
        if names.is_harmful(module, name):
            raise InputError(f"is refused and was not executed: its pickle names {path}, which no weight file needs")
        self._push(Named(path))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise damaged("its pickle names an object by something that is no text")
        self._global(module, name)

    def _reduce(self) -> None:
        args, what = self._pop(), self._pop()
        self._push(self.call(what, args))

    def _with_keywords(self) -> None:
        self._pop()
        self._reduce()

    def _inst(self) -> None:
        module, name = self._line(), self._line()
        args = tuple(self._marked())
        self._global(module, name)
        self._push(self.call(self._pop(), args))

    def _obj(self) -> None:
        what, *args = self._marked()
        self._push(self.call(what, tuple(args)))

    def _persistent(self, identity) -> None:
        if isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage" and self.storage:
            kind, key, count = identity[1], str(identity[2]), identity[4]
            dtype = names.STORAGES.get(kind.path if isinstance(kind, Named) else "", "unknown")
            if not isinstance(count, int) or count < 0:
                raise damaged(f"its pickle announces a storage of {count!r:.40} elements")
            self._push(self.storage(dtype, key, count))
        else:
            self._push(names.Stub("persistent"))

    def _put(self, index: int) -> None:
        self.memo[index] = self._last()

    def _tuple(self, count: int) -> None:
        found = tuple(self._pop() for _ in range(count))
        self._push(found[::-1])

    def _quoted(self) -> None:
        text = self._line().strip()
        self._push(text[1:-1] if len(text) > 1 else text)

    def _integer(self) -> None:
        line = self._line()
        self._push(line == "01" if line in ("00", "01") else int(line.rstrip("L")))


def _table() -> list:
    def little(reader, size):
        return int.from_bytes(reader._take(size), "little", signed=True)

    def text(reader, size):
        return reader._take(size).decode("utf-8", "surrogatepass")

    def number(form, size):
        return lambda r: r._push(r._number(form, size))

    def sized(form, size, change=lambda r, n: r._take(n)):
        return lambda r: r._push(change(r, r._number(form, size)))

    latin = {"change": lambda r, n: r._take(n).decode("latin-1")}
    known = {
        "(": lambda r: r._push(_MARK), "0": lambda r: r.stack.pop(), "1": lambda r: r._marked(),
        "2": lambda r: r._push(r._last()), "F": lambda r: r._push(float(r._line())),
        "I": Reader._integer, "L": Reader._integer, "N": lambda r: r._push(None),
        "J": number("<i", 4), "K": number("<B", 1), "M": number("<H", 2), "G": number(">d", 8),
        "P": lambda r: r._persistent(r._line()), "Q": lambda r: r._persistent(r._pop()), "R": Reader._reduce,
        "S": Reader._quoted, "V": lambda r: r._push(r._line()),
        "T": sized("<i", 4, **latin), "U": sized("<B", 1, **latin),
        "X": sized("<I", 4, text), "\x8c": sized("<B", 1, text), "\x8d": sized("<Q", 8, text),
        "B": sized("<I", 4), "C": sized("<B", 1), "\x8e": sized("<Q", 8), "\x96": sized("<Q", 8),
        "a": lambda r: r._extend([r._pop()]), "e": lambda r: r._extend(r._marked()),
        "\x90": lambda r: r._extend(r._marked()), "s": lambda r: r._set([r._pop(), r._pop()][::-1]),
        "u": lambda r: r._set(r._marked()), "b": Reader._build,
        "c": lambda r: r._global(r._line(), r._line()), "\x93": Reader._stack_global, "i": Reader._inst,
        "o": Reader._obj, "\x81": Reader._reduce, "\x92": Reader._with_keywords,
        "d": lambda r: _dict(r), "}": lambda r: r._push({}), "l": lambda r: r._push(r._marked()),
        "]": lambda r: r._push([]), "\x8f": lambda r: r._push([]), "\x91": lambda r: r._push(r._marked()),
        "t": lambda r: r._push(tuple(r._marked())), ")": lambda r: r._push(()),
        "\x85": lambda r: r._tuple(1), "\x86": lambda r: r._tuple(2), "\x87": lambda r: r._tuple(3),
        "g": lambda r: r._push(r.memo[int(r._line())]), "h": lambda r: r._push(r.memo[r._number("<B", 1)]),
        "j": lambda r: r._push(r.memo[r._number("<I", 4)]), "p": lambda r: r._put(int(r._line())),
        "q": lambda r: r._put(r._number("<B", 1)), "r": lambda r: r._put(r._number("<I", 4)),
        "\x94": lambda r: r._put(len(r.memo)), "\x95": lambda r: r._take(8), "\x80": lambda r: r._take(1),
        "\x88": lambda r: r._push(True), "\x89": lambda r: r._push(False),
        "\x8a": lambda r: r._push(little(r, r._number("<B", 1))),
        "\x8b": lambda r: r._push(little(r, r._number("<i", 4))),
    }  # fmt: skip
    return [known.get(chr(code)) for code in range(256)]


def _dict(reader: Reader) -> None:
    pairs = reader._marked()
    reader._push({})
    reader._set(pairs)


_TABLE = _table()
