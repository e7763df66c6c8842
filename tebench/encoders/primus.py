"""Primus, a plain vision transformer for volumes, on torch alone.

8x8x8 patches become tokens; position embedding added; EVA-02 blocks
    x + gamma_1 * attention(norm1(x)),  x + gamma_2 * swiglu(norm2(x))
with rotary position embedding on queries and keys, a LayerNorm inside attention before its output projection
and inside the SwiGLU, no bias on keys. All maps have stride 8. Source: Wald et al. 2025, arXiv 2503.01835;
EVA-02: Fang et al. 2023, arXiv 2303.11331; rotary embedding: Su et al. 2021, arXiv 2104.09864. Module names
are those of the public weights.

Stages are taps after the blocks at each quarter of the depth [choice]; the last has the final norm applied.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tebench.base.errors import InputError
from tebench.encoders.axes import FILE_ORDER, AxisEncoder
from tebench.encoders.base import EncoderFacts, InputSpec, Stage
from tebench.encoders.initialisation import without_global_draws

VERSION = "primus/1"  # raise with every change that alters features
TEMPERATURE = 10000.0
ORDERS = {"h w d": (1, 0, 2), "w h d": (0, 1, 2)}  # which axes of the network's volume (w, h, d) tokens run over


@dataclass(frozen=True)
class Plan:
    """The shape of the network. grid: tokens along each axis that the position embedding was trained for.

    order: how the volume's axes (w, h, d) run into the token sequence, slowest first.
    """

    width: int = 864
    depth: int = 16
    heads: int = 12
    patch: int = 8
    grid: tuple[int, int, int] = (20, 20, 20)
    channels: int = 1
    order: str = "h w d"

    def __post_init__(self):
        if min(self.width, self.depth, self.heads, self.patch, self.channels, *self.grid) < 1:
            raise InputError(f"Primus: every count must be at least 1, got {self}.")
        if self.width % (6 * self.heads):
            raise InputError(
                f"Primus: width {self.width} must be a multiple of 6 x {self.heads} heads, so that the rotary angles "
                "of three axes fill a head."
            )
        if self.order not in ORDERS:
            raise InputError(f"Primus: order must be one of {sorted(ORDERS)}, got {self.order!r}.")

    @property
    def taps(self) -> tuple[int, ...]:
        """After which blocks (counted from 1) a stage is read."""
        parts = min(4, self.depth)
        return tuple(round(self.depth * (k + 1) / parts) for k in range(parts))

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(Stage(f"encoder.{k}", "encoder", self.width, self.patch) for k in range(len(self.taps)))


S, B = Plan(396, 12, 6), Plan(792, 12, 12)
M, L = Plan(864, 16, 12), Plan(1056, 24, 16)


def rotary_table(grid: tuple[int, ...], head: int, *, device=None) -> tuple[Tensor, Tensor]:
    """sin and cos, each (tokens, head): angle = position along an axis / 10000^(k / K), k = 0 .. K - 1.

    K = head / 6 frequencies an axis; the angles of the axes follow one another and each is used for two
    neighbouring features. Positions are whole tokens of the grid, slowest axis first.
    """
    count = head // 6
    powers = torch.arange(count, device=device, dtype=torch.float32) / count
    frequencies = 1.0 / TEMPERATURE**powers
    positions = torch.meshgrid(
        *(torch.arange(size, device=device, dtype=torch.float32) for size in grid), indexing="ij"
    )
    angles = torch.cat([axis.reshape(-1, 1) * frequencies for axis in positions], 1).repeat_interleave(2, 1)
    return angles.sin(), angles.cos()


def _turn(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Each pair (a, b) of neighbouring features turned by its angle: (a cos - b sin, b cos + a sin)."""
    sin, cos = table
    turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
    return x * cos + turned * sin


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, table) -> Tensor:
        batch, tokens, width = x.shape

        def split(values: Tensor) -> Tensor:
            return values.reshape(batch, tokens, self.heads, -1).transpose(1, 2)

        q, k, v = _turn(split(self.q_proj(x)), table), _turn(split(self.k_proj(x)), table), split(self.v_proj(x))
        x = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(self.norm(x.transpose(1, 2).reshape(batch, tokens, width)))


class _SwiGLU(nn.Module):
    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.fc1_g = nn.Linear(width, hidden)
        self.fc1_x = nn.Linear(width, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.norm(functional.silu(self.fc1_g(x)) * self.fc1_x(x)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = _Attention(width, heads)
        self.gamma_1 = nn.Parameter(torch.full((width,), 0.1))
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _SwiGLU(width, int(width * 8 / 3))
        self.gamma_2 = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor, table) -> Tensor:
        x = x + self.gamma_1 * self.attn(self.norm1(x), table)
        return x + self.gamma_2 * self.mlp(self.norm2(x))


class _Eva(nn.Module):
    def __init__(self, plan: Plan):
        super().__init__()
        tokens = plan.grid[0] * plan.grid[1] * plan.grid[2]
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, plan.width))
        self.blocks = nn.ModuleList(_Block(plan.width, plan.heads) for _ in range(plan.depth))
        self.norm = nn.LayerNorm(plan.width)


class _Tokens(nn.Module):
    def __init__(self, plan: Plan):
        super().__init__()
        self.proj = nn.Conv3d(plan.channels, plan.width, plan.patch, plan.patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x)


def resize(embedding: Tensor, old: tuple[int, ...], new: tuple[int, ...]) -> Tensor:
    """(1, tokens of the old grid, width) -> (1, tokens of the new grid, width), trilinear, align_corners=False."""
    if tuple(old) == tuple(new):
        return embedding
    volume = embedding.transpose(1, 2).reshape(1, -1, *old)
    volume = functional.interpolate(volume, size=tuple(new), mode="trilinear", align_corners=False)
    return volume.flatten(2).transpose(1, 2)


class Primus(AxisEncoder):
    """Token maps of stride 8 after each quarter of the blocks; Primus-M has 864 channels in all of them."""

    STEM = "down_projection.proj.weight"  # the weight that reads the input channels

    def __init__(self, facts: EncoderFacts, spec: InputSpec, plan: Plan = M, axes=FILE_ORDER):
        super().__init__(facts, spec, plan.stages, axes)
        self.plan = plan
        self.down_projection = _Tokens(plan)
        self.eva = _Eva(plan)
        self._table: tuple = (None, None)  # of the last grid: windows of one task share it

    def own_maps(self, x: Tensor) -> list[Tensor]:
        order = [0, 1, *(2 + axis for axis in ORDERS[self.plan.order])]  # swaps two axes, so it undoes itself
        volume = self.down_projection(x).permute(order)
        grid = tuple(volume.shape[2:])
        x = volume.flatten(2).transpose(1, 2)
        x = x + resize(self.eva.pos_embed, self.plan.grid, grid)
        table, found = self._rotary(grid, x), []
        for number, block in enumerate(self.eva.blocks, start=1):
            x = block(x, table)
            if number in self.plan.taps:
                tap = self.eva.norm(x) if number == self.plan.depth else x
                found.append(tap.transpose(1, 2).reshape(volume.shape).permute(order))
        return found

    def _rotary(self, grid: tuple[int, ...], x: Tensor):
        key = (grid, x.device, x.dtype)
        if self._table[0] != key:
            # A table made in inference mode could not be used by a later training step.
            with torch.inference_mode(False):
                table = rotary_table(grid, self.plan.width // self.plan.heads, device=x.device)
                self._table = (key, tuple(part.to(x.dtype) for part in table))
        return self._table[1]


@without_global_draws
def random(seed: int, facts: EncoderFacts, spec: InputSpec, plan: Plan = M, axes=FILE_ORDER) -> Primus:
    """The same shape with the public initialisation's scales.

    Linear weights and position embedding N(0, .02^2), the stem He-normal (slope .01), biases 0; the output
    projections of block n are divided by sqrt(2 n).
    """
    network = Primus(facts, spec, plan, axes)
    generator = torch.Generator().manual_seed(seed)
    for part in network.modules():
        if isinstance(part, nn.Linear):
            nn.init.normal_(part.weight, std=0.02, generator=generator)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    nn.init.normal_(network.eva.pos_embed, std=0.02, generator=generator)
    nn.init.kaiming_normal_(network.down_projection.proj.weight, a=0.01, generator=generator)
    nn.init.zeros_(network.down_projection.proj.bias)
    with torch.no_grad():
        for number, block in enumerate(network.eva.blocks, start=1):
            block.attn.proj.weight.div_((2 * number) ** 0.5)
            block.mlp.fc2.weight.div_((2 * number) ** 0.5)
    return network.freeze()
