"""Keys are made once, shown never, and refused by name."""

import pickle
import stat

import pytest

from ringfence.errors import InvalidInput, KeyRejected
from ringfence.shards.keys import Kek, load_kek, load_public, load_signer, new_keys
from ringfence.signing import public_name


def test_new_keys_are_read_back_and_belong_together(tmp_path):
    public = new_keys(tmp_path / "mercy")
    assert load_public(tmp_path / "mercy") == public
    assert public_name(load_signer(tmp_path / "mercy")) == public
    assert public_name(load_signer(tmp_path / "mercy.sign")) == public
    assert load_kek(tmp_path / "mercy").id == load_kek(tmp_path / "mercy").id


def test_secret_files_are_readable_by_their_owner_only(tmp_path):
    new_keys(tmp_path / "mercy")
    for name, mode in {"mercy": 0o600, "mercy.sign": 0o600}.items():
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


@pytest.mark.parametrize("taken", ["mercy", "mercy.sign", "mercy.pub"])
def test_no_key_is_ever_overwritten_and_nothing_half_made_is_left(tmp_path, taken):
    (tmp_path / taken).write_bytes(b"precious")
    with pytest.raises(InvalidInput) as refusal:
        new_keys(tmp_path / "mercy")
    where = tmp_path / taken
    assert str(refusal.value) == f"{where}: the file exists already; choose another name: keys are never overwritten"
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert where.read_bytes() == b"precious"


def test_new_keys_in_a_folder_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="cannot write the key: No such file or directory"):
        new_keys(tmp_path / "nowhere" / "mercy")


def test_every_key_differs_and_is_named_by_what_it_is():
    assert Kek(bytes(32)).id == Kek(bytes(32)).id
    assert Kek(bytes(32)).id != Kek(bytes(31) + b"\x01").id
    assert Kek(bytes(32)).id == "kek:" + Kek(bytes(32)).id[4:] and len(Kek(bytes(32)).id) == 20


def test_a_key_is_not_shown_and_not_pickled():
    key = Kek(b"K" * 32)
    assert repr(key) == f"Kek({key.id})" and "KKKK" not in f"{key!r}{key}"
    with pytest.raises(TypeError, match="a key is never pickled: pass the path of its file"):
        pickle.dumps(key)


def test_a_wrapped_key_unwraps_only_under_its_key_and_bindings():
    kek, dek = Kek(b"K" * 32), b"D" * 32
    wrapped = kek.wrap(dek, b"dataset and shard")
    assert kek.unwrap(wrapped, b"dataset and shard", where="w") == dek
    assert kek.wrap(dek, b"dataset and shard") != wrapped
    attempts = [
        (Kek(b"L" * 32), wrapped, b"dataset and shard"),
        (kek, wrapped, b"another shard"),
        (kek, "A" + wrapped[1:] if wrapped[0] != "A" else "B" + wrapped[1:], b"dataset and shard"),
        (kek, wrapped[:40], b"dataset and shard"),
        (kek, "", b"dataset and shard"),
        (kek, "not base64!", b"dataset and shard"),
    ]
    for key, text, aad in attempts:
        with pytest.raises(KeyRejected) as refusal:
            key.unwrap(text, aad, where="s3://mercy/shards/x")
        assert str(refusal.value) == f"s3://mercy/shards/x: the shard's key does not unwrap under {key.id}"


def test_derived_keys_differ_by_use():
    kek = Kek(b"K" * 32)
    assert len(kek.derive(b"staging")) == 32
    assert len({kek.derive(b"staging"), kek.derive(b"quality"), b"K" * 32}) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a key: 32 bytes in base64 are expected"),
        (b"AAAA", "not a key: 32 bytes in base64 are expected"),
        (b"\xff\xfe\x00", "not a key: 32 bytes in base64 are expected"),
        (b"A" * 5000, "not a key: 32 bytes in base64 are expected"),
        (b"-----BEGIN PRIVATE KEY-----", "this is a signing key; name the file without .sign"),
    ],
)
def test_a_file_that_is_no_key_is_rejected_by_name(tmp_path, content, message):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(KeyRejected) as refusal:
        load_kek(tmp_path / "key")
    assert str(refusal.value) == f"{tmp_path / 'key'}: {message}"


def test_a_missing_key_says_how_to_make_one(tmp_path):
    with pytest.raises(
        KeyRejected, match=r"mercy: cannot read the key: No such file or directory; restore it: nothing sealed"
    ):
        load_kek(tmp_path / "mercy")
    with pytest.raises(KeyRejected, match=r"mercy\.sign: cannot read the key"):
        load_signer(tmp_path / "mercy")


def test_files_that_are_no_signing_or_public_key_are_rejected(tmp_path):
    new_keys(tmp_path / "mercy")
    (tmp_path / "a.sign").write_bytes((tmp_path / "mercy").read_bytes())
    (tmp_path / "a.pub").write_text("ed25519:short")
    with pytest.raises(KeyRejected, match=r"a\.sign: not a private key in PEM"):
        load_signer(tmp_path / "a")
    with pytest.raises(KeyRejected, match=r"a\.pub: not a public key of the form"):
        load_public(tmp_path / "a")
