"""Whole jobs are in the audit logs of their datasets: each attempt's opening, and who was refused by which clause."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.hospitals import House, patients
from support.threads import Crash, ThreadCluster

from ringfence.errors import CodeNotApproved, TermsRefused
from ringfence.federation.foresee import plan_job
from ringfence.federation.run import run_job
from ringfence.shards.audit_story import tell
from ringfence.shards.auditing import Audit, examine
from ringfence.shards.terms import Terms
from ringfence.spec.load import Manifests, parse_document


@pytest.fixture
def house(tmp_path) -> House:
    return House(tmp_path, records=120, silos=("mercy", "stjude"), job={"rounds": 2}).build()


def examined(house: House, silo: str) -> Audit:
    store = house.stores.open(house.url(silo))
    return examine(store, store, house.manifest(silo), house.ledger(silo))


def events(house: House, silo: str) -> list[str]:
    found = examined(house, silo)
    assert found.faults == ()
    return [entry.event for entry in found.entries]


def with_purposes(house: House, silo: str, *purposes: str, **spec: object) -> Manifests:
    """The house's manifests, the budget of one silo for these purposes."""
    given = house.manifests(**spec)
    document = house.budget_document(silo)
    document["spec"]["purposes"] = list(purposes)
    others = tuple(budget for budget in given.budgets if budget.metadata.namespace != silo)
    return replace(given, budgets=(parse_document(document, "budget"), *others))


class DiesOnce:
    """A store whose process ends at its first staged bytes, so that a second attempt must be made."""

    def __init__(self, inner, left):
        self._inner, self._left = inner, left

    def open(self, url):
        return DiesOnce(self._inner.open(url), self._left)

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def put(self, key, data):
        if key.startswith("staging/") and self._left:
            self._left.pop()
            raise Crash
        self._inner.put(key, data)


def test_each_attempt_opens_once_however_many_rounds_it_runs(tmp_path):
    house = House(tmp_path, records=120, silos=("mercy",), job={"rounds": 2}).build()
    left = [True]
    cluster = ThreadCluster(lambda silo, stores: DiesOnce(stores, left))
    run_job(house.manifests(), house.options(), cluster=cluster)
    assert cluster.deaths == 1
    assert events(house, "mercy") == ["sealed", "opened", "opened"]
    story = list(tell(examined(house, "mercy"), house.ledger("mercy")))
    verbs = ("reserves", "opened", "opened", "charges round 1", "charges round 2", "closes")
    assert all(verb in line for verb, line in zip(verbs, story[-6:], strict=True)), story


def test_a_refusal_by_terms_and_budget_is_told_to_the_owner_who_refused(house):
    house.seal("mercy", patients(30, 9), append=True, terms=Terms(residency=("eu",), opt_outs=("marketing",)))
    manifests = with_purposes(house, "mercy", "billing", purpose="marketing")
    with pytest.raises(TermsRefused):
        run_job(manifests, house.options(), cluster=ThreadCluster())
    last = examined(house, "mercy").entries[-1]
    assert (last.event, last.version) == ("refused", 2)
    assert last.job.clauses == ("budget.purposes", "optOuts", "residency")
    assert events(house, "mercy") == ["sealed", "appended", "refused"]
    assert events(house, "stjude") == ["sealed"]
    line = list(tell(examined(house, "mercy"), house.ledger("mercy")))[-1]
    assert line.endswith(
        "owner refused for job readmission of research: TermsRefused, by budget.purposes, optOuts, residency, version 2"
    )


def test_code_that_is_not_approved_is_told(house, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code/mine.py").write_text("")
    with pytest.raises(CodeNotApproved):
        run_job(
            house.manifests(task={"class": "mine:Task"}), house.options(code=tmp_path / "code"), cluster=ThreadCluster()
        )
    for silo in house.silos:
        last = examined(house, silo).entries[-1].job
        assert (last.reason, last.clauses) == ("CodeNotApproved", ("budget.allowedCode",))


def test_a_plan_writes_nothing_and_nor_does_one_without_the_owners_key(house, tmp_path):
    manifests = with_purposes(house, "mercy", "billing")
    with pytest.raises(TermsRefused):
        plan_job(manifests, store=house.root / "store", state=house.root / "state")
    with pytest.raises(TermsRefused):
        run_job(manifests, house.options(keys=tmp_path / "nowhere"), cluster=ThreadCluster())
    assert events(house, "mercy") == ["sealed"]
