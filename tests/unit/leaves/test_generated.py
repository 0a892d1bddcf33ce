"""Files made from code: written whole, and any difference is named."""

from __future__ import annotations

from ringfence.generated import main

FILES = {"one.yaml": "a: 1\n", "folder/two.yaml": "b: \u00fc\n"}


def test_what_was_written_is_current(tmp_path):
    assert main(FILES, [str(tmp_path)]) == 0
    assert (tmp_path / "folder/two.yaml").read_bytes() == "b: \u00fc\n".encode()
    assert main(FILES, ["--check", str(tmp_path)]) == main(FILES, [str(tmp_path), "--check"]) == 0


def test_a_changed_a_missing_and_an_extra_file_are_named(tmp_path, capsys):
    main(FILES, [str(tmp_path)])
    (tmp_path / "one.yaml").write_bytes(b"a: 1\r\n")
    (tmp_path / "folder/two.yaml").unlink()
    (tmp_path / "other.yaml").write_text("")
    assert main(FILES, ["--check", str(tmp_path)]) == 1
    expected = (
        f"not current in {tmp_path}: folder/two.yaml, one.yaml, other.yaml; write them again with `make generated`"
    )
    assert capsys.readouterr().err == expected + "\n"
    assert main(FILES, ["--check", str(tmp_path / "missing")]) == 1


def test_a_wrong_call_is_told_apart(tmp_path, capsys):
    for arguments in ([], ["a", "b"], ["--wrong"]):
        assert main(FILES, arguments) == 2
    assert capsys.readouterr().err == "usage: [--check] DIR\n" * 3
