"""One contract for every store: a folder, a folder standing for a bucket, S3 as moto plays it, and a real MinIO."""

import logging
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto.server import ThreadedMotoServer
from support.minio_server import Server, running

from ringfence.errors import InvalidInput, ObjectNotFound, StoreError
from ringfence.store import ObjectInfo, Original, Stores, require_conditional_writes


@pytest.fixture(scope="module")
def moto_server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Server(f"{host}:{port}")
    server.stop()


@pytest.fixture(scope="module")
def minio_server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("minio")) as server:
        yield server


def use_server(monkeypatch, server):
    """A new bucket on the server, and the variables that lead there."""
    for name, value in server.variables().items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ALLOW_HTTP", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    client, bucket = server.client(), f"test-{secrets.token_hex(6)}"
    client.make_bucket(bucket_name=bucket)
    return client, bucket


@pytest.fixture(params=["folder", "mapped", "moto", "minio"])
def store(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return Stores().open((tmp_path / "a folder").as_uri())
    if request.param == "mapped":
        return Stores(tmp_path).open("s3://bucket/some/prefix")
    _, bucket = use_server(monkeypatch, request.getfixturevalue(f"{request.param}_server"))
    return Stores().open(f"s3://{bucket}/some/prefix")


@pytest.fixture(params=["moto", "minio"])
def versioned(request, monkeypatch):
    from minio.versioningconfig import ENABLED, VersioningConfig

    client, bucket = use_server(monkeypatch, request.getfixturevalue(f"{request.param}_server"))
    client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(ENABLED))
    return Stores().open(f"s3://{bucket}/some/prefix")


def test_what_was_put_is_got(store):
    for data in (b"", b"x", os.urandom(300_000)):
        store.put("shards/one", data)
        assert store.get("shards/one") == data


def test_an_open_object_keeps_its_bytes_when_another_is_put_over_it(store):
    data = os.urandom(300_000)
    store.put("rounds/1/model", data)
    with store.reading("rounds/1/model") as file:
        store.put("rounds/1/model", b"another")
        assert file.read() == data
        file.seek(-10, os.SEEK_END)
        assert file.read() == data[-10:]
    with pytest.raises(ObjectNotFound, match="no such object"), store.reading("rounds/2/model"):
        pass


def test_every_allowed_character_survives(store):
    key = "updates/sha256:AZaz09._=@+~-/x.zip"
    store.put(key, b"1")
    assert store.get(key) == b"1"
    assert store.list() == [ObjectInfo(key, 1)]


def test_an_absent_object_is_named(store):
    with pytest.raises(ObjectNotFound, match=rf"^{store.url}/ledger/7: no such object$"):
        store.get("ledger/7")
    store.put("ledger/7/x", b"")
    with pytest.raises(ObjectNotFound):
        store.get("ledger/7")


def test_only_the_first_create_lands(store):
    assert store.put_if_absent("ledger/0", b"first") is True
    assert store.put_if_absent("ledger/0", b"second") is False
    assert store.get("ledger/0") == b"first"
    assert store.list() == [ObjectInfo("ledger/0", 5)]


def test_of_many_concurrent_creators_one_wins(store):
    with ThreadPoolExecutor(16) as pool:
        for entry in range(4):
            bodies = [f"{entry} by {writer}".encode() for writer in range(16)]
            won = list(pool.map(lambda body, n=entry: store.put_if_absent(f"ledger/{n}", body), bodies))
            assert won.count(True) == 1
            assert store.get(f"ledger/{entry}") == bodies[won.index(True)]


def test_list_is_sorted_recursive_and_by_folder(store):
    for key in ("ledger/1", "ledger/10", "ledger-2/0", "ledger/a/b", "manifest/0"):
        store.put(key, key.encode())
    assert [found.key for found in store.list("ledger")] == ["ledger/1", "ledger/10", "ledger/a/b"]
    assert store.list("ledger/") == store.list("ledger")
    assert [found.key for found in store.list()] == ["ledger-2/0", "ledger/1", "ledger/10", "ledger/a/b", "manifest/0"]
    assert store.list("nothing") == []


def test_a_root_that_is_not_there_is_empty(store):
    assert store.list() == []
    assert store.exists("x") is False


def test_delete_is_idempotent(store):
    store.put("staging/1", b"x")
    assert store.exists("staging/1")
    store.delete("staging/1")
    store.delete("staging/1")
    assert not store.exists("staging/1")
    assert store.put_if_absent("staging/1", b"y")


def test_an_object_without_history_has_one_version(store):
    assert store.versions("a/b") == []
    store.put("a/b", b"old")
    store.put("a/b", b"newer")
    (only,) = store.versions("a/b")
    assert (only.version_id, only.size, only.deleted) == ("null", 5, False)
    assert store.get_version("a/b", only.version_id) == b"newer"
    with pytest.raises(ObjectNotFound):
        store.get_version("a/b", "11111111-1111-1111-1111-111111111111")


def test_versions_are_listed_oldest_first_with_delete_markers(versioned):
    versioned.put("ledger/1", b"the entry")
    versioned.put("ledger/1", b"overwritten later")
    time.sleep(1.1)  # times of versions may have whole seconds
    versioned.delete("ledger/1")
    versioned.put("ledger/11", b"another object with the same start")
    found = versioned.versions("ledger/1")
    assert [version.deleted for version in found] == [False, False, True]
    assert versioned.get_version("ledger/1", found[0].version_id) == b"the entry"
    assert versioned.get_version("ledger/1", found[1].version_id) == b"overwritten later"
    assert not versioned.exists("ledger/1")


def test_the_original_outlives_overwriting_and_deleting(versioned):
    versioned.put("ledger/1", b"the entry")
    (first,) = versioned.versions("ledger/1")
    assert versioned.original("ledger/1") == Original(b"the entry")
    assert versioned.put_if_absent("ledger/1", b"x") is False
    versioned.put("ledger/1", b"overwritten later")
    time.sleep(1.1)  # times of versions may have whole seconds
    versioned.delete("ledger/1")
    assert versioned.original("ledger/1").data == b"the entry"
    assert versioned.put_if_absent("ledger/1", b"created behind a delete marker") is True
    found = versioned.original("ledger/1")
    assert found.data == b"the entry"
    assert first.version_id not in {version.version_id for version in found.others}
    assert [version.deleted for version in found.others].count(True) == 1
    assert len(found.others) == 3
    assert all(version.when.startswith("20") for version in found.others)
    with pytest.raises(ObjectNotFound):
        versioned.original("ledger/2")


def test_the_original_of_an_object_without_history_is_the_object(store):
    with pytest.raises(ObjectNotFound, match=rf"^{store.url}/ledger/7: no such object$"):
        store.original("ledger/7")
    store.put("ledger/7", b"the entry")
    assert store.original("ledger/7") == Original(b"the entry")
    assert store.put_if_absent("ledger/8", b"the next") is True
    assert store.original("ledger/8") == Original(b"the next")
    with pytest.raises(ObjectNotFound):
        store.original("ledger/9")


def test_conditional_writes_are_proven_and_leave_nothing(store):
    require_conditional_writes(store)
    require_conditional_writes(store)
    assert store.list() == []


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("", "empty part"),
        ("/etc/passwd", "absolute"),
        ("../outside", "'..'"),
        ("a/../../outside", "'..'"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("./a", "'.'"),
        ("a/.tmp-1", "half-written"),
        ("a b", "character other than"),
        ("a\\b", "character other than"),
        ("a\x00b", "character other than"),
        ("a%2e%2e", "character other than"),
        ("é", "character other than"),
        ("x" * 256, "longer than 255"),
        ("x/" * 500 + "x", "longer than 900"),
    ],
)
def test_a_key_never_leaves_the_root(store, key, fault):
    reading = (store.get, store.versions, store.original, store.exists, lambda key: store.get_version(key, "null"))
    for use in (*reading, store.delete):
        with pytest.raises(InvalidInput, match=f"object key .*{fault}"):
            use(key)
    for write in (store.put, store.put_if_absent):
        with pytest.raises(InvalidInput, match=fault):
            write(key, b"")
    if key:
        with pytest.raises(InvalidInput, match="object key"):
            store.list(key if key != "a/" else "a//")


@pytest.mark.parametrize("server", ["moto", "minio"])
def test_a_missing_bucket_is_said_so(server, request, monkeypatch):
    use_server(monkeypatch, request.getfixturevalue(f"{server}_server"))
    store = Stores().open("s3://no-such-bucket/x")
    for use in (store.get, store.list, store.versions, lambda key: store.put(key, b"")):
        with pytest.raises(StoreError, match=r"^s3://no-such-bucket/x/k: .*(does not exist|NoSuchBucket)") as caught:
            use("k")
        assert not isinstance(caught.value, ObjectNotFound)
        assert "\n" not in str(caught.value)


def test_wrong_credentials_are_said_so(minio_server, monkeypatch):
    _, bucket = use_server(monkeypatch, minio_server)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match=rf"^s3://{bucket}/k: not allowed to write this object; check the AWS_\* var"):
        Stores().open(f"s3://{bucket}").put("k", b"")
    with pytest.raises(StoreError, match=rf"^s3://{bucket}/k: not allowed to list this object; check the AWS_\* var"):
        Stores().open(f"s3://{bucket}").list("k")


def test_a_server_that_is_away_is_one_line(monkeypatch):
    from datetime import timedelta

    monkeypatch.setattr("ringfence.store.s3._RETRY_FOR", timedelta(seconds=1))
    for name, value in Server("127.0.0.1:9").variables().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match=r"^s3://bucket/k: cannot read this object: ") as caught:
        Stores().open("s3://bucket").get("k")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
