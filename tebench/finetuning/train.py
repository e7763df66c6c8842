"""One fine-tuning run: encoder + light decoder on one task with one seed -> test Dice."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from tebench.base.errors import InputError, TebenchError
from tebench.encoders.network import Encoder
from tebench.finetuning import checkpoint as checkpoints
from tebench.finetuning.data import shared_patches
from tebench.finetuning.decoder import LightDecoder, Segmenter, initialise
from tebench.finetuning.evaluate import at_floor, summarise, test_dice
from tebench.finetuning.loss import dice_cross_entropy
from tebench.finetuning.protocol import Protocol
from tebench.tasks.base import Task

log = logging.getLogger(__name__)

# The reported training loss is the mean of this many last steps.
_LAST = 20


@dataclass(frozen=True)
class Outcome:
    """What a run measured. All but `seconds` is a function of protocol, encoder, task, seed (and torch)."""

    value: float
    floor: bool
    dice: dict[str, list[float | None]]  # test case -> Dice per foreground class
    train_loss_last: float
    weights_hash: str  # of the averaged weights that were tested
    seconds: float
    # Steps (text) -> test case -> Dice per foreground class, where the protocol tests before the end.
    curve: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)


def learning_rate(step: int, protocol: Protocol) -> float:
    """Factor of the peak rate at a step: linear warm-up, then half a cosine to zero. Range 0..1."""
    warm = protocol.warmup * protocol.steps
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(protocol.steps - warm, 1)))


def ema_decay(step: int, decay: float) -> float:
    """The decay grows from 0.1, so that early weights are forgotten also in short runs."""
    return min(decay, (1 + step) / (10 + step))


class _State:
    """Everything that changes from step to step, as named tensors."""

    def __init__(self, network: Segmenter, protocol: Protocol):
        self.network = network
        groups = [{"params": list(network.decoder.parameters()), "peak": protocol.decoder_lr}]
        encoder = [p for p in network.encoder.parameters() if p.requires_grad]
        if encoder:
            groups.append({"params": encoder, "peak": protocol.encoder_lr})
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, weight_decay=protocol.weight_decay, fused=True)
        self.parameters = {n: p for n, p in network.named_parameters() if p.requires_grad}
        self.ema = {name: tensor.detach().clone() for name, tensor in self._weights().items()}

    def _weights(self) -> dict[str, torch.Tensor]:
        """What training changes: trained parameters, and buffers (running statistics) of trained parts."""
        buffers = {
            name: buffer
            for name, buffer in self.network.named_buffers()
            if not (self.network.frozen and name.startswith("encoder."))
        }
        return {name: tensor.detach() for name, tensor in {**self.parameters, **buffers}.items()}

    def average(self, decay: float) -> None:
        for name, tensor in self._weights().items():
            if tensor.is_floating_point():
                self.ema[name].lerp_(tensor, 1 - decay)
            else:
                self.ema[name].copy_(tensor)

    def use_average(self) -> None:
        for name, tensor in self._weights().items():
            tensor.copy_(self.ema[name])

    @contextmanager
    def averaged(self):
        """Inside, the network is its average, to be tested; afterwards it trains on as if nothing had been."""
        kept = {name: tensor.clone() for name, tensor in self._weights().items()}
        self.use_average()
        try:
            yield
        finally:
            for name, tensor in self._weights().items():
                tensor.copy_(kept[name])
            self.network.train()

    def tensors(self) -> dict[str, torch.Tensor]:
        found = {f"weights/{name}": tensor for name, tensor in self._weights().items()}
        found |= {f"ema/{name}": tensor for name, tensor in self.ema.items()}
        for name, parameter in self.parameters.items():
            for part, value in self.optimiser.state.get(parameter, {}).items():
                found[f"adamw.{part}/{name}"] = value
        return found

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        for name, tensor in self._weights().items():
            tensor.copy_(tensors[f"weights/{name}"])
            self.ema[name].copy_(tensors[f"ema/{name}"])
        for name, parameter in self.parameters.items():
            parts = [full for full in tensors if full.startswith("adamw.") and full.split("/", 1)[1] == name]
            if parts:
                self.optimiser.state[parameter] = {
                    full.split("/", 1)[0].removeprefix("adamw."): _laid_out_as(parameter, tensors[full])
                    for full in parts
                }


def _laid_out_as(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """A moment of AdamW in the memory layout of its parameter: the fused step walks both in memory order."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, requires_grad=False).copy_(value)


def build(protocol: Protocol, encoder: Encoder, task: Task, seed: int) -> Segmenter:
    """Encoder and decoder before the first step."""
    spec = encoder.spec
    if protocol.patch % spec.divisor or protocol.patch < encoder.minimum_patch:
        raise InputError(
            f"protocol {protocol.name!r}: patch {protocol.patch} must be a multiple of {spec.divisor} and at least "
            f"{encoder.minimum_patch} for encoder {encoder.name!r}."
        )
    decoder = LightDecoder(
        encoder.stages,
        len(task.classes),
        width=protocol.width,
        finest=protocol.decoder_stride,
        deepest=protocol.decoder_deepest,
        output=protocol.output_stride,
        image_channels=spec.channels if protocol.image_lateral else 0,
    )
    initialise(decoder, lambda name: protocol.entropy(task.name, seed, "decoder", name))
    return Segmenter(encoder, decoder, frozen=protocol.frozen)


def run(
    protocol: Protocol,
    encoder: Encoder,
    task: Task,
    seed: int,
    *,
    key: str = "",
    checkpoint: Path | None = None,
    every: int = 100,
    device: str = "cpu",
    progress: Callable[[int], None] = lambda step: None,
) -> Outcome:
    """Train and test. The encoder itself is not changed.

    checkpoint: where to leave the state every `every` steps; a valid one with the same `key` is continued and
    ends in the same weights as a run without a break.
    """
    begun = time.perf_counter()
    patches = shared_patches(task, encoder.spec, protocol, seed)
    network = build(protocol, encoder, task, seed).to(device=device, memory_format=torch.channels_last_3d)
    state = _State(network, protocol)
    weights = patches.class_weights.to(device)
    first, losses, before, curve = 0, [], 0.0, {}
    found = checkpoints.restore(checkpoint, key=key) if checkpoint else None
    if found:
        tensors, note = found
        state.load(tensors)
        first, losses, before = note["step"], note["losses"], note["seconds"]
        curve = note.get("curve", {})
        log.info("continues %s from step %d", checkpoint, first)
    network.train()
    progress(first)
    maps = _maps(network, protocol)
    for step in range(first, protocol.steps):
        losses.append(_step(protocol, state, patches, weights, task, seed, step, device, maps))
        progress(step + 1)
        if step + 1 in protocol.evaluations:
            with state.averaged():
                curve[str(step + 1)] = test_dice(network, task, encoder.spec, protocol, device=device)
        if checkpoint and (step + 1) % every == 0 and step + 1 < protocol.steps:
            elapsed = before + time.perf_counter() - begun
            note = {"step": step + 1, "losses": losses, "seconds": elapsed, "curve": curve}
            checkpoints.save(checkpoint, state.tensors(), key=key, **note)
    state.use_average()
    table = test_dice(network, task, encoder.spec, protocol, device=device)
    return Outcome(
        value=summarise(table),
        floor=at_floor(table, protocol),
        dice=table,
        train_loss_last=sum(losses[-_LAST:]) / len(losses[-_LAST:]),
        weights_hash=checkpoints.tensors_hash(dict(network.state_dict())),
        seconds=before + time.perf_counter() - begun,
        curve=curve,
    )


def _maps(network: Segmenter, protocol: Protocol) -> dict | None:
    """Where what a frozen encoder gives is kept, by batch, when the batches return."""
    return {} if network.frozen and 0 < protocol.cycle < protocol.steps else None


def _step(protocol, state, patches, weights, task, seed, step, device, maps) -> float:
    """One optimiser step; returns the loss. maps: see `_maps`."""
    batch = step % protocol.cycle if protocol.cycle else step
    images, labels = patches.batch(batch)
    factor = learning_rate(step, protocol)
    for group in state.optimiser.param_groups:
        group["lr"] = group["peak"] * factor
    state.optimiser.zero_grad(set_to_none=True)
    with torch.random.fork_rng(devices=[]):
        # Dropout, where an encoder has it, also depends on the step alone.
        torch.manual_seed(protocol.entropy(task.name, seed, "dropout", step))
        # Channels last: convolutions of few channels run up to four times faster on a CPU.
        images = images.to(device=device, memory_format=torch.channels_last_3d)
        if maps is None:
            logits = state.network(images)
        else:
            if batch not in maps:
                maps[batch] = state.network.read(images)
            logits = state.network.decoder.decode(maps[batch])
        loss = dice_cross_entropy(logits, labels.to(device), weights)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise TebenchError(
            f"training of task {task.name!r}, seed {seed} diverged at step {step} (loss {value}). "
            f"Lower encoder_lr or decoder_lr of protocol {protocol.name!r}."
        )
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(state.parameters.values()), protocol.clip)
    state.optimiser.step()
    state.average(ema_decay(step, protocol.ema))
    return value
