"""URLs: what is a store, what is refused, and how one manifest runs on a folder."""

import pickle
from pathlib import Path

import pytest

from ringfence.errors import ConditionalWritesUnsupported, InvalidInput, ObjectNotFound
from ringfence.store import FolderStore, Stores, require_conditional_writes


def test_a_mapped_bucket_is_a_folder_under_the_same_url(tmp_path):
    store = Stores(tmp_path).open("s3://mercy/readmissions/")
    store.put("manifest/1", b"x")
    assert store.url == "s3://mercy/readmissions"
    assert (tmp_path / "mercy/readmissions/manifest/1").read_bytes() == b"x"


def test_a_file_url_with_encoded_characters_is_its_folder(tmp_path):
    folder = tmp_path / "with space & percent%41"
    Stores().open(folder.as_uri()).put("x", b"1")
    assert (folder / "x").read_bytes() == b"1"


def test_stores_travel_to_another_process(tmp_path):
    stores = pickle.loads(pickle.dumps(Stores(tmp_path)))
    stores.open("s3://bucket/x").put("k", b"1")
    assert (tmp_path / "bucket/x/k").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/plain/path", "is not a store; write file:///folder or s3://bucket/prefix"),
        ("", "is not a store"),
        ("http://host/x", "is not a store"),
        ("s3:bucket/x", "is not a store"),
        ("file:relative", "is not a store"),
        ("file://host/x", "needs an absolute path"),
        ("file:///a/../b", "no '..'"),
        ("file:///a/%2e%2e/b", "no '..'"),
        ("s3://", "not the name of a bucket"),
        ("s3://../x", "not the name of a bucket"),
        ("s3://UPPER/x", "not the name of a bucket"),
        ("s3://bucket/../other", "'..'"),
        ("s3://bucket/a//b", "empty part"),
        ("s3://key:secret@bucket/x", "no query, fragment or credentials"),
        ("s3://bucket/x?versionId=1", "no query, fragment or credentials"),
        ("s3://[/x", "not a URL"),
    ],
)
def test_any_other_url_is_refused(tmp_path, url, message):
    with pytest.raises(InvalidInput) as caught:
        Stores(tmp_path).open(url)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


class OverwritingStore(FolderStore):
    """A gateway that takes the condition and ignores it."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True


class OverwritingQuietly(FolderStore):
    """A gateway that overwrites and says that it did not."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        there = self.exists(key)
        self.put(key, data)
        return not there


class BusyStore(FolderStore):
    """A store that answers the first create with a conflict although nothing landed."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        marker = self.root / "was-busy"
        if not marker.exists():
            self.put("was-busy", b"")
            return False
        return super().put_if_absent(key, data)


@pytest.mark.parametrize("kind", [OverwritingStore, OverwritingQuietly])
def test_a_store_that_overwrites_is_refused_for_ledgers(tmp_path, kind):
    store = kind("file:///x", Path(tmp_path))
    with pytest.raises(ConditionalWritesUnsupported, match=r"^file:///x: the store creates an object that is there"):
        require_conditional_writes(store)
    assert store.list() == []


def test_one_conflict_does_not_condemn_a_store(tmp_path):
    require_conditional_writes(BusyStore("file:///x", Path(tmp_path)))


def test_the_probe_is_made_once_per_root(tmp_path):
    store = FolderStore("file:///x", tmp_path)
    require_conditional_writes(store)
    tmp_path.rename(tmp_path.with_name("moved"))
    require_conditional_writes(store)
    assert not tmp_path.exists()
    with pytest.raises(ObjectNotFound):
        store.get("x")
