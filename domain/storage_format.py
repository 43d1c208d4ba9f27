"""Confluence's storage format to sections of text: headings, paragraphs, lists with their numbers, tables as lines, macros.

Belongs here: what Confluence's markup says to a reader. Does not belong here: its API (``resources/confluence``), or what a
section becomes (``regulation_documents``).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Any, Final, cast

from lxml import etree, html

from domain.regulation_documents import Outline, Section

STORAGE_FORMAT_VERSION: Final = "1"
"""Changes whenever the same page would give other sections."""

_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_EMPTY_ELEMENT = re.compile(r"<((?:ac|ri):[\w-]+)([^<>]*?)/>")
_SILENT_MACROS = frozenset(
    {"toc", "children", "pagetree", "recently-updated", "contentbylabel", "attachments", "anchor"}
)
_SILENT = frozenset(
    {"ac:parameter", "ac:emoticon", "ac:placeholder", "ac:task-id", "ac:task-status", "script", "style"}
)
_BLOCKS = frozenset(
    ("p", "div", "blockquote", "hr", "ac:layout", "ac:layout-section", "ac:layout-cell", "ac:rich-text-body")
) | {"ac:task", "ac:task-body"}
_DEEPEST = 100
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
Node = Any


def sections(storage: str) -> list[Section]:
    """The sections of a page below its headings. Raises ``ValueError`` for what is no markup at all."""
    # The HTML parser knows neither CDATA nor elements that end themselves, and nothing stops it; the XML parser stops at the
    # first &nbsp;.
    marked = _CDATA.sub(lambda found: escape(found[1], quote=False), storage)
    marked = _EMPTY_ELEMENT.sub(r"<\1\2></\1>", marked)
    if not marked.strip():
        return []
    try:
        root = html.fragment_fromstring(marked.encode("utf-8", "replace").decode(), create_parent="div")
    except (etree.LxmlError, ValueError) as broken:
        raise ValueError("the page's markup cannot be read") from broken
    writer = _Writer()
    writer.block(root, 0)
    return writer.end()


def attached_names(storage: str) -> list[str]:
    """The names of the files that a page shows or links."""
    return list(dict.fromkeys(re.findall(r'<ri:attachment\b[^>]*?ri:filename="([^"]{1,300})"', storage)))


class _Writer:
    """Walks a page and writes its lines into an outline."""

    def __init__(self) -> None:
        self._outline = Outline()
        self._line: list[str] = []
        self._prefix = ""

    def end(self) -> list[Section]:
        self._break()
        return self._outline.sections()

    def block(self, node: Node, depth: int) -> None:
        """What stands in an element, and behind each of its children."""
        if depth > _DEEPEST:
            self._line.append(_plain(node))
            return
        self._line.append(node.text or "")
        for child in node:
            if isinstance(child.tag, str):
                self._element(child, depth + 1)
            self._line.append(child.tail or "")

    def _element(self, node: Node, depth: int) -> None:
        tag = cast(str, node.tag)
        special: Mapping[str, Callable[[Node, int], None]] = {
            "table": self._table,
            "ol": self._list,
            "ul": self._list,
            "ac:structured-macro": self._macro,
            "ac:macro": self._macro,
            "ac:link": self._link,
            "ac:plain-text-body": self._code,
            "pre": self._code,
        }
        if tag in _SILENT:
            return
        if found := re.fullmatch(r"h([1-6])", tag):
            self._break()
            self._outline.heading(int(found[1]), _plain(node))
        elif tag in special:
            special[tag](node, depth)
        elif tag in _BLOCKS or tag == "br":
            self._break()
            self.block(node, depth)
            self._break()
        else:
            self.block(node, depth)

    def _break(self) -> None:
        text = " ".join("".join(self._line).split())
        self._line.clear()
        if text:
            self._outline.line(f"{self._prefix}{text}")
            self._prefix = ""

    def _table(self, node: Node, _depth: int) -> None:
        """A row a line; cells with a bar between them."""
        self._break()
        for row in node.iter("tr"):
            cells = [_plain(cell) for cell in row if cell.tag in ("td", "th")]
            if any(cells):
                self._outline.line(" | ".join(cells))

    def _list(self, node: Node, depth: int) -> None:
        """An item a line; those of a numbered list with the number that a reader sees."""
        self._break()
        level = len(list(node.iterancestors("ol")))
        number = int(start) if (start := node.get("start", "1")).isdecimal() else 1
        for item in node:
            if item.tag != "li":
                continue
            self._prefix = f"{_number(number, level)}. " if node.tag == "ol" else "- "
            self.block(item, depth)
            self._break()
            self._prefix = ""
            number += 1

    def _macro(self, node: Node, depth: int) -> None:
        """A panel's title and body; a status; code as it is. A table of contents says nothing of its own."""
        if node.get("ac:name", "") in _SILENT_MACROS:
            return
        title = next((_plain(one) for one in node if one.tag == "ac:parameter" and one.get("ac:name") == "title"), "")
        is_inline = node.get("ac:name") == "status"
        if not is_inline:
            self._break()
        self._line.append(f" {title} ")
        if not is_inline:
            self._break()
        self.block(node, depth)
        if not is_inline:
            self._break()

    def _code(self, node: Node, _depth: int) -> None:
        self._break()
        for line in _all_text(node).splitlines():
            self._line.append(line)
            self._break()

    def _link(self, node: Node, depth: int) -> None:
        """A link's own words, or the title of what it leads to."""
        said = _plain(node)
        named = next(
            (
                one.get("ri:content-title") or one.get("ri:filename") or ""
                for one in node
                if isinstance(one.tag, str) and one.tag.startswith("ri:")
            ),
            "",
        )
        self._line.append(said or named)


def _plain(node: Node) -> str:
    """All words of an element in one line."""
    return " ".join(" ".join(_words(node)).split())


def _words(node: Node) -> Iterator[str]:
    for part in node.iter():
        if isinstance(part.tag, str) and (part is node or part.tag != "ac:parameter"):
            yield part.text or ""
            if part.tag in ("p", "br", "li", "td", "div"):
                yield " "
        if part is not node:
            yield part.tail or ""


def _all_text(node: Node) -> str:
    return "".join(node.itertext())


def _number(value: int, level: int) -> str:
    """As Confluence shows it: 1, a, i by the depth of the list."""
    if level % 3 == 1 and value <= len(_LETTERS):
        return _LETTERS[value - 1]
    return _ROMAN[value - 1] if level % 3 == 2 and value <= len(_ROMAN) else str(value)
