"""Make every fault happen, and write what followed into the table of docs/faults.md.

make build/debug/.stamp
NEMO_BRIDGE_BUILD=build/debug python scripts/fault_table.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"
_LONGEST_MESSAGE = 230


def rows_of(tests: Path) -> list[list[Any]]:
    """Run the tests with the marker `fault`; what they recorded: case, transport, message, exit codes, seconds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "faults"
        environment = dict(os.environ) | {"NEMO_BRIDGE_FAULTS": str(file)}
        command = [sys.executable, "-m", "pytest", "-q", "-m", "fault", str(tests)]
        subprocess.run(command, env=environment, cwd=ROOT, check=True)
        return [json.loads(line) for line in file.read_text().splitlines()]


def table(rows: Iterable[list[Any]]) -> str:
    """The rows as Markdown, those of one case together."""
    lines = ["| case | transport | message | exit codes | s |", "| --- | --- | --- | --- | --- |"]
    ordered = sorted(rows, key=lambda row: (row[0], row[1]))
    for case, way, message, codes, seconds in ordered:
        shown = ", ".join(sorted({_code(code) for code in codes}))
        lines.append(f"| {case} | {way} | {_plain(message)} | {shown} | {seconds:.1f} |")
    return "\n".join(lines) + "\n"


def _code(code: int) -> str:
    """As a shell shows it: 128 + signal."""
    return str(128 - code if code < 0 else code)


def _plain(message: str) -> str:
    """Without what differs from one time to the next: process ids, ports, folders of tests."""
    text = re.sub(r"process \d+( on \w+)?", "process …", message)
    text = re.sub(r"/tmp/\S*?/([\w.-]*)(?=[):;,\s]|$)", r"…/\1", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:…", text).replace("|", "\\|")
    text = re.sub(r"refused 0/(\d)/\d+", r"refused 0/\1/…", text)
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " …"


def main() -> None:
    """Rewrite the table between its two marks."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + "\n" + table(rows_of(ROOT / "tests" / "coupled")) + "\n" + END + after)


if __name__ == "__main__":
    main()
