"""Templates: HTML is escaped by autoescape, Markdown by the same means with Markdown's own characters added.

No text of a statement ever stands in an attribute or in CSS; templates put it between tags only.
"""

from __future__ import annotations

import html
import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$!])")
_LINKING = re.compile(r"(?i)(https?|ftp|mailto|xmpp):|(www)\.")


def page(template: str, **values: object) -> str:
    """An HTML template of this package, rendered with everything escaped."""
    return _environment().get_template(template).render(**values)


def markdown_page(template: str, **values: object) -> str:
    """A Markdown template of this package; every value that it prints goes through `markdown`."""
    return _markdown_environment().get_template(template).render(**values)


def markdown(value: object) -> Markup:
    """Text that Markdown shows as it is: one line, no markup, no HTML, no links found by themselves."""
    if isinstance(value, Markup):
        return value
    line = " ".join(str(value).translate(_NO_MARKS).split())
    linkless = _LINKING.sub(lambda found: f"{found[1]}\0" if found[1] else f"{found[2]}\1", line)
    escaped = _SPECIAL.sub(r"\\\1", html.escape(linkless, quote=False))
    return Markup(escaped.replace("\0", "&#58;").replace("\1", "&#46;").replace("@", "&#64;"))  # noqa: S704


_NO_MARKS = dict.fromkeys((*range(32), 127), " ")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("ringfence.observe", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _markdown_environment() -> Environment:
    return _environment().overlay(finalize=markdown)
