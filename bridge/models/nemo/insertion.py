"""Our lines in a Fortran file of NEMO's: put in at their anchors, recognised, and taken out again.

A line of ours ends with a mark; a statement of NEMO's that is replaced stays there as a comment. Taking them out
gives the file back byte by byte. Files are handled as latin-1 text, which keeps any byte.
"""

from __future__ import annotations

import re

from bridge.errors import ConfigurationError
from bridge.models.nemo.anchors import Edit, FileEdits

ENCODING = "latin-1"
MARK = "!nemo_bridge"
_REPLACED = "!nemo_bridge in place of: "


def insert(text: str, edits: FileEdits, where: str) -> str:
    """`text` (without lines of ours) with all edits; ConfigurationError names the anchor that does not fit.

    `where` names the file in the message.
    """
    lines = text.splitlines(keepends=True)
    placed = [(_find(lines, edit, where), edit) for edit in edits.edits]
    for number, edit in sorted(placed, key=lambda item: item[0], reverse=True):
        _place(lines, number, edit)
    return "".join(lines)


def remove(text: str) -> str:
    """`text` without lines of ours."""
    kept = []
    for line in text.splitlines(keepends=True):
        if line.startswith(_REPLACED):
            kept.append(line[len(_REPLACED) :])
        elif not line.rstrip("\r\n").endswith(MARK):
            kept.append(line)
    return "".join(kept)


def inserted_lines(text: str) -> int:
    """How many lines of ours a file holds."""
    return sum(line.rstrip().endswith(MARK) for line in text.splitlines())


def _place(lines: list[str], number: int, edit: Edit) -> None:
    original = lines[number]
    ending = original[len(original.rstrip("\r\n")) :] or "\n"
    indent = re.match(r"[ \t]*", original).group()  # type: ignore[union-attr]
    ours = [f"{indent}{line:<50} {MARK}{ending}" for line in edit.lines]
    if edit.place == "before":
        lines[number:number] = ours
    elif edit.place == "after":
        lines[number + 1 : number + 1] = ours
    else:
        lines[number : number + 1] = [_REPLACED + original, *ours]


def _find(lines: list[str], edit: Edit, where: str) -> int:
    """Number of the line that holds the anchor."""
    start = 0
    if edit.after:
        start = _only(_matches(lines, edit.after), edit.after, where) + 1
    found = [number for number in _matches(lines, edit.anchor) if number >= start]
    number = found[0] if edit.after and found else _only(found, edit.anchor, where)
    if lines[number].split("!")[0].rstrip().endswith("&"):
        raise ConfigurationError(
            f"{where}, line {number + 1}: the anchor {_readable(edit.anchor)} is continued (&)"
        )
    return number


def _matches(lines: list[str], anchor: str) -> list[int]:
    pattern = re.compile(r"\s*" + anchor + r"\s*(!.*)?", re.IGNORECASE)
    return [number for number, line in enumerate(lines) if pattern.fullmatch(line.rstrip("\r\n"))]


def _only(found: list[int], anchor: str, where: str) -> int:
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigurationError(
            f"{where}: the anchor statement {_readable(anchor)} is missing; nothing was changed. "
            "Is this an unmodified file of NEMO 5.0, 4.2 or 4.0?"
        )
    numbers = ", ".join(str(number + 1) for number in found)
    raise ConfigurationError(
        f"{where}: the anchor statement {_readable(anchor)} is ambiguous (lines {numbers}); nothing was changed"
    )


def _readable(anchor: str) -> str:
    """An anchor as the statement that it stands for."""
    text = re.sub(r"\\b\.\*|\.\*", " …", anchor)
    return (
        "'"
        + re.sub(r" +", " ", re.sub(r" \*|\\", lambda m: " " if m.group() == " *" else "", text)).strip()
        + "'"
    )
