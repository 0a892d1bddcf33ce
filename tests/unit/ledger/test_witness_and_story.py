"""What is remembered of a ledger elsewhere, and how it reads as a story."""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_samples import DATASET, OWNER, SILO, WRITER, charge_of, digest, folder, new_ledger, reopen, reserve_of

from ringfence.errors import InvalidInput, LedgerRolledBack, StoreError
from ringfence.privacy.ledger import FileWitness, Head, Ledger, charge, claim, close, reserve, set_limit, story


def test_a_witness_remembers_the_furthest_head_across_processes(tmp_path):
    witness = FileWitness(tmp_path / "state")
    assert witness.remembered(DATASET) is None
    witness.remember(DATASET, Head(5, digest("5")))
    witness.remember(DATASET, Head(3, digest("3")))
    assert FileWitness(tmp_path / "state").remembered(DATASET) == Head(5, digest("5"))
    assert witness.remembered("ds-other") is None


def test_every_append_is_remembered(tmp_path):
    witness = FileWitness(tmp_path / "state")
    ledger = new_ledger(folder(tmp_path), witness=witness)
    assert witness.remembered(DATASET) == ledger.view.head == Head(3, ledger.view.head.hash)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"hash":"x"}', b"garbage"])
def test_a_damaged_memory_never_counts_as_none(tmp_path, content):
    (tmp_path / f"{DATASET}.head").write_bytes(content)
    with pytest.raises(StoreError, match=rf"{DATASET}\.head: this remembered head is malformed"):
        FileWitness(tmp_path).remembered(DATASET)
    ledger = new_ledger(folder(tmp_path / "bucket"))
    with pytest.raises(StoreError, match="malformed"):
        reopen(ledger, witness=FileWitness(tmp_path))


def test_a_memory_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreError, match=r"^[^\n]*cannot keep a remembered head"):
        new_ledger(folder(tmp_path / "bucket"), witness=FileWitness(tmp_path / "state"))


def test_a_dataset_id_is_no_path(tmp_path):
    with pytest.raises(InvalidInput, match="malformed"):
        FileWitness(tmp_path).remembered("../outside")


def test_the_ledger_reads_as_a_story(tmp_path):
    ledger = new_ledger(folder(tmp_path))
    claim(ledger, WRITER, "kube:u-1/mercy/patients")
    reserve(ledger, WRITER, reserve_of("job-1", rounds=3))
    charge(ledger, SILO, charge_of("job-1", 1))
    close(ledger, WRITER, job="job-1", silo="mercy", reason="quorum lost")
    set_limit(ledger, OWNER, epsilon=Decimal(4))
    set_limit(ledger, OWNER, epsilon=Decimal(5), reason="ethics board")
    rows = story(ledger)
    job = "job name-of-job-1 (job-1) of research"
    assert [(row.index, row.kind, row.who, row.what) for row in rows] == [
        (0, "open", "owner", f"opens the ledger of dataset {DATASET}, unit Record"),
        (1, "writer", "owner", "lets operator reserve, close and lower the limit"),
        (2, "shards", "owner", "registers 2 shards of new records and 0 that inherit"),
        (3, "limit", "owner", "sets the limit: epsilon 8 at delta 0.000001, by rdp"),
        (4, "owner", "operator", "budget kube:u-1/mercy/patients spends from this ledger"),
        (5, "reserve", "operator", f"reserves rounds 1 to 3 for {job}, silo mercy"),
        (6, "charge", "silo mercy", f"charges round 1 of job job-1, before {digest('update')[:15]}... leaves"),
        (7, "close", "operator", "closes job job-1: 2 rounds given back (quorum lost)"),
        (8, "limit", "owner", "lowers the limit from epsilon 8 to 4"),
        (9, "limit", "owner", "raises the limit from epsilon 4 to 5 (ethics board)"),
    ]
    assert rows[5].epsilon == 0 < rows[5].committed
    assert rows[6].epsilon == rows[9].epsilon == rows[9].committed == ledger.view.spent_epsilon()


def test_a_head_that_another_process_remembers_meanwhile_is_no_rollback(tmp_path):
    """Between listing and asking the witness, another process of this machine may append and remember."""
    other = new_ledger(folder(tmp_path), witness=FileWitness(tmp_path / "state"))

    class Meanwhile(FileWitness):
        def remembered(self, dataset):
            if not other.view.open_reservations():
                reserve(other, WRITER, reserve_of("job-1", rounds=3))
            return super().remembered(dataset)

    ledger = reopen(other, witness=Meanwhile(tmp_path / "state"))
    assert ledger.view.head == other.view.head


class Slow(FileWitness):
    """Its process is slow between asking and telling it: another remembers its own head meanwhile."""

    def remember(self, dataset, head):
        type(self).meanwhile()
        super().remember(dataset, head)


def test_of_two_that_append_at_one_place_of_a_restored_ledger_one_is_refused(tmp_path):
    first = new_ledger(folder(tmp_path / "bucket"))
    reserve(first, WRITER, reserve_of(rounds=5))
    end = first.view.head.index
    Slow.meanwhile = lambda: None
    late = Ledger.open(folder(tmp_path / "bucket"), pin=first.entry0, witness=Slow(tmp_path / "heads"))

    def restored_and_charged_by_another():
        Slow.meanwhile = lambda: None
        (tmp_path / f"bucket/ledger/{end + 1}").unlink()
        other = Ledger.open(folder(tmp_path / "bucket"), pin=first.entry0, witness=FileWitness(tmp_path / "heads"))
        charge(other, SILO, charge_of(number=1, bytes_="other bytes"))

    Slow.meanwhile = restored_and_charged_by_another
    with pytest.raises(LedgerRolledBack, match=f"entry {end + 1} differs from what was seen before"):
        charge(late, SILO, charge_of(number=1))
