"""The traffic story's arms are honest, its folder is never another's, its ending says what happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from ringfence.cli.output import table
from ringfence.demo import jobs
from ringfence.demo.ending import Account, Arm, Ending, labels
from ringfence.demo.flights import AIRPORTS
from ringfence.demo.folder import make_folder
from ringfence.errors import InvalidInput
from ringfence.federation.trial import try_synthetic
from ringfence.schema import load_schema
from ringfence.spec import Manifests, dump

EXAMPLE = Path(__file__).parents[3] / "examples" / "traffic"


def ending(refusal: str = "BudgetExhausted: dataset ds: needs 3.9") -> Ending:
    arms = tuple(Arm(name, data, "0.7123456") for name, data in labels(AIRPORTS))
    accounts = (Account("EWR", "4", "2.4797", "3.4605", 3),)
    path = Path.cwd() / "demo-traffic"
    return Ending(path, arms, accounts, refusal, "s3://delays/models/u", path / "report.html", 294_611, 9_430, 30.0)


def test_every_arm_trains_the_same_model_for_as_long_on_as_much() -> None:
    arms = [jobs.federated(), jobs.open_copies(AIRPORTS, "all"), jobs.open_copies(("ewr",), "alone")]
    shared = {
        (str(job.spec.task), job.spec.rounds, job.spec.local.epochs, job.spec.local.batch_size, job.spec.seed)
        for job in arms
    }
    assert len(shared) == 1


def test_arms_without_privacy_use_only_copies_sealed_as_public() -> None:
    job = jobs.open_copies(AIRPORTS, "all")
    assert job.spec.privacy is None
    assert [silo.dataset for silo in job.spec.silos] == [jobs.public_url(airport) for airport in AIRPORTS]
    assert all(silo.budget_ref is None for silo in job.spec.silos)


def test_plain_arms_share_one_learning_rate() -> None:
    rates = {jobs.open_copies(part, "a").spec.local.optimizer.learning_rate for part in (AIRPORTS, ("ewr",))}
    assert len(rates) == 1


def test_every_arm_is_scored_on_the_same_holdout() -> None:
    for job in (jobs.federated(), jobs.open_copies(("lga",), "alone")):
        assert job.spec.evaluation is not None
        assert (job.spec.evaluation.dataset, job.spec.evaluation.metrics) == (jobs.HOLDOUT, ("auc",))


def test_the_private_job_asks_for_the_promised_epsilon() -> None:
    privacy = jobs.federated().spec.privacy
    assert privacy is not None
    assert (privacy.epsilon, privacy.delta) == ("2", "1e-6")


def test_the_ending_labels_the_arms_that_are_not_private() -> None:
    lines = ending().lines(table)
    for name in ("EWR alone", "JFK alone", "LGA alone", "all federated"):
        assert any(line.startswith(name) and "copies sealed --public, no privacy  0.7123" in line for line in lines)
    assert any("2.4797" in line and "3.4605" in line for line in lines)
    assert "294,611 flights; 9,430 cancelled or diverted ones are left out." in lines


def test_a_greedy_job_that_was_admitted_is_a_failure_in_capitals() -> None:
    assert ending().held
    failed = ending(refusal="")
    assert not failed.held
    assert "THE GREEDY JOB WAS NOT REFUSED: please report this" in failed.lines(table)


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("dear")
    with pytest.raises(InvalidInput, match="is not empty; name another folder with --dir"):
        make_folder(tmp_path, "traffic")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_a_name_the_first_free_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = [make_folder(None, "traffic").root.name for _ in range(2)]
    assert found == ["demo-traffic", "demo-traffic-2"]


def test_the_examples_are_what_the_demo_leaves(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "new", "traffic")
    folder.write_schema("traffic")
    assert (EXAMPLE / "schema.yaml").read_bytes() == folder.schema.read_bytes()
    assert load_schema(folder.schema).target_column is not None
    assert (EXAMPLE / "job.yaml").read_text() == dump(jobs.federated())
    assert (EXAMPLE / "greedy.yaml").read_text() == dump(jobs.federated(jobs.TOO_GREEDY, "greedy"))
    assert (EXAMPLE / "federated-public.yaml").read_text() == dump(jobs.open_copies(AIRPORTS, "federated-public"))
    for airport in AIRPORTS:
        alone = jobs.open_copies((airport,), f"alone-{airport}")
        assert (EXAMPLE / f"alone-{airport}.yaml").read_text() == dump(alone)


def test_the_task_that_is_left_to_edit_holds_together(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "story", "traffic")
    folder.write_schema("traffic")
    folder.write_task()
    tried = try_synthetic(Manifests((jobs.own_task(),), ()), code=folder.root / "task", schema=folder.schema)
    assert (tried.task, tried.code[:7]) == ("late_arrivals:TabularClassifier", "sha256:")
