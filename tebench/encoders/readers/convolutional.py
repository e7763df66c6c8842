"""Three released convolutional encoders that are no class of a package: MedicalNet, Models Genesis, STU-Net.

Sources: Chen et al. 2019, arXiv 1904.00625; Zhou et al. 2019, arXiv 1908.06912 (its network is SuPreM's U-Net, too);
Huang et al. 2023, arXiv 2304.06716. Sizes are read from the weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from tebench.base.errors import InputError
from tebench.encoders import genesis, medicalnet, stunet
from tebench.encoders.base import EncoderFacts, InputSpec
from tebench.encoders.files.opened import Content
from tebench.encoders.readers import nnunet_ct, released
from tebench.encoders.readers.assemble import assemble
from tebench.encoders.readers.segresnet import is_suprem
from tebench.encoders.readers.statement import Statement
from tebench.encoders.reading import Reading
from tebench.encoders.states import dicts_of, locate

_ANY = EncoderFacts("", "", "", "", "", "", "", 0)


@dataclass(frozen=True)
class Kind:
    """network: a module of `tebench.encoders` with Network(facts, spec, plan), plan_of, VERSION, ROOTS, STEM."""

    architecture: str
    network: object
    known: released.Released
    note: str

    def _plan(self, content: Content):
        """(the plan, prefix) of the first dict of tensors that has such a network; None where there is none."""
        stem = self.network.STEM
        for weights in dicts_of(content).values():
            for key, value in weights.items():
                if (key == stem or key.endswith("." + stem)) and value.ndim == 5:
                    before = key.removesuffix(stem)
                    own = {name.removeprefix(before): held for name, held in weights.items() if name.startswith(before)}
                    if (plan := self.network.plan_of(own)) is not None:
                        return plan
        return None

    def recognise(self, content: Content) -> str | None:
        return None if self._plan(content) is None else f"weights such as {self.network.STEM}"

    def sidecars(self, path: Path) -> list[Path]:
        file = nnunet_ct.pickle_of(path) if self.network is stunet else None
        return [file] if file else []

    def _ct(self, content: Content, stated: Statement) -> str:
        found = "none" if "normalisation" in stated.input else nnunet_ct.normalisation(content)
        if found is None:
            raise InputError(
                f"checkpoint {content.path}: {self.architecture} clips CT values to percentiles of its training data, "
                f"which neither the file nor {content.path.name}.pkl beside it states. Put that file there, or write "
                "input: "
                f'{{normalisation: "ct(low,high,mean,sd)"}} in {content.path.stem}.yaml.'
            )
        return found

    def read(self, content: Content, name: str, stated: Statement, *, channels: int | None = None) -> Reading:
        if channels is not None:
            raise InputError(f"checkpoint {content.path}: channels= is for nnssl files.")
        plan = self._plan(content)
        known = released.SUPREM if self.network is genesis and is_suprem(content) else self.known
        notes = [self.note]
        with torch.device("meta"):
            needed = self.network.Network(_ANY, InputSpec(), plan).state_dict()
        found = locate(content, needed, [self.network.STEM], self.network.ROOTS)
        if self.network is stunet:
            known = replace(known, normalisation=self._ct(content, stated))
        if not {"spacing", "normalisation", "patch"} <= set(stated.input):
            notes.append(known.note())
        spec = stated.apply(known.spec(plan.channels, plan.divisor), notes)
        return assemble(
            content, name=name, architecture=self.architecture, words=stated.words(**known.words()), spec=spec,
            make=lambda facts, spec: self.network.Network(facts, spec, plan), weights=found.weights,
            version=self.network.VERSION, shape=plan, notes=[*notes, *found.notes], axes=plan.axes,
        )  # fmt: skip


medicalnet_files = Kind(
    "3D ResNet, dilated", medicalnet, released.MEDICALNET,
    "the authors fill zero background with noise, here it is 0; layers 3 and 4 are dilated, as in MedicalNet's own "
    "network; MONAI's ResNet has strides there, same weights",
)  # fmt: skip
genesis_files = Kind(
    "3D U-Net of Models Genesis", genesis, released.GENESIS,
    "its normalisation uses each window's own statistics, as the authors' code does in evaluation, too",
)  # fmt: skip
stunet_files = Kind(
    "STU-Net", stunet, released.STUNET,
    "strides are assumed to be 2 between stages: the weights do not say",
)  # fmt: skip
