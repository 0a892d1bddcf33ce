"""An HTML page as a browser sees it: elements, attributes and text, for tests of what a page refers to and says."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = {"meta", "br", "link", "img", "input", "hr"}
_NETWORK = re.compile(r"(?i)(https?:)?//|url\(|@import|javascript:|data:")
_REFERRING = {"href", "src", "srcset", "action", "poster", "data", "xlink:href", "background", "formaction", "style"}


class Page(HTMLParser):
    """Parsed once; `text` has single spaces."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self._texts: list[tuple[tuple[str, ...], str]] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self._texts.append((tuple(self._open), data))

    @property
    def text(self) -> str:
        return self._said(lambda path: "style" not in path)

    def inside(self, tag: str) -> str:
        return self._said(lambda path: tag in path)

    def outside(self, tag: str) -> str:
        return self._said(lambda path: tag not in path and "style" not in path)

    def _said(self, wanted) -> str:
        return " ".join("".join(data for path, data in self._texts if wanted(path)).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    def attribute(self, tag: str, name: str) -> list[str]:
        return [attributes.get(name, "") for found, attributes in self.elements if found == tag]

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def references(self) -> list[str]:
        """Attributes that point anywhere, handlers, and style rules that fetch."""
        found = [
            f"{tag} {name}={value}"
            for tag, attributes in self.elements
            for name, value in attributes.items()
            if name in _REFERRING or name.startswith("on") or _NETWORK.search(value)
        ]
        return found + [data for path, data in self._texts if "style" in path and _NETWORK.search(data)]
