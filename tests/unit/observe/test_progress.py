"""Progress: bars for people, one line a stage for logs, and no way for a name to steer the terminal."""

from __future__ import annotations

import io
import threading

from ringfence.observe.progress import Progress, RichProgress, SilentProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def work(progress: Progress) -> None:
    with progress:
        progress.advance()  # before any stage: nothing to advance
        progress.stage("seal EWR", total=3)
        progress.advance()
        progress.advance(2)
        progress.note("EWR: 3 shards")
        progress.stage("train")
        progress.advance()
    progress.close()


def test_off_a_terminal_each_stage_is_one_plain_line() -> None:
    stream = io.StringIO()
    work(RichProgress(stream))
    assert stream.getvalue() == "seal EWR (3)\nEWR: 3 shards\ntrain\n"


def test_on_a_terminal_there_are_bars() -> None:
    stream = Terminal()
    work(RichProgress(stream))
    shown = stream.getvalue()
    assert "seal EWR" in shown and "3/3" in shown and "EWR: 3 shards" in shown and "train" in shown


def test_silence_says_nothing(capsys) -> None:
    work(SilentProgress())
    assert capsys.readouterr() == ("", "")


def test_a_name_cannot_steer_the_terminal_or_a_log() -> None:
    for stream in (io.StringIO(), Terminal()):
        with RichProgress(stream) as progress:
            progress.stage("a\x1b]0;owned\x07b\nfake line [bold red]x[/]", total=1)
            progress.note("c\x1b[2Jd [/nonsense]")
        assert "\x1b]0;" not in stream.getvalue() and "\x1b[2J" not in stream.getvalue()
        assert "\nfake line" not in stream.getvalue()
        assert "[bold red]x[/]" in stream.getvalue() and "[/nonsense]" in stream.getvalue()


def test_threads_lose_no_advance() -> None:
    stream = Terminal()
    with RichProgress(stream) as progress:
        progress.stage("shards", total=800)
        threads = [threading.Thread(target=lambda: [progress.advance() for _ in range(100)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert "800/800" in stream.getvalue()
