"""The light decoder that every encoder shares: laterals, top-down sums, a linear head."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tebench.base.errors import InputError
from tebench.encoders.base import Stage
from tebench.encoders.network import Encoder


class LightDecoder(nn.Module):
    """Feature pyramid over the encoder stages, logits at full resolution.

    One level for every power of two from `finest` to `deepest` (or to the deepest stage). A stage enters its
    level through instance normalisation (the encoders' feature scales then do not matter) and a 1x1x1 lateral
    of `width` channels; a stage finer than `finest` is average-pooled to it first. Levels deeper than the encoder
    are pooled from the last one, so that shallow and deep encoders are given the same context. Top-down: upsample,
    add, 3x3x3 convolution. The finest level gives (`finest` / `output`)^3 logits a cell for each class, rearranged
    to one per `output`^3 voxels.

    image_channels: if not 0, the input image is one more stage of stride 1, so that structures finer than the
    encoder's first stage (stride 4 in deepbet) can be reached by every encoder alike.
    """

    def __init__(
        self,
        stages: tuple[Stage, ...],
        n_classes: int,
        *,
        width: int,
        finest: int,
        deepest: int,
        output: int = 1,
        image_channels: int = 0,
    ):
        super().__init__()
        sources = [(stage.name, stage.channels, stage.stride) for stage in stages]
        if image_channels:
            sources.append(("image", image_channels, 1))
        for name, _, stride in sources:
            if stride < 1 or stride & (stride - 1):
                raise InputError(f"light decoder: stride of {name} must be a power of two, got {stride}.")
        deepest = max([deepest, *(stride for _, _, stride in sources)])
        self.levels = [finest << k for k in range((deepest // finest).bit_length())]
        self.sources = sources
        self.finest = finest
        self.output = output
        self.laterals = nn.ModuleDict()
        self.norms = nn.ModuleDict()
        for name, channels, _ in sources:
            key = name.replace(".", "_")
            self.laterals[key] = nn.Conv3d(channels, width, 1, bias=False)
            # Channel by channel: with one group for all channels, encoders without normalisation of their own
            # (deepbrain) had learned nothing after 200 steps. The image is normalised already.
            self.norms[key] = nn.Identity() if name == "image" else nn.InstanceNorm3d(channels)
        self.fuse = nn.ModuleDict({str(level): _block(width) for level in self.levels})
        self.head = nn.Conv3d(width, n_classes * (finest // output) ** 3, 1)

    def read(self, image: torch.Tensor, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        """What enters the laterals, one tensor a source: pooled and normalised, nothing here is trained."""
        inputs = dict(zip([name for name, _, _ in self.sources], [*maps, image], strict=False))
        read = []
        for name, _, stride in self.sources:
            pooled = inputs[name]
            if stride < self.finest:
                pooled = functional.avg_pool3d(pooled, self.finest // stride)
            read.append(self.norms[name.replace(".", "_")](pooled))
        return read

    def forward(self, image: torch.Tensor, maps: list[torch.Tensor]) -> torch.Tensor:
        """image (B, C, X, Y, Z), one map per stage -> logits (B, K, X/output, Y/output, Z/output)."""
        return self.decode(self.read(image, maps))

    def decode(self, read: list[torch.Tensor]) -> torch.Tensor:
        """What `read` gives -> logits."""
        sums: dict[int, torch.Tensor] = {}
        for (name, _, stride), values in zip(self.sources, read, strict=True):
            level = max(stride, self.finest)
            lateral = self.laterals[name.replace(".", "_")](values)
            sums[level] = sums[level] + lateral if level in sums else lateral
        for level in self.levels:
            if level > max(sums):
                sums[level] = functional.avg_pool3d(sums[level // 2], 2)
        total = None
        for level in reversed(self.levels):
            if total is not None:
                size = tuple(2 * edge for edge in total.shape[2:])
                total = functional.interpolate(total, size=size, mode="trilinear", align_corners=False)
                total = total + sums[level] if level in sums else total
            else:
                total = sums[level]
            total = self.fuse[str(level)](total)
        return _depth_to_space(self.head(total), self.finest // self.output)


def _block(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(width, width, 3, padding=1, bias=False),
        nn.InstanceNorm3d(width, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


def _depth_to_space(x: torch.Tensor, factor: int) -> torch.Tensor:
    """(B, K f^3, X, Y, Z) -> (B, K, fX, fY, fZ)."""
    if factor == 1:
        return x
    batch, channels, *size = x.shape
    x = x.reshape(batch, channels // factor**3, factor, factor, factor, *size).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(batch, channels // factor**3, *(factor * edge for edge in size))


def initialise(decoder: LightDecoder, entropy) -> None:
    """He initialisation; every tensor from its own stream.

    entropy: function name -> int. Layers whose shape does not depend on the encoder thus start with the same
    values for all encoders of a seed, whatever else differs.
    """
    with torch.no_grad():
        for name, tensor in decoder.named_parameters():
            if tensor.ndim > 1:
                fan_in = tensor[0].numel()
                draw = torch.Generator().manual_seed(entropy(name))
                tensor.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=draw)
            else:
                tensor.fill_(1.0 if _is_scale(decoder, name) else 0.0)
        # Small last weights: training starts from nearly uniform probabilities.
        decoder.head.weight.mul_(0.1)


def _is_scale(decoder: nn.Module, name: str) -> bool:
    module, _, leaf = name.rpartition(".")
    return leaf == "weight" and isinstance(decoder.get_submodule(module), nn.InstanceNorm3d)


class Segmenter(nn.Module):
    """Encoder and light decoder as one network: image patch -> logits.

    encoder: a `tebench.encoders.network.Encoder`; a copy without its source head is trained, or kept as it is.
    """

    def __init__(self, encoder: Encoder, decoder: LightDecoder, *, frozen: bool):
        super().__init__()
        self.encoder = encoder.trainable().freeze() if frozen else encoder.trainable()
        self.decoder = decoder
        self.frozen = frozen

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.decoder.decode(self.read(image))

    def read(self, image: torch.Tensor) -> list[torch.Tensor]:
        """All that comes before the decoder's first weight."""
        return self.decoder.read(image, self.encoder(image))
