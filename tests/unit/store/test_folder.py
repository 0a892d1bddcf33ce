"""A folder: durable, torn-proof, and honest about what the disk refuses."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ringfence.errors import ConditionalWritesUnsupported, InvalidInput, StoreError
from ringfence.store import FolderStore, Stores, folder

WRITE = """
import resource, signal, sys
from pathlib import Path
from ringfence.errors import StoreError
from ringfence.store import Stores
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
store = Stores(Path(sys.argv[1])).open("s3://bucket/data")
for write in (store.put, store.put_if_absent):
    try:
        write("shards/1", b"x" * 10000)
        print("written")
    except StoreError as error:
        print(error)
"""


@pytest.fixture
def unprivileged(tmp_path):
    """Runs the test without root's right to ignore permissions."""
    if os.geteuid() != 0:
        yield
        return
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    os.seteuid(65534)
    yield
    os.seteuid(0)


def write_both(store):
    for write in (store.put, store.put_if_absent):
        with pytest.raises(StoreError) as caught:
            write("shards/1", b"x" * 10_000)
        yield str(caught.value)


def test_a_file_too_large_is_one_line_and_leaves_nothing(tmp_path):
    done = subprocess.run([sys.executable, "-c", WRITE, tmp_path], capture_output=True, text=True, check=True)
    line = f"s3://bucket/data/shards/1: cannot write this object in folder {tmp_path}/bucket/data: File too large"
    assert done.stdout.splitlines() == [line, line]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS])
def test_a_full_or_broken_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, number):
    def refuse(_descriptor):
        raise OSError(number, os.strerror(number))

    store = Stores().open(tmp_path.as_uri())
    (tmp_path / "shards").mkdir()
    monkeypatch.setattr(folder.os, "fsync", refuse)
    for line in write_both(store):
        assert line == f"{tmp_path.as_uri()}/shards/1: cannot write this object: {os.strerror(number)}"
    assert list((tmp_path / "shards").iterdir()) == []


@pytest.mark.usefixtures("unprivileged")
def test_a_read_only_folder_is_one_line(tmp_path):
    for line in write_both(FolderStore("s3://b/x", tmp_path)):
        assert line == f"s3://b/x/shards/1: cannot write this object in folder {tmp_path}: Permission denied"


def test_an_unreadable_folder_is_not_an_empty_one(tmp_path, request):
    store = FolderStore("file:///x", tmp_path)
    store.put("ledger/0", b"1")
    (tmp_path / "ledger").chmod(0)
    request.getfixturevalue("unprivileged")
    for use in (store.list, store.exists, store.get, store.versions):
        with pytest.raises(StoreError, match="Permission denied"):
            use("ledger/0" if use != store.list else "ledger")


def test_a_root_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("a")
    store = Stores().open((tmp_path / "rows.csv").as_uri())
    for line in write_both(store):
        assert line.endswith("rows.csv/shards/1: cannot write this object: Not a directory")
    with pytest.raises(StoreError, match="Not a directory"):
        store.list()
    assert (tmp_path / "rows.csv").read_text() == "a"


def test_a_file_system_without_hard_links_is_refused_for_ledgers(tmp_path, monkeypatch):
    def refuse(_source, _target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(folder.os, "link", refuse)
    with pytest.raises(ConditionalWritesUnsupported, match="has no hard links"):
        FolderStore("file:///x", tmp_path).put_if_absent("ledger/0", b"")
    assert list((tmp_path / "ledger").iterdir()) == []


def test_everything_is_synced_before_it_is_named_and_after(tmp_path, monkeypatch):
    calls = []
    names = {}
    real = {name: getattr(os, name) for name in ("fsync", "link", "open")}

    def opened(path, *args, **kwargs):
        descriptor = real["open"](path, *args, **kwargs)
        names[descriptor] = Path(path).name
        return descriptor

    def synced(descriptor):
        calls.append(("sync", names.pop(descriptor, "file")))  # numbers of descriptors are used again
        real["fsync"](descriptor)

    def linked(source, target):
        calls.append(("link", Path(target).name))
        real["link"](source, target)

    monkeypatch.setattr(folder.os, "open", opened)
    monkeypatch.setattr(folder.os, "fsync", synced)
    monkeypatch.setattr(folder.os, "link", linked)
    assert FolderStore("file:///x", tmp_path / "new").put_if_absent("ledger/0", b"entry")
    assert calls == [
        ("sync", tmp_path.name),  # it now holds `new`
        ("sync", "new"),  # it now holds `ledger`
        ("sync", "file"),
        ("link", "0"),
        ("sync", "ledger"),
    ]


def test_half_written_files_and_strangers_are_no_objects(tmp_path):
    store = FolderStore("file:///x", tmp_path)
    store.put("ledger/0", b"1")
    (tmp_path / "ledger/.tmp-123").write_bytes(b"half")
    (tmp_path / "ledger/a b").write_bytes(b"stranger")
    (tmp_path / "ledger/dangling").symlink_to(tmp_path / "nowhere")
    assert [found.key for found in store.list()] == ["ledger/0"]
    with pytest.raises(InvalidInput):
        store.get("ledger/.tmp-123")


def test_a_crash_before_the_name_is_given_leaves_no_object(tmp_path, monkeypatch):
    class Crash(BaseException):
        pass

    def crash(*_args):
        raise Crash

    store = FolderStore("file:///x", tmp_path)
    store.put("manifest/1", b"whole")
    monkeypatch.setattr(folder.os, "link", crash)
    monkeypatch.setattr(Path, "replace", crash)
    for write in (store.put, store.put_if_absent):
        with pytest.raises(Crash):
            write("manifest/1", b"other")
        with pytest.raises(Crash):
            write("manifest/2", b"other")
    assert store.get("manifest/1") == b"whole"
    assert [found.key for found in store.list()] == ["manifest/1"]
