"""Each party tries everything on every object of a real MinIO, which itself refuses all but what is listed here."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase

import pytest
from minio.commonconfig import COMPLIANCE
from minio.error import MinioAdminException, S3Error
from minio.retention import Retention
from support.minio_server import running

from ringfence.cli import main
from ringfence.store.policies import coordinator_policy, operator_policy, silo_policy
from ringfence.store.provision import Provisioner

JOB, OTHER = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
OBJECTS = [
    *(f"mercy/p/{name}" for name in ("manifest/1", "shards/sh-1", "quality/1")),
    f"mercy/p/staging/{JOB}/1/aa",
    f"mercy/p/staging/{OTHER}/1/aa",
    "mercy/another/manifest/1",
    "mercy/another/shards/sh-1",
    *(f"stjude/p/{name}" for name in ("manifest/1", "shards/sh-1", f"staging/{JOB}/1/aa")),
    "mercy-ledgers/p/ledger/0",
    "mercy-ledgers/p/audit/0",
    "stjude-ledgers/p/audit/0",
    "stjude-ledgers/p/ledger/0",
    *(f"research/m/{JOB}/rounds/1/{name}" for name in ("model", "commit", "checkpoint")),
    *(f"research/m/{JOB}/rounds/12/updates/{silo}" for silo in ("mercy", "stjude", "model")),
    f"research/m/{JOB}/rounds/1/absent/mercy",
    f"research/m/{JOB}/rounds/1/absent/stjude",
    f"research/m/{JOB}/code/ab.zip",
    f"research/m/{JOB}/statement.json",
    f"research/m/{OTHER}/rounds/1/model",
    f"research/m/{OTHER}/rounds/1/updates/mercy",
    "public/holdout/manifest/1",
    "public/holdout/shards/sh-1",
]
BUCKETS = sorted({name.partition("/")[0] for name in OBJECTS})
LOCKED = ("mercy-ledgers", "stjude-ledgers")
VERBS = ("get", "put", "delete", "get version", "delete version", "list", "versions", "retain")
SILO = {
    "get": ["mercy/p/manifest/*", "mercy/p/shards/*", "mercy/p/staging/JOB/*", "mercy-ledgers/p/*",
            "research/m/JOB/rounds/1/model", "research/m/JOB/rounds/1/commit", "research/m/JOB/code/*",
            "research/m/JOB/rounds/*/updates/mercy", "research/m/JOB/rounds/*/absent/mercy"],
    "put": ["mercy/p/staging/JOB/*", "mercy-ledgers/p/*", "research/m/JOB/rounds/*/updates/mercy",
            "research/m/JOB/rounds/*/absent/mercy"],
    "delete": ["mercy/p/staging/JOB/*"],
    "list": ["mercy/p/manifest/*", "mercy/p/staging/JOB/*", "mercy-ledgers/p/*"],
}  # fmt: skip
DECLARED = ["mercy/p/manifest/*", "stjude/p/manifest/*"]
LEDGERS = ["mercy-ledgers/p/ledger/*", "stjude-ledgers/p/ledger/*"]
LOGS = ["mercy-ledgers/p/audit/*", "stjude-ledgers/p/audit/*"]
STAGED = ["mercy/p/staging/*", "stjude/p/staging/*"]
COORDINATOR = {
    "get": ["research/m/JOB/*", *DECLARED, *LEDGERS, "public/holdout/*"],
    "put": ["research/m/JOB/*"],
    "delete": ["research/m/JOB/*"],
    "list": ["research/m/JOB/*", *DECLARED, *LEDGERS, "public/holdout/manifest/*"],
}
OWNER = {
    "get": ["mercy/p/*", "mercy-ledgers/p/*"],
    "put": ["mercy/p/*", "mercy-ledgers/p/*"],
    "delete": ["mercy/p/*"],
    "list": ["mercy/p/*", "mercy-ledgers/p/*"],
    "retain": ["mercy-ledgers/p/*"],
}
OPERATOR = {
    "get": [*DECLARED, *LEDGERS, *LOGS, "research/m/*"],
    "put": [*LEDGERS, *LOGS, "research/m/*"],
    "delete": ["research/m/*", *STAGED],
    "list": [*DECLARED, *LEDGERS, *LOGS, *STAGED, "research/m/*"],
    "retain": [*LEDGERS, *LOGS],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The store as `ringfence store init` leaves it, with the users of one job beside the standing ones."""
    with running(tmp_path_factory.mktemp("minio")) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.variables().items():
            patch.setenv(name, value)
        folder = tmp_path_factory.mktemp("credentials")
        words = ["store", "init", "--output", "s3://research/m", "--lock-days", "1", "--credentials", str(folder)]
        words += ["--silo", "mercy=s3://mercy/p", "--silo", "stjude=s3://stjude/p", "--holdout", "s3://public/holdout"]
        assert main(words) == 0
        first = {path.name: path.read_text() for path in folder.iterdir()}
        assert main(words) == 0
        assert {path.name: path.read_text() for path in folder.iterdir()} == first
        provisioner = Provisioner(*(server.url, *_root(server)))
        for bucket in set(BUCKETS) - set(LOCKED):  # with versions there is more to refuse
            provisioner.bucket(bucket, versioned=True, lock_days=None)
        ledgers = [(f"s3://{name}/p", f"s3://{name}-ledgers/p") for name in ("mercy", "stjude")]
        for name, policy in {
            "job-silo": silo_policy(
                dataset="s3://mercy/p", ledger="s3://mercy-ledgers/p", output="s3://research/m", uid=JOB, silo="mercy"
            ),
            "job-coordinator": coordinator_policy(
                output="s3://research/m", uid=JOB, datasets=ledgers, holdout="s3://public/holdout"
            ),
            "job-operator": operator_policy(datasets=ledgers, outputs=["s3://research/m"], manage_users=True),
        }.items():
            provisioner.ensure_user(name, f"secret-of-{name}", name, policy)
            (folder / f"{name}.env").write_text(f"AWS_SECRET_ACCESS_KEY=secret-of-{name}\n")
        yield server, folder


def _root(server):
    given = server.variables()
    return given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]


def secret(folder, user):
    lines = dict(line.split("=", 1) for line in (folder / f"{user}.env").read_text().splitlines())
    return lines["AWS_SECRET_ACCESS_KEY"]


def attempt(client, root, verb, name):
    """One request on one object, which is there; what the administrator must repair afterwards is repaired before."""
    bucket, _, key = name.partition("/")
    try:
        version = root.stat_object(bucket, key).version_id
    except S3Error:
        version = None
    if version is None and not any(item.object_name == key for item in root.list_objects(bucket, prefix=key)):
        version = root.put_object(bucket, key, io.BytesIO(b"content"), 7).version_id
    folder = key.rpartition("/")[0] + "/"
    if verb == "get":
        client.get_object(bucket, key).release_conn()
    elif verb == "put":
        client.put_object(bucket, key, io.BytesIO(b"another"), 7)
    elif verb == "delete":
        client.remove_object(bucket, key)
    elif verb == "get version":
        client.get_object(bucket, key, version_id=version or "null").release_conn()
    elif verb == "delete version":
        client.remove_object(bucket, key, version_id=version or "null")
    elif verb == "list":
        list(client.list_objects(bucket, prefix=folder))
    elif verb == "versions":
        list(client.list_objects(bucket, prefix=folder, include_version=True))
    else:
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
        client.set_object_retention(bucket, key, Retention(COMPLIANCE, until), version_id=version)


def allowed(rights, verb, name):
    """MinIO takes a right on an object as one on all its versions, whatever S3's finer actions say."""
    verb = {"get version": "get", "delete version": "delete", "versions": "list"}.get(verb, verb)
    patterns = [pattern.replace("JOB", JOB) for pattern in rights.get(verb, ())]
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@pytest.mark.parametrize(
    ("user", "rights"),
    [("job-silo", SILO), ("job-coordinator", COORDINATOR), ("owner-mercy", OWNER), ("job-operator", OPERATOR)],
    ids=["silo", "coordinator", "owner", "operator"],
)
def test_minio_refuses_all_but_what_a_party_needs(server, user, rights):
    server, folder = server
    client, root = server.client(user, secret(folder, user)), server.client()
    wrong = []
    for name in OBJECTS:
        for verb in VERBS:
            if verb == "retain" and name.partition("/")[0] not in LOCKED:
                continue  # a bucket without a lock knows no retention
            try:
                attempt(client, root, verb, name)
                found = True
            except S3Error as error:
                assert error.code == "AccessDenied", (verb, name, error.code)
                found = False
            if found != allowed(rights, verb, name):
                wrong.append((verb, name, "allowed" if found else "refused"))
    assert not wrong, "\n".join(map(str, wrong))


def test_the_coordinator_of_a_store_opens_its_hold_out(server):
    server, folder = server
    client, root = server.client("coordinator", secret(folder, "coordinator")), server.client()
    for verb in ("get", "list"):
        attempt(client, root, verb, "public/holdout/manifest/1")
    attempt(client, root, "get", "public/holdout/shards/sh-1")
    with pytest.raises(S3Error):
        attempt(client, root, "put", "public/holdout/manifest/1")


@pytest.mark.parametrize(
    "user", ["job-silo", "job-coordinator", "owner-mercy", "job-operator", "silo-mercy", "operator"]
)
def test_minio_refuses_to_change_buckets_locks_and_users(server, user):
    server, folder = server
    client = server.client(user, secret(folder, user))
    for request in (
        lambda: client.make_bucket("a-bucket-of-mine"),
        lambda: client.remove_bucket("research"),
        lambda: client.delete_bucket_policy("mercy"),
        lambda: client.set_bucket_policy("mercy", '{"Version":"2012-10-17","Statement":[]}'),
        lambda: client.delete_object_lock_config("mercy-ledgers"),
        lambda: list(client.list_objects("stjude-ledgers", recursive=True)),
    ):
        with pytest.raises(S3Error) as refusal:
            request()
        assert refusal.value.code == "AccessDenied"
    if user != "job-operator":
        with pytest.raises(Exception, match="cannot set up the user intruder: AccessDenied"):
            Provisioner(server.url, user, secret(folder, user)).ensure_user("intruder", "secret-secret", "intruder", {})


def test_secrets_lie_in_files_that_only_their_owner_reads(server):
    _, folder = server
    made = [folder / f"{name}.env" for name in ("owner-mercy", "silo-mercy", "coordinator", "operator")]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}


def test_the_lock_holds_against_the_administrator_too(server):
    server, _ = server
    root = server.client()
    made = root.put_object("mercy-ledgers", "p/ledger/7", io.BytesIO(b"entry"), 5)
    with pytest.raises(S3Error) as refusal:
        root.remove_object("mercy-ledgers", "p/ledger/7", version_id=made.version_id)
    assert "WORM protected" in str(refusal.value)
    shorter = Retention(COMPLIANCE, datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1))
    with pytest.raises(S3Error):
        root.set_object_retention("mercy-ledgers", "p/ledger/7", shorter, version_id=made.version_id)
    assert root.get_object("mercy-ledgers", "p/ledger/7").read() == b"entry"


def test_a_lock_is_prolonged_and_never_shortened(server, monkeypatch, capsys):
    server, _ = server
    root = server.client()
    for name in ("ledger", "audit"):
        for data in (b"entry", b"later"):  # the oldest version is the entry
            root.put_object("stjude-ledgers", f"renewed/{name}/0", io.BytesIO(data), 5)
    for name, value in server.variables().items():
        monkeypatch.setenv(name, value)
    assert main(["store", "renew", "s3://stjude-ledgers/renewed", "--days", "30"]) == 0
    assert main(["store", "renew", "s3://stjude-ledgers/renewed", "--days", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "s3://stjude-ledgers/renewed: the locks of 4 versions now last 30 days",
        "s3://stjude-ledgers/renewed: the locks of 0 versions now last 2 days",
    ]
    for name in ("ledger", "audit"):
        for item in root.list_objects("stjude-ledgers", f"renewed/{name}/0", include_version=True):
            kept = root.get_object_retention("stjude-ledgers", item.object_name, version_id=item.version_id)
            assert kept.retain_until_date > datetime.now(UTC) + timedelta(days=29)


def test_a_buckets_own_lock_is_never_shortened(server):
    server, _ = server
    provisioner = Provisioner(server.url, *_root(server))
    for days, kept in ((3, 3), (1, 3), (5, 5)):
        provisioner.bucket("long-ledgers", versioned=True, lock_days=days)
        assert server.client().get_object_lock_config("long-ledgers").duration == kept


def test_buckets_that_are_there_with_the_wrong_lock_are_refused(server, monkeypatch, capsys, tmp_path):
    server, _ = server
    for name, value in server.variables().items():
        monkeypatch.setenv(name, value)
    server.client().make_bucket("unlocked-ledgers")
    words = ["store", "init", "--output", "s3://research/m", "--credentials", str(tmp_path)]
    assert main([*words, "--silo", "a=s3://mercy/p,s3://unlocked-ledgers/p"]) == 1
    assert main([*words, "--silo", "a=s3://stjude-ledgers/p,s3://mercy-ledgers/p"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "ringfence: StoreUnavailable: s3://unlocked-ledgers: this bucket was made without an object lock, and it "
        "cannot be given one; name another bucket",
        "ringfence: StoreUnavailable: s3://stjude-ledgers: this bucket has an object lock: nothing in it could ever be "
        "erased; name another bucket",
    ]


def test_a_user_is_removed_and_can_do_nothing(server):
    server, _ = server
    provisioner = Provisioner(server.url, *_root(server))
    policy = silo_policy(
        dataset="s3://mercy/p", ledger="s3://mercy-ledgers/p", output="s3://research/m", uid=JOB, silo="b"
    )
    provisioner.ensure_user("leaving", "secret-secret", "leaving", policy)
    client = server.client("leaving", "secret-secret")
    list(client.list_objects("mercy", prefix="p/manifest/"))
    provisioner.remove_user("leaving", "leaving")
    provisioner.remove_user("leaving", "leaving")
    with pytest.raises(S3Error) as refusal:
        list(client.list_objects("mercy", prefix="p/manifest/"))
    assert refusal.value.code == "InvalidAccessKeyId"


def test_what_the_operator_makes_for_a_job_it_can_remove(server):
    server, folder = server
    operator = Provisioner(server.url, "job-operator", secret(folder, "job-operator"))
    policy = silo_policy(
        dataset="s3://mercy/p", ledger="s3://mercy-ledgers/p", output="s3://research/m", uid=JOB, silo="c"
    )
    operator.ensure_user("for-a-job", "secret-secret", "for-a-job", policy)
    operator.ensure_user("for-a-job", "secret-secret", "for-a-job", policy)
    assert "for-a-job" in operator.users()
    operator.remove_user("for-a-job", "for-a-job")
    assert "for-a-job" not in operator.users()
    with pytest.raises(Exception, match="cannot make the bucket: AccessDenied"):
        operator.bucket("more-room", versioned=False, lock_days=None)


def test_wrong_administrator_and_no_server_are_one_line(server):
    server, _ = server
    with pytest.raises(
        Exception, match=r"^s3://x-y-z: cannot make the bucket: SignatureDoesNotMatch; run it with the cred"
    ):
        Provisioner(server.url, _root(server)[0], "wrong-secret").bucket("x-y-z", versioned=False, lock_days=None)
    with pytest.raises(
        Exception, match=r"^s3://x-y-z: cannot make the bucket: MaxRetryError; is this the address of a M"
    ):
        Provisioner("http://127.0.0.1:9", "x" * 8, "y" * 8).bucket("x-y-z", versioned=False, lock_days=None)


def test_admin_errors_carry_no_secret(server):
    server, _ = server
    provisioner = Provisioner(server.url, *_root(server))
    with pytest.raises(Exception) as refusal:
        provisioner.ensure_user("short", "1234567", "short", {"Version": "2012-10-17", "Statement": []})
    assert "1234567" not in str(refusal.value) and not isinstance(refusal.value, MinioAdminException)
