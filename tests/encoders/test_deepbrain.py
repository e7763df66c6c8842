"""deepbrain: the rebuilt network against its frozen graph, run node by node."""

import numpy as np
import pytest
import torch
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.util import tensor_util
from torch.nn import functional

from tebench.assets import catalogue as assets
from tebench.base.errors import InputError
from tebench.encoders import catalogue, graphdef

DEAD = object()  # output of the branch of a Switch that is not taken


def graph_bytes() -> bytes:
    return (assets.fetch("deepbrain") / "deepbrain/models/graph.pb").read_bytes()


def first(x):
    return x.permute(0, 4, 1, 2, 3)


def last(x):
    return x.permute(0, 2, 3, 4, 1)


def same_conv(x, kernel, stride):
    """TensorFlow's SAME: output ceil(n / stride), the odd padding slice on the far side."""
    pads = []
    for size, width in zip(reversed(x.shape[1:4]), reversed(kernel.shape[:3]), strict=True):
        total = max((-(-size // stride) - 1) * stride + width - size, 0)
        pads += [total // 2, total - total // 2]
    return last(functional.conv3d(functional.pad(first(x), pads), kernel.permute(4, 3, 0, 1, 2), stride=stride))


def ints(attribute):
    return list(attribute.list.i)


def transposed(shape, kernel, gradient, stride):
    """Conv3DBackpropInput by its definition: the gradient of the convolution with respect to its input."""
    x = torch.zeros([int(size) for size in shape], dtype=gradient.dtype, requires_grad=True)
    return torch.autograd.grad(same_conv(x, kernel, stride), x, gradient)[0]


OPERATIONS = {
    "Identity": lambda node, x: x,
    "Conv3D": lambda node, x, kernel: same_conv(x, kernel, ints(node.attr["strides"])[1]),
    "BiasAdd": lambda node, x, bias: x + bias,
    "Relu": lambda node, x: x.clamp(min=0),
    "Sigmoid": lambda node, x: 1 / (1 + (-x).exp()),
    "MaxPool3D": lambda node, x: last(functional.max_pool3d(first(x), ints(node.attr["ksize"])[1:4])),
    "Shape": lambda node, x: torch.tensor(x.shape),
    "StridedSlice": lambda node, x, begin, end, step: x[int(begin)],
    "Mul": lambda node, a, b: a * b,
    "Pack": lambda node, *parts: torch.stack([torch.as_tensor(part) for part in parts]),
    "Conv3DBackpropInputV2": lambda node, shape, kernel, x: transposed(shape, kernel, x, ints(node.attr["strides"])[1]),
    "ConcatV2": lambda node, *parts: torch.cat(parts[:-1], int(parts[-1])),
}


def run_graph(image, targets):
    """Evaluate nodes of the graph in float64, with training = False."""
    graph = GraphDef()
    graph.ParseFromString(graph_bytes())
    nodes = {node.name: node for node in graph.node}
    values = {"img": image, "training": torch.tensor(False)}

    def value(reference):
        name, _, port = reference.lstrip("^").partition(":")
        if name not in values:
            node = nodes[name]
            if node.op == "Merge":
                values[name] = next(v for v in map(value, node.input) if v is not DEAD)
            elif node.op == "Switch":
                data, taken = value(node.input[0]), bool(value(node.input[1]))
                values[name] = (DEAD, data) if taken else (data, DEAD)
            else:
                inputs = [value(item) for item in node.input]
                if any(item is DEAD for item in inputs):
                    values[name] = DEAD
                elif node.op == "Const":
                    array = torch.from_numpy(np.array(tensor_util.make_ndarray(node.attr["value"].tensor)))
                    values[name] = array.double() if array.is_floating_point() else array
                else:
                    data = [item for item, source in zip(inputs, node.input, strict=True) if not source.startswith("^")]
                    values[name] = OPERATIONS[node.op](node, *data)
        found = values[name]
        return found[int(port or 0)] if isinstance(found, tuple) else found

    return [value(target) for target in targets]


def test_stages_and_head_equal_the_frozen_graph():
    encoder = catalogue.build("deepbrain")
    x = 0.25 * torch.rand(1, 1, 16, 24, 32, generator=torch.Generator().manual_seed(0))
    targets = ["conv3d_1/Relu", "conv3d_3/Relu", "conv3d_5/Relu", "dropout_2/cond/Merge", "conv3d_9/BiasAdd", "prob"]
    *stages, logit, probability = run_graph(last(x).double(), targets)
    found = encoder(x)
    assert len(found) == len(stages) == len(encoder.stages)
    for expected, map_ in zip(stages, found, strict=True):
        expected = first(expected)
        assert map_.shape == expected.shape
        assert (map_ - expected).abs().max() <= 1e-5 * expected.abs().max()
    head = encoder.head(x)
    assert (head[:, 1] - probability[..., 0]).abs().max() <= 1e-6
    torch.testing.assert_close(head.sum(1), torch.ones(1, 16, 24, 32))
    # On noise the brain's probability is tiny everywhere, so compare its logarithm, which varies widely;
    # below exp(-80) float32 loses digits.
    expected = functional.logsigmoid(logit)[..., 0].clamp(min=-80)
    assert expected.std() > 1 and (expected > -80).double().mean() > 0.5
    assert (head[:, 1].log().clamp(min=-80) - expected).abs().max() <= 1e-4


def test_constants_equal_those_of_the_protobuf_classes():
    graph = GraphDef()
    graph.ParseFromString(graph_bytes())
    expected = {}
    for node in graph.node:
        if node.op == "Const" and node.attr["value"].tensor.dtype == 1:
            expected[node.name] = tensor_util.make_ndarray(node.attr["value"].tensor)
    found = graphdef.constants(graph_bytes())
    assert set(found) == set(expected) and "conv3d_9/bias" in found
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("data", [b"\xff" * 40, graph_bytes()[:5000], b"\x0b"])
def test_a_damaged_graph_is_refused(data):
    with pytest.raises(InputError, match="graph file"):
        graphdef.constants(data)


def test_values_that_do_not_fill_the_shape_are_refused():
    # node { name: "a" op: "Const" attr { key: "value" value { tensor { float32, shape [2], 3 bytes } } } }
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    def graph(content):
        tensor = b"\x08\x01" + field(2, field(2, b"\x08\x02")) + field(4, content)
        attribute = field(1, b"value") + field(2, field(8, tensor))
        return field(1, field(1, b"a") + field(2, b"Const") + field(5, attribute))

    values = np.array([1.5, -2.0], "<f4").tobytes()
    np.testing.assert_array_equal(graphdef.constants(graph(values))["a"], [1.5, -2.0])
    for content in (values[:3], values + values, b""):
        with pytest.raises(InputError, match="node 'a'"):
            graphdef.constants(graph(content))
