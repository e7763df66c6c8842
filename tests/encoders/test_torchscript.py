"""Reading TorchScript archives as data: what is not tensor data is refused, nothing runs."""

import io
import os
import pickle
import zipfile

import pytest
import torch

from tebench.base.errors import InputError
from tebench.encoders import torchscript


def archive(pickled: bytes, storages=None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("net/data.pkl", pickled)
        for key, data in (storages or {}).items():
            file.writestr(f"net/data/{key}", data)
    return buffer.getvalue()


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
        self.register_buffer("turned", torch.arange(6.0).reshape(2, 3).t())  # not contiguous
        self.register_buffer("count", torch.tensor(7))

    def forward(self, x):
        return self.layer(x)


def test_tensors_of_a_saved_module():
    net = Net()
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, torch.zeros(1, 3)), buffer)
    found = torchscript.tensors(buffer.getvalue())
    assert set(found) == set(net.state_dict())
    for key, value in net.state_dict().items():
        assert torch.equal(found[key], value) and found[key].dtype == value.dtype


class Malicious:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_malicious_pickle_is_refused_and_does_not_run(tmp_path):
    data = pickle.dumps(Malicious(tmp_path / "ran"), protocol=2)
    pickle.loads(data)
    assert (tmp_path / "ran").is_dir()  # the attack works on a plain unpickler
    (tmp_path / "ran").rmdir()
    with pytest.raises(InputError, match=r"mkdir.*refused"):
        torchscript.tensors(archive(data))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "module, name", [("builtins", "eval"), ("torch", "load"), ("torch._utils", "_rebuild_qtensor")]
)
def test_other_names_are_refused(module, name):
    with pytest.raises(InputError, match=f"{name}.*refused"):
        torchscript.tensors(archive(f"c{module}\n{name}\n.".encode()))


def tensor_pickle(size, stride, offset, count):
    """A module whose `weight` is a tensor over storage 0, in pickle's text opcodes."""

    def numbers(values):
        return b"(" + b"".join(b"I%d\n" % value for value in values) + b"t"

    storage = b"(S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\nI%d\ntQ" % count
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"I%d\n" % offset
    tensor += numbers(size) + numbers(stride) + b"I00\nccollections\nOrderedDict\n)RtR"
    return b"\x80\x02c__torch__\nNet\n)\x81}S'weight'\n" + tensor + b"sb."


def test_strides_and_offset():
    data = archive(tensor_pickle((2, 2), (1, 2), 1, 6), {"0": torch.arange(6.0).numpy().tobytes()})
    assert torchscript.tensors(data)["weight"].tolist() == [[1.0, 3.0], [2.0, 4.0]]


@pytest.mark.parametrize(
    "size, stride, offset", [((7,), (1,), 0), ((2, 3), (4, 1), 0), ((6,), (1,), 1), ((2,), (-1,), 3), ((2,), (1,), -1)]
)
def test_a_tensor_outside_its_storage_is_refused(size, stride, offset):
    data = archive(tensor_pickle(size, stride, offset, 6), {"0": torch.arange(6.0).numpy().tobytes()})
    with pytest.raises(InputError, match="outside its storage"):
        torchscript.tensors(data)


@pytest.mark.parametrize(
    "data",
    [
        b"not a zip",
        archive(b"\x80\x02"),
        archive(tensor_pickle((6,), (1,), 0, 6), {"0": b"1234"}),
        archive(tensor_pickle((6,), (1,), 0, 6)),
        archive(b"c__torch__\nNet\n(S'x'\ntR."),
    ],
    ids=["no zip", "truncated pickle", "short storage", "no storage", "call of a module class"],
)
def test_a_damaged_archive_is_refused(data):
    with pytest.raises(InputError):
        torchscript.tensors(data)
