"""Small files that would take much time or memory, or act, if they were read as Python reads them."""

import io
import pickle
import struct
import zipfile

TEXT, GLOBAL, REDUCE, STOP = b"X", b"c", b"R", b"."


def name(module, what):
    return GLOBAL + f"{module}\n{what}\n".encode()


def text(value):
    data = value.encode()
    return TEXT + struct.pack("<I", len(data)) + data


def integer(value):
    return b"\x8b" + struct.pack("<i", 12) + value.to_bytes(12, "little", signed=True)


def archive(data, path, parts=None, compression=zipfile.ZIP_STORED):
    """A file of torch.save whose data.pkl is `data`."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("a/data.pkl", data)
        file.writestr("a/version", b"3\n")
        for key, value in (parts or {}).items():
            file.writestr(f"a/data/{key}", value)
    return path


def entry(body, key="state_dict"):
    """A pickle of {key: body}."""
    return b"\x80\x02}" + text(key) + body + b"s" + STOP


def laughs(depth=40):
    """A list that holds the one before twice, again and again."""
    body = b"]q\x00" + text("ha") + b"a"
    for level in range(depth):
        body += b"0]q" + bytes([level + 1]) + b"h" + bytes([level]) + b"ah" + bytes([level]) + b"a"
    return body


def colliding(count=20_000):
    """A dict whose integer keys have one hash."""
    return b"}(" + b"".join(integer((2**61 - 1) * n) + b"N" for n in range(1, count)) + b"u"


def encoded_often(count=20_000):
    """One text of a megabyte, encoded again and again."""
    known = text("x" * 2**20) + b"q\x00" + text("latin1") + b"q\x01" + name("_codecs", "encode") + b"q\x02"
    return b"(" + known + b"1](" + b"h\x02(h\x00h\x01tR" * count + b"e"


def ordered_often(count=300):
    """One list of a thousand pairs, made a dict again and again."""
    pairs = b"]q\x00(" + b"".join(b"]" + text(f"k{n}") + b"aNa" for n in range(1000)) + b"e"
    again = name("collections", "OrderedDict") + b"(h\x00tR"
    return b"(" + pairs + b"1](" + again * count + b"e"


def storage(kind, key, count):
    return b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + integer(count) + b"tQ"


def tensor(shape, stride, count, kind="FloatStorage"):
    sizes = b"(" + b"".join(map(integer, shape)) + b"t"
    steps = b"(" + b"".join(map(integer, stride)) + b"t"
    return (
        name("torch._utils", "_rebuild_tensor_v2")
        + b"(" + storage(kind, "0", count) + integer(0) + sizes + steps + b"\x89" + b"N" + b"t" + REDUCE
    )  # fmt: skip


class Act:
    """What a harmful pickle is made of."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def pickled(value):
    out = io.BytesIO()
    pickle.dump(value, out, protocol=2)
    return out.getvalue()
