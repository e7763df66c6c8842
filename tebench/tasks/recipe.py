"""From a short recipe (sources, classes) to a task with template and virtual cases."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from tebench.assets import catalogue as assets
from tebench.base import storage
from tebench.base.errors import InputError
from tebench.tasks import case_store
from tebench.tasks.base import Case, Task
from tebench.tasks.image_registry import image_id
from tebench.tasks.source import Source
from tebench.tasks.virtual import Variation, generator, simulate

VERSION = 1  # raise when the same recipe would give other bytes: reading, resampling or simulation changed


@dataclass(frozen=True)
class TaskRecipe:
    """All that determines a task's cases.

    classes: foreground names, in label order 1, 2, ...
    train, test: real images; each gives its own case and `n_virtual` / `n_test_virtual` virtual subjects.
    facts: modality, anatomy, source, licence, label_origin, note.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    train: tuple[Source, ...]
    test: tuple[Source, ...]
    facts: dict
    n_virtual: int = 5
    n_test_virtual: int = 3
    spacing: float = 2.0
    variation: Variation = field(default_factory=Variation)

    def task(self, cache: Path | None = None) -> Task:
        """The task; nothing is fetched before a case is loaded.

        cache: where cases are stored, by default the `tasks` folder of the user's cache.
        """
        origins: dict[str, tuple[Source, int]] = {}
        groups = []
        for sources, n_virtual in ((self.train, self.n_virtual), (self.test, self.n_test_virtual)):
            ids = []
            for source in sources:
                ids.append((source.case_id, (source, 0)))
                ids += [(f"{source.prefix}virtual-{k}", (source, k)) for k in range(1, n_virtual + 1)]
            groups.append(tuple(case_id for case_id, _ in ids))
            for case_id, origin in ids:
                if case_id in origins:
                    raise InputError(f"task {self.name!r}: two cases are called {case_id!r}; give sources prefixes.")
                origins[case_id] = origin
        fingerprint = self.fingerprint()
        classes = ("background", *self.classes)
        folder = Path(cache or storage.cache_root() / "tasks") / f"{self.name}-{fingerprint[:16]}"

        def load(case_id: str) -> Case:
            source, index = origins[case_id]
            if index == 0:
                return case_store.load_or_make(folder, case_id, lambda: source.read(classes, self.spacing))
            return case_store.load_or_make(folder, case_id, lambda: virtual(case_id, source))

        def virtual(case_id: str, source: Source) -> Case:
            rng = generator("virtual subject", self.name, case_id)
            return simulate(load(source.case_id), case_id, self.variation, rng, source.outside)

        facts = {
            **self.facts,
            "packages": self.packages(),
            "training_images": [image_id(source.package, source.image) for source in self.train],
            "test_images": [image_id(source.package, source.image) for source in self.test],
            "spacing_mm": self.spacing,
            "n_real_training_images": len(self.train),
            "n_real_test_images": len(self.test),
            "virtual_subjects": f"{len(groups[0]) - len(self.train)} training and {len(groups[1]) - len(self.test)} "
            "test cases are virtual subjects: simulated from the real images by random smooth deformation, small "
            "affine, contrast, bias field, gain and noise; they add no new anatomy",
        }
        return Task(self.name, self.title, classes, groups[0], groups[1], facts, fingerprint, load)

    def packages(self) -> list[str]:
        """Names of the packages that the cases are read from, sorted."""
        return sorted({name for source in self.train + self.test for name in source.packages()})

    def fingerprint(self) -> str:
        """Hash of the recipe, its version and the pinned packages; case seeds derive from the names inside."""
        recipe = asdict(self)
        # Words about a task do not change its cases.
        del recipe["facts"], recipe["title"]
        pins = {name: assets.fingerprint(name) for name in self.packages()}
        kinds = [type(source.labels).__name__ for source in self.train + self.test]
        named = {"recipe": recipe, "labels": kinds, "packages": pins, "version": VERSION}
        sources = [type(source).__name__ for source in self.train + self.test]
        if set(sources) != {"Source"}:  # named only where they say something: older fingerprints stand
            named["sources"] = sources
        return storage.hash_json(named)
