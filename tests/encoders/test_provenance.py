"""Every encoder of the zoo says what made it, without a download."""

import json

import pytest

from tebench.assets import catalogue as assets
from tebench.base.errors import UnknownNameError
from tebench.encoders import catalogue, provenance


@pytest.mark.parametrize("name", catalogue.names())
def test_every_encoder_has_a_record(name, monkeypatch):
    monkeypatch.setattr(assets, "fetch", lambda name: pytest.fail("a download"))
    found = provenance.record(name)
    assert found["name"] == found["facts"]["name"] == name and name in catalogue.names("zoo_v2")
    assert found["pool"] == catalogue.entry(name).pool and found["factors"]["shape"]
    assert len(found["weights"].get("sha256") or found["weights"]["fingerprint"]) == 64
    for field in ("training_data", "licence", "source", "pretraining"):
        assert found["facts"][field]
    assert found["facts"]["n_parameters"] > 0 and found["command"].startswith("python -")
    assert json.loads(json.dumps(found)) == found


def test_the_records_hold_what_tells_encoders_apart():
    assert provenance.record("deepbet")["weights"]["sha256"] == catalogue.entry("deepbet").sha256
    assert provenance.record("deepbet_random")["weights"]["seed"] == 1
    graded = provenance.record("deepbet_graded_75")["weights"]
    assert graded["ends"] == ["deepbet", "deepbet_random"] and graded["share"] == 0.75
    with pytest.raises(UnknownNameError):
        provenance.record("deepbit")
