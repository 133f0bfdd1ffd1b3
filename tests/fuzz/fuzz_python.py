"""The coverage-guided fuzzer: `python fuzz_python.py FRAMES [SEED] [FOLDER]` sends at least so many frames.

Without atheris (`pip install nemo-bridge[fuzz]`) the bytes are random changes of the corpus. Inputs that reached
something new are kept in the folder; a finding ends it with the bytes that showed it. So does an allocation of 1 GiB.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

CORPUS = Path(__file__).parent / "corpus"
MEMORY = 2**30  # bytes


def limit_memory() -> None:
    """An allocation because somebody announced much has to fail here."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + MEMORY,) * 2)


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Some bytes of `data` changed, left out or put in."""
    changed = bytearray(data or chance.randbytes(40))
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(changed) + 1)
        new = bytes(
            chance.choice([0, 255, chance.randrange(256)]) for _ in range(chance.choice([1, 1, 4, 30]))
        )
        changed[place : place + chance.choice([0, len(new), len(new)])] = new
    return bytes(changed[:4000])


def main(wanted: int, seed: int, folder: Path) -> None:
    """Fuzz until so many frames were sent."""
    if atheris is None:
        import hostile_model
    else:
        with atheris.instrument_imports(include=["bridge"]):
            import hostile_model
    start = time.monotonic()

    def one(data: bytes) -> None:
        hostile_model.one_input(data)
        if hostile_model.frames.total() >= wanted:
            seconds = time.monotonic() - start
            way = "random changes" if atheris is None else "coverage-guided"
            print(
                f"Python ({way}): {dict(hostile_model.frames)}, 0 findings, {seconds:.0f} s, seed {seed}",
                flush=True,
            )
            os._exit(0)

    seeds = [path.read_bytes() for path in sorted(CORPUS.iterdir())]
    with hostile_model.harmless():
        limit_memory()
        if atheris is None:
            chance = random.Random(seed)
            while True:
                one(mutated(chance, chance.choice(seeds)))
        options = [f"-seed={seed}", "-max_len=2000", "-len_control=0", "-rss_limit_mb=0"]
        atheris.Setup([sys.argv[0], *options, str(folder), str(CORPUS)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    arguments = [*sys.argv[1:], *("1000000", "1", tempfile.mkdtemp())[len(sys.argv) - 1 :]]
    main(int(arguments[0]), int(arguments[1]), Path(arguments[2]))
