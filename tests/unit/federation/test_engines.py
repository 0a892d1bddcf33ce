"""Which engine a unit gets, and that none is given in another's place."""

from __future__ import annotations

import pytest
from support.hospitals import House

from ringfence.acceptance.units import check_unit
from ringfence.errors import PlanImpossible
from ringfence.federation.engines import Training, engine
from ringfence.privacy.ledger.entries import PlanRecord


@pytest.fixture
def whole_silo(tmp_path):
    house = House(tmp_path, records=120).build()
    manifest = house.manifest("mercy")
    return house.manifests().job(), manifest.model_copy(update={"unit": "Silo"})


def test_a_whole_silo_is_refused_at_acceptance(whole_silo):
    job, manifest = whole_silo
    with pytest.raises(PlanImpossible, match="its unit is Silo, which needs noise on the sum over silos"):
        check_unit(job, "mercy", manifest)


def test_a_whole_silo_is_never_trained_by_record(whole_silo):
    """Record's engine would clip records and be charged for a silo."""
    job, manifest = whole_silo
    reserved = PlanRecord("gaussian", "5", "1/1", 1, 1, "1", "1", "1e-5")
    with pytest.raises(PlanImpossible, match="no engine here protects a whole silo"):
        engine(Training(job, "mercy", manifest, reserved, None), None)
