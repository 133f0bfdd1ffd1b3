"""How many branches of the decoder were taken: `python branches.py coverage.json PERCENT` fails below that share."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

#: of these files only some functions listen to a peer
PARTS = {
    "bridge/transport/zmq_transport.py": (
        "Endpoint.accept", "Endpoint.arrival", "Endpoint.pump", "Endpoint.transmit", "Endpoint.forget",
        "Endpoint._take_in", "Endpoint._take", "Endpoint._answer", "Endpoint._meet", "Endpoint._welcome",
        "Endpoint._send_welcome", "Endpoint._refuse",
    )
}  # fmt: skip


def main(report: Path, wanted: float) -> int:
    """Print the share for each file and for all; 1 if it is too small."""
    taken, there = Counter[str](), Counter[str]()
    for name, file in json.loads(report.read_text())["files"].items():
        parts = [file["functions"][part] for part in PARTS[name]] if name in PARTS else [file]
        taken[name] = sum(part["summary"]["covered_branches"] for part in parts)
        there[name] = sum(part["summary"]["num_branches"] for part in parts)
        print(f"{name}: {taken[name]} of {there[name]} branches")
    share = 100 * taken.total() / there.total()
    print(f"branches of the decoder: {share:.1f} %, wanted {wanted:g} %")
    return share < wanted


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
