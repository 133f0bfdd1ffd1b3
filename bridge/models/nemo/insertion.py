"""Our lines in a Fortran file of NEMO's: put in at their anchors, recognised, and taken out again.

A line of ours ends with a mark; a statement of NEMO's that is replaced stays there as a comment. Taking them out
gives the file back byte by byte. Files are handled as latin-1 text, which keeps any byte.
"""

from __future__ import annotations

import itertools
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
    ours = False
    for line in text.splitlines(keepends=True):
        ours = line.rstrip("\r\n").endswith(MARK)
        if line.startswith(_REPLACED):
            kept.append(line[len(_REPLACED) :])
        elif not ours:
            kept.append(line)
    if ours and not text.endswith(("\r", "\n")):
        kept[-1] = kept[-1].rstrip("\r\n")  # the file had no newline at its end
    return "".join(kept)


def inserted_lines(text: str) -> int:
    """How many lines of ours a file holds."""
    return sum(line.rstrip().endswith(MARK) for line in text.splitlines())


def _place(lines: list[str], number: int, edit: Edit) -> None:
    original = lines[number]
    ending = original[len(original.rstrip("\r\n")) :] or "\n"
    indent = re.match(r"[ \t]*", original).group()  # type: ignore[union-attr]
    ours = [f"{indent}{line:<50} {MARK}{ending}" for line in edit.lines]
    if edit.place != "before" and not original.endswith(ending):
        original, ours[-1] = (
            original + ending,
            ours[-1].removesuffix(ending),
        )  # no newline at the end of the file
        lines[number] = original
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
            f"{where}, line {number + 1}: the anchor statement '{edit.anchor}' is continued (&)"
        )
    return number


def _matches(lines: list[str], anchor: str) -> list[int]:
    """Numbers of the lines that hold this statement, whatever their blanks, case and comment."""
    pattern = re.compile(rf"\s*{_expression(anchor)}\s*(!.*)?", re.IGNORECASE)
    return [number for number, line in enumerate(lines) if pattern.fullmatch(line.rstrip("\r\n"))]


def _expression(anchor: str) -> str:
    """Regular expression of a statement: blanks only count between words, "…" stands for the rest."""
    words = re.findall(r"\w+|\S", anchor)
    expression = re.escape(words[0])
    for previous, word in itertools.pairwise(words):
        between_words = previous[-1].isalnum() and word[0].isalnum()
        if word == "…":
            expression += r"\b.*" if previous[-1].isalnum() else ".*"
        else:
            expression += (r"\s+" if between_words else r"\s*") + re.escape(word)
    return expression


def _only(found: list[int], anchor: str, where: str) -> int:
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigurationError(
            f"{where}: the anchor statement '{anchor}' is missing; nothing was changed. "
            "Is this a file of NEMO 5.0, 4.2 or 4.0?"
        )
    numbers = ", ".join(str(number + 1) for number in found)
    raise ConfigurationError(
        f"{where}: the anchor statement '{anchor}' is ambiguous (lines {numbers}); nothing was changed"
    )
