"""Where the environment says that S3 is, and what its clients say when it fails."""

from __future__ import annotations

import os

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def endpoint() -> str | None:
    """The S3 endpoint of the environment; None means Amazon's own."""
    return next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)


def summary(error: Exception) -> str:
    """The first line of a library's message, without the debugging output that follows it."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
