"""Full-width OpenMind encoders, once: write a checkpoint in the public format, read it, run one patch.

    OMP_NUM_THREADS=1 python tests/performance/openmind_full_width.py ResEncL 160
    OMP_NUM_THREADS=1 python tests/performance/openmind_full_width.py PrimusM 160

Prints seconds and peak memory of reading and of one forward pass; weights are random, which changes neither.
"""

import dataclasses
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from tebench.encoders import primus, resenc
from tebench.encoders.base import EncoderFacts, InputSpec
from tebench.encoders.checkpoints import describe, fingerprint, open_checkpoint

FACTS = EncoderFacts("full", "", "", "", "", "", "", 0)


def write(architecture: str, path: Path) -> None:
    if architecture == "ResEncL":
        network, encoder, stem = resenc.random(0, FACTS, InputSpec()), "encoder.stages", "encoder.stem"
        weights = {f"encoder.{key.replace('levels.', 'stages.', 1)}": v for key, v in network.state_dict().items()}
    else:
        network = primus.random(0, FACTS, InputSpec(divisor=8), dataclasses.replace(primus.M, grid=(20, 20, 20)))
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


def timed(what: str, call):
    begin = time.perf_counter()
    value = call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{what:<28} {time.perf_counter() - begin:7.2f} s   peak so far {peak:5.2f} GiB", flush=True)
    return value


def main(architecture: str, size: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{architecture}-random.pth"
        # In another process, so that its memory is not counted.
        import multiprocessing

        writer = multiprocessing.get_context("spawn").Process(target=write, args=(architecture, path))
        writer.start()
        writer.join()
        reading = timed("describe (weights mapped)", lambda: describe(path))
        timed("fingerprint (sha256)", lambda: fingerprint(path))
        encoder = timed("open (every weight checked)", lambda: open_checkpoint(path))
        print(f"{reading.facts.n_parameters:,} parameters, file of {path.stat().st_size / 2**20:.0f} MiB")
        maps = timed(f"forward {size}^3", lambda: encoder(torch.randn(1, 1, size, size, size)))
        print(", ".join(f"{stage.name} {tuple(found.shape[1:])}" for stage, found in zip(reading.stages, maps)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
