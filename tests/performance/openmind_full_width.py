"""Full-width OpenMind encoders, once: write a checkpoint in the public format, read it, run one patch.

    python tests/performance/openmind_full_width.py               # both at 160^3; writes docs/performance/openmind.md
    python tests/performance/openmind_full_width.py PrimusM 64    # one, printed only

Weights are random, which changes neither time nor memory. Every architecture has a process of its own, one thread;
peak memory is the kernel's own mark of that process (VmHWM), set back before every step.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # before BLAS and torch start

import dataclasses
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import torch
from benchmark import OUT, machine

ARCHITECTURES, SIZE = ("ResEncL", "PrimusM"), 160


def write(architecture: str, path: Path) -> None:
    from tebench.encoders import primus, resenc
    from tebench.encoders.base import EncoderFacts, InputSpec

    facts = EncoderFacts("full", "", "", "", "", "", "", 0)
    if architecture == "ResEncL":
        network, encoder, stem = resenc.random(0, facts, InputSpec()), "encoder.stages", "encoder.stem"
        weights = {f"encoder.{key.replace('levels.', 'stages.', 1)}": v for key, v in network.state_dict().items()}
    else:
        network = primus.random(0, facts, InputSpec(divisor=8), dataclasses.replace(primus.M, grid=(20, 20, 20)))
        weights, encoder, stem = dict(network.state_dict()), "eva", "down_projection"
    configuration = {
        "spacing": [1, 1, 1], "patch_size": [160, 160, 160], "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
    }  # fmt: skip
    plan = {
        "architecture_plans": {"arch_class_name": architecture, "arch_kwargs": None},
        "pretrain_plan": {
            "dataset_name": "none (random weights)", "transpose_forward": [0, 1, 2],
            "configurations": {"onemmiso": configuration},
        },
        "pretrain_num_input_channels": 1, "recommended_downstream_patchsize": [160, 160, 160],
        "key_to_encoder": encoder, "key_to_stem": stem,
    }  # fmt: skip
    torch.save({"network_weights": weights, "nnssl_adaptation_plan": plan, "trainer_name": "none"}, path)


def memory(mark: str) -> float:
    """GiB of this process: VmRSS now, VmHWM the most since `forget`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(mark)).split()[1]) / 2**20


def timed(rows: list, step: str, call):
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # sets VmHWM back to VmRSS
    wall, cpu = time.perf_counter(), time.process_time()
    value = call()
    rows.append((step, time.perf_counter() - wall, time.process_time() - cpu, memory("VmHWM")))
    print(f"{step:<44} {rows[-1][1]:8.2f} s  {rows[-1][2]:8.2f} CPU s  peak {rows[-1][3]:5.2f} GiB", flush=True)
    return value


def measure(architecture: str, size: int, path: Path, out) -> None:
    """Steps of one architecture: (step, wall s, CPU s, peak GiB), and facts in words."""
    from tebench.encoders.checkpoints import describe, fingerprint, open_checkpoint
    from tebench.features.frozen import FrozenNetwork

    torch.set_num_threads(1)
    rows: list = []
    reading = timed(rows, "describe (every weight looked at)", lambda: describe(path))
    timed(rows, "fingerprint (sha256 of the file)", lambda: fingerprint(path))
    encoder = timed(rows, "open (every weight checked)", lambda: open_checkpoint(path))
    patch = torch.randn(1, 1, size, size, size)
    maps = timed(rows, f"forward {size}^3", lambda: encoder(patch))
    pairs = list(zip(reading.stages, maps, strict=True))
    stages = ", ".join(f"{stage.name} {'x'.join(map(str, m.shape[1:]))}" for stage, m in pairs)
    del maps, pairs
    network = FrozenNetwork(encoder, 0, "cpu")
    if network.decoder is not None:
        timed(rows, f"forward {size}^3 with the random decoder", lambda: network(patch.numpy()))
    size_mb = path.stat().st_size / 2**20
    facts = f"{reading.facts.n_parameters:,} parameters, file of {size_mb:.0f} MiB. Stages: {stages}."
    print(facts, flush=True)
    out.put((architecture, facts, rows))


def main(architectures: tuple[str, ...], size: int) -> None:
    start = multiprocessing.get_context("spawn")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for architecture in architectures:
            print(architecture, flush=True)
            path, out = Path(folder) / f"{architecture}-random.pth", start.Queue()
            writer = start.Process(target=write, args=(architecture, path))
            writer.start()
            writer.join()
            reader = start.Process(target=measure, args=(architecture, size, path, out))
            reader.start()
            reader.join()
            if reader.exitcode:
                sys.exit(f"{architecture} failed; a patch needs at least 64 voxels along each axis")
            found.append(out.get())
            path.unlink()
    if (architectures, size) == (ARCHITECTURES, SIZE):
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "openmind.md").write_text(page(found, size), encoding="utf-8")


def page(found: list, size: int) -> str:
    lines = [
        "<!-- Written by `python tests/performance/openmind_full_width.py`. -->",
        f"# Full-width OpenMind encoders on one {size}^3 patch", "",
        "A checkpoint of the full width is written in the public format (random weights), read back, and run once, "
        "without warm-up, on one thread. Peak memory is of the whole process, in each step. On a machine that others "
        "use too, CPU seconds are the figure to read.", "",
        f"Machine: {machine()}.", "",
        "| encoder | step | wall s | CPU s | peak GiB |", "|---|---|---:|---:|---:|",
    ]  # fmt: skip
    for architecture, _, rows in found:
        lines += [f"| {architecture} | {s} | {wall:.1f} | {cpu:.1f} | {peak:.2f} |" for s, wall, cpu, peak in rows]
    lines += ["", *(f"- {architecture}: {facts}" for architecture, facts, _ in found)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    given = sys.argv[1:]
    main((given[0],) if given else ARCHITECTURES, int(given[1]) if len(given) > 1 else SIZE)
