"""A server that says what no server should: frames for a real model over ZMQ, and what became of the model.

`python hostile_server.py REGISTRY_MODEL FRAMES SEED` keeps on until so many frames were sent; any finding ends it.
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from bridge.protocol import HEADER_BYTES, Header, Role, Status, Verb, padded_extents, padded_text
from bridge.transport.envelope import (
    ENVELOPE_BYTES,
    LARGEST_BODY,
    WINDOW_MESSAGES,
    Envelope,
    Kind,
    pack_welcome,
)
from bridge.transport.neighbour import own_place

TIMEOUT = 60  # s until a model counts as hung
WORD = 2**31


class Finding(AssertionError):
    """The model crashed, hung, accepted what it should not have, or ended without saying why."""


class Model:
    """A model on one rank, as its server sees it: frames out, answers in."""

    def __init__(self, socket: zmq.Socket, process: subprocess.Popen[bytes], log: Path) -> None:
        self.socket = socket
        self.process = process
        self.log = log
        self.address = b""
        self.sent = self.taken = self.frames = 0
        self.answers: list[Header] = []
        self.payload = bytearray()

    def post(self, *frames: bytes) -> None:
        """Send one message as it is."""
        self.frames += len(frames)
        self.socket.send_multipart((self.address, *frames))

    def count(self, kind: int, body: bytes) -> None:
        """Send a counted message."""
        self.sent += 1
        self.post(Envelope(kind, self.sent, self.taken).pack(), body)

    def ask(self, header: Header, *pieces: bytes) -> None:
        """Send a request and pieces of its payload."""
        self.count(Kind.REQUEST, header.pack())
        for piece in pieces:
            self.count(Kind.PAYLOAD, piece)

    def receive(self) -> Envelope:
        """Take in one message of the model; Finding if it is silent, or gives up."""
        deadline = time.monotonic() + TIMEOUT
        while not self.socket.poll(100):
            if self.process.poll() is not None:
                raise Finding(f"the model ended with {self.process.returncode}: {self.output}")
            if time.monotonic() > deadline:
                raise Finding(f"the model hangs: {self.output}")
        self.address, front, body = self.socket.recv_multipart()
        envelope = Envelope.unpack(front)
        if envelope.kind == Kind.GOODBYE:
            raise Finding(f"the model gave up: {body!r}")
        if envelope.number == self.taken + 1:  # others are sent again
            self.taken += 1
            if envelope.kind == Kind.ANSWER:
                self.answers.append(Header.unpack(body))
                self.payload.clear()
            else:
                self.payload += body
            if self.taken % 8 == 0:
                self.post(Envelope(Kind.ACKNOWLEDGE, 0, self.taken).pack(), b"")
        return envelope

    def answer(self, header: Header, *pieces: bytes) -> tuple[Header, bytes]:
        """The answer to a request and the text that comes with it."""
        self.ask(header, *pieces)
        return self.next_answer()

    def next_answer(self) -> tuple[Header, bytes]:
        """The next answer, and the text that comes with it."""
        self.answers.clear()
        while not self.answers or len(self.payload) < self.answers[0].count:
            self.receive()
        return self.answers[0], bytes(self.payload[: self.answers[0].count])

    @property
    def state(self) -> tuple[bytes, str]:
        """All that a refused frame must leave alone: the description with all scalars, the hash of the state."""
        told = self.answer(Header(Verb.HELLO))[1]
        return told, self.answer(Header(Verb.SNAPSHOT, argument=0))[0].snapshot_hash

    @property
    def output(self) -> str:
        """What it has written."""
        return self.log.read_text(errors="replace")

    def ended(self) -> str:
        """Its last words; Finding unless it ends by itself, with a non-zero code and a reason."""
        try:
            code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Finding(f"the model goes on: {self.output}") from None
        crashed = any(
            word in self.output for word in ("Sanitizer", "runtime error", "Program received", "Backtrace")
        )
        if code <= 0 or crashed or "nemo-bridge: " not in self.output:
            raise Finding(f"the model ended with {code}: {self.output}")
        return self.output


@contextmanager
def model(program: Path, directory: Path) -> Iterator[Model]:
    """The registry_model on one rank, which has introduced itself and is not welcomed yet."""
    log = directory / "model.log"
    endpoint = f"ipc://{directory}/meet"
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.bind(endpoint)
    environment = os.environ | {"NEMO_BRIDGE_ENDPOINT": endpoint, "ASAN_OPTIONS": "detect_leaks=0"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=directory
        )
    try:
        met = Model(socket, process, log)
        met.receive()
        yield met
    finally:
        process.kill()
        process.wait()
        socket.close(0)
        context.term()


def welcome(met: Model, patience: float = 20.0) -> None:
    """Begin in the way of an honest server."""
    met.post(Envelope(Kind.WELCOME).pack(), pack_welcome(os.getpid(), patience, "elsewhere"))


# --- requests that the model has to answer with an error, as (header, pieces) ---

Request = tuple[Header, list[bytes]]


def fields_of(told: bytes) -> list[dict]:
    """What the model registered, each with its number."""
    return [field | {"number": n} for n, field in enumerate(json.loads(told)["fields"], start=1)]


def integer(chance: random.Random) -> int:
    """A number of 32 bits, often one at an edge."""
    return chance.choice(
        [0, 1, -1, WORD - 1, -WORD, chance.randrange(-WORD, WORD), chance.randrange(-20, 70_000)]
    )


def pieces_of(chance: random.Random, data: bytes) -> list[bytes]:
    """`data` cut between words."""
    if not data:
        return [b""]
    cuts = sorted(chance.sample(range(4, len(data), 4), min(chance.randrange(3), len(data) // 4 - 1)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def values(chance: random.Random, number: int, dtype: int, extents: list[int]) -> Request:
    """A `set` with as many bytes as it announces."""
    words = 2 if dtype == 1 else 1
    for extent in extents:
        words *= extent
    header = Header(Verb.SET, 0, number, dtype, len(extents), padded_extents(tuple(reversed(extents))))
    return header, pieces_of(chance, chance.randbytes(4 * words))


def unknown_verb(chance: random.Random, fields: list[dict]) -> Request:
    verb = integer(chance)
    while verb in [known for known in Verb if known < Verb.REPLY]:
        verb = integer(chance)
    return Header(verb, *(integer(chance) for _ in range(4)), tuple(integer(chance) for _ in range(5))), []


def unknown_number(chance: random.Random, fields: list[dict]) -> int:
    number = integer(chance)
    while 0 < abs(number) <= len(fields):  # in a list, a negative number asks for float32
        number = integer(chance)
    return number


def get_unknown(chance: random.Random, fields: list[dict]) -> Request:
    return Header(Verb.GET, 0, unknown_number(chance, fields), integer(chance), integer(chance)), []


def set_unknown(chance: random.Random, fields: list[dict]) -> Request:
    extents = [chance.randrange(4) for _ in range(chance.randrange(6))]
    return values(
        chance, unknown_number(chance, fields), integer(chance) if chance.random() < 0.5 else 1, extents
    )


def set_misfit(chance: random.Random, fields: list[dict]) -> Request:
    field = chance.choice(fields)
    dtype, extents = field["dtype"], list(field["extents"])
    if not extents or chance.random() < 0.3:
        known = (1, 2) if dtype == 1 and field["role"] != Role.PARAMETER else (dtype,)  # float32 is widened
        dtype = chance.choice([code for code in (0, 1, 2, 3, 4, 5, -1, WORD - 1) if code not in known])
    else:
        extents[chance.randrange(len(extents))] -= 1
    return values(chance, field["number"], dtype, extents)


def set_read_only(chance: random.Random, fields: list[dict]) -> Request:
    field = chance.choice([field for field in fields if field["role"] in (Role.STATIC, Role.DIAGNOSTIC)])
    return values(chance, field["number"], field["dtype"], field["extents"])


def bad_run(chance: random.Random, fields: list[dict]) -> Request:
    numbers = [chance.randint(1, len(fields)) for _ in range(chance.randrange(6))]
    steps, every = chance.choice([(-1, 1), (1, 0), (-WORD, 1), (5, -WORD), (WORD - 1, 1)])
    interval, lag = chance.choice([(0, 0), (1, 0), (3, 2)])
    if numbers and chance.random() < 0.7:
        steps, every = 3, 1
        numbers[chance.randrange(len(numbers))] = unknown_number(chance, fields)
    elif chance.random() < 0.3:
        steps, every = 3, 1
        interval, lag = chance.choice([(-1, 0), (1, -1), (-WORD, WORD - 1)])
    cuts = sorted(chance.randint(0, len(numbers)) for _ in range(2))
    lists = (cuts[0], cuts[1] - cuts[0], len(numbers) - cuts[1])
    header = Header(Verb.RUN, count=steps, argument=every, extents=(*lists, interval, lag))
    return header, pieces_of(chance, struct.pack(f"={len(numbers)}i", *numbers)) if numbers else []


def bad_slot(chance: random.Random, fields: list[dict]) -> Request:
    verb = chance.choice([Verb.SNAPSHOT, Verb.RESTORE, Verb.DROP])
    slot = integer(chance)
    while slot == 0 or (verb is Verb.SNAPSHOT and 0 <= slot <= 65535):
        slot = integer(chance)
    return Header(verb, argument=slot), []


def bad_path(chance: random.Random, fields: list[dict]) -> Request:
    text = chance.choice(["", " ", "nowhere/", "half\0way", "x" * chance.randrange(300, 4000), "damaged"])
    if text == "nowhere/":
        text += chance.randbytes(chance.randrange(40)).decode("latin-1")
    data = text.encode()[:4096]
    header = Header(chance.choice([Verb.SAVE, Verb.LOAD]), argument=integer(chance), count=len(data))
    if header.argument == 0:
        header.verb = Verb.LOAD
    return header, pieces_of(chance, data + b" " * (-len(data) % 4))


REFUSED: list[Callable[[random.Random, list[dict]], Request]] = [
    unknown_verb, get_unknown, set_unknown, set_misfit, set_read_only, bad_run, bad_slot, bad_path
]  # fmt: skip


def noise(chance: random.Random, met: Model) -> None:
    """Frames that a model has to let pass: old ones, and such that came too early."""
    body = chance.randbytes(chance.choice([0, 4, 64, 1000]))
    number = chance.choice([met.sent, 0, -1, met.sent + 2, 2**62, -(2**63), met.sent - chance.randrange(40)])
    kind = chance.choice([Kind.REQUEST, Kind.PAYLOAD])
    past = chance.choice([met.taken, 0, -1, -(2**63)])
    met.post(Envelope(kind, number, past).pack(), body)
    met.post(Envelope(chance.choice([Kind.BEAT, Kind.ACKNOWLEDGE, Kind.RESUMED]), number, past).pack(), body)


def damaged_snapshot(chance: random.Random, directory: Path) -> None:
    """The file `damaged.0000`: a good snapshot with some bytes changed, cut, or none of it."""
    data = bytearray((directory / "good.0000").read_bytes())
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data) if chance.random() < 0.5 else 56)] ^= 1 << chance.randrange(8)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data)) :]
    (directory / "damaged.0000").write_bytes(data if chance.random() < 0.9 else chance.randbytes(200))


def refusals(program: Path, directory: Path, frames: int, chance: random.Random) -> int:
    """Send so many frames to one model, which has to refuse them all and be afterwards what it was before."""
    with model(program, directory) as met:
        welcome(met)
        before = met.state
        fields = fields_of(before[0])
        path = str(directory / "good").encode()
        met.answer(Header(Verb.SAVE, argument=0, count=len(path)), padded_text(path.decode()))
        while met.frames < frames:
            damaged_snapshot(chance, directory)
            for _ in range(50):
                if chance.random() < 0.2:
                    noise(chance, met)
                header, pieces = chance.choice(REFUSED)(chance, fields)
                answer, text = met.answer(header, *pieces)
                if (answer.verb, answer.status, answer.argument) != (
                    Verb.REPLY,
                    Status.ERROR,
                    header.verb,
                ) or not text:
                    raise Finding(f"{header} was answered by {answer} {text!r}")
            if (now := met.state) != before:
                raise Finding(f"refused frames changed the model: {before} became {now}")
        met.answer(Header(Verb.STOP))
        if met.process.wait(TIMEOUT) != 0:
            raise Finding(f"the model did not end well: {met.output}")
        return met.frames


# --- frames after which the model has to end itself ---


def changed(data: bytes, word: int, value: int) -> bytes:
    """`data` with another 32-bit word."""
    return data[: 4 * word] + struct.pack("=i", value) + data[4 * word + 4 :]


def other(chance: random.Random, *known: int) -> int:
    """A number that is none of the known ones."""
    value = integer(chance)
    while value in known:
        value = integer(chance)
    return value


def noise_for_an_envelope(chance: random.Random, met: Model) -> None:
    met.post(chance.randbytes(chance.choice([0, 1, 31, 32, 33, 64, 100_000])), b"")


def wrong_number_of_frames(chance: random.Random, met: Model) -> None:
    met.post(Envelope(Kind.BEAT).pack(), *[b"x" * chance.randrange(100)] * chance.choice([0, 2, 3, 300]))


def wrong_magic_or_version(chance: random.Random, met: Model) -> None:
    right = Envelope(Kind.REQUEST, met.sent + 1).pack()
    word = chance.randrange(2)
    met.post(changed(right, word, other(chance, *struct.unpack("=2i", right[:8]))), Header(Verb.HELLO).pack())


def unknown_kind(chance: random.Random, met: Model) -> None:
    met.post(Envelope(other(chance, 2, 3, 5, 6, 7, 8, 10, 12), met.sent + 1).pack(), chance.randbytes(64))


def acknowledgement_of_nothing(chance: random.Random, met: Model) -> None:
    number = chance.choice([2**63 - 1, 2**32, met.taken + 1000])
    met.post(Envelope(Kind.BEAT, 0, number).pack(), b"")


def wrong_header(chance: random.Random, met: Model) -> None:
    right = Header(Verb.HELLO).pack()
    cut = right[: chance.randrange(HEADER_BYTES)]
    word = chance.randrange(2)
    odd = changed(right, word, other(chance, *struct.unpack("=2i", right[:8])))
    met.count(
        Kind.REQUEST, chance.choice([cut, right + bytes(4), odd, chance.randbytes(64), bytes(LARGEST_BODY)])
    )


def values_for_nothing(chance: random.Random, met: Model) -> None:
    met.count(Kind.PAYLOAD, chance.randbytes(chance.choice([0, 64, 1000])))


def request_for_values(chance: random.Random, met: Model) -> None:
    header, _ = a_set(chance, met)
    met.ask(header)
    met.count(Kind.REQUEST, header.pack())


def a_set(chance: random.Random, met: Model) -> Request:
    """A good `set` of an array."""
    fields = fields_of(met.answer(Header(Verb.HELLO))[1])
    writable = [f for f in fields if f["extents"] and f["role"] not in (Role.STATIC, Role.DIAGNOSTIC)]
    field = chance.choice(writable)
    return values(chance, field["number"], field["dtype"], field["extents"])


def misfit_piece(chance: random.Random, met: Model) -> None:
    header, pieces = a_set(chance, met)
    data = b"".join(pieces)
    first = 4 * chance.randrange(1, len(data) // 4)
    rest = [data + bytes(4), data[first:] + bytes(4), b"", data[first:-1], bytes(LARGEST_BODY)]
    met.ask(header, data[:first], chance.choice(rest))


def values_of_absurd_size(chance: random.Random, met: Model) -> None:
    extents = tuple(chance.choice([WORD - 1, -1, -WORD, 2**16, 4]) for _ in range(5))
    ndims = chance.choice([-1, 6, WORD - 1, -WORD]) if chance.random() < 0.5 else 5
    header = Header(Verb.SET, 0, chance.choice([1, 99]), chance.choice([1, 2, 7]), ndims, (-1, *extents[1:]))
    if ndims == 5 and chance.random() < 0.5:
        header.extents = (2**16, 2**16, 1, 1, 1)
    met.ask(header, bytes(64))


def path_of_absurd_length(chance: random.Random, met: Model) -> None:
    count = chance.choice([-1, -WORD, WORD - 1, 4097, 10**8])
    met.ask(Header(chance.choice([Verb.SAVE, Verb.LOAD, Verb.SHARE]), argument=0, count=count), bytes(4096))


def run_of_absurd_fields(chance: random.Random, met: Model) -> None:
    number = chance.choice([-1, -WORD, WORD - 1, 4097])
    lists = chance.choice([(number, 0, 0), (0, number, 0), (1, 1, number)])
    met.ask(Header(Verb.RUN, count=1, argument=1, extents=(*lists, 0, 0)), bytes(64))


def no_forcing(chance: random.Random, met: Model) -> None:
    """In a coupled run, an answer that is no forcing, or one of another number of fields."""
    header, _ = a_set(chance, met)
    run = Header(Verb.RUN, count=4, argument=1, extents=(0, 0, 1, 1, 0))
    if met.answer(run, struct.pack("=i", header.field))[0].verb != Verb.COUPLE:
        raise Finding("a coupled run did not begin with its first interval")
    wrong = [
        Header(Verb.HELLO),
        Header(Verb.FORCING, count=chance.choice([-1, 2, WORD - 1])),
        Header(Verb.STOP),
    ]
    met.ask(chance.choice(wrong))


def more_than_a_window(chance: random.Random, met: Model) -> None:
    header, _ = a_set(chance, met)
    met.ask(header)  # it waits for the first of these, and the others must not pile up
    envelope = Envelope(Kind.REQUEST, 0, met.taken)
    for number in range(1, 20 * WINDOW_MESSAGES):
        envelope.number = met.sent + number
        met.post(envelope.pack(), bytes(64))


def farewell(chance: random.Random, met: Model) -> None:
    kind = chance.choice([Kind.REFUSED, Kind.GOODBYE])
    met.post(Envelope(kind).pack(), chance.randbytes(chance.choice([0, 1, 100, 5000, LARGEST_BODY])))


def time_level_out_of_reach(chance: random.Random, met: Model) -> None:
    """The index of the current time level is state and may be set; a run must not follow it out of the array."""
    fields = {field["name"]: field for field in fields_of(met.answer(Header(Verb.HELLO))[1])}
    level = struct.pack("=i", chance.choice([WORD - 1, -WORD + 4, 100, 7, -5]))
    met.answer(Header(Verb.SET, 0, fields["now"]["number"], 3), level)
    refused, text = met.answer(Header(Verb.GET, 0, fields["levels"]["number"]))
    if refused.status != Status.ERROR or b"no time level" not in text:
        raise Finding(f"{refused} {text!r}")
    met.answer(Header(Verb.SET, 0, fields["now"]["number"], 3), struct.pack("=i", 1))
    met.ask(Header(Verb.RUN, count=10**6, argument=1, extents=(1, 0, 0, 0, 0)), struct.pack("=i", 10))
    noise_for_an_envelope(chance, met)


def memory_of_no_use(chance: random.Random, met: Model) -> None:
    """Files that are too short, of nobody, or of another nonce: none is taken."""
    here = own_place()
    with tempfile.TemporaryFile() as file:
        for size in (0, 1000, 2**24):
            file.truncate(size)
            process = chance.choice([os.getpid(), integer(chance), 1])
            number = chance.choice([file.fileno(), 0, integer(chance)])
            place = chance.choice([here, here, "elsewhere", ""])
            where = padded_extents((number, process))
            header = Header(Verb.SHARE, extents=where, count=len(place), step=1)
            text = met.answer(header, padded_text(place) or b"")[1]
            if text.strip() in (b"", b"shared"):
                raise Finding(f"{header} was taken: {text!r}")
    noise_for_an_envelope(chance, met)


def place_in_no_memory(chance: random.Random, met: Model) -> None:
    """Values in a place, where no memory was ever shared."""
    asked_about_place(chance, met, integer(chance) or 64)


def place_outside(chance: random.Random, met: Model) -> None:
    """A file that is taken, and a place that reaches beyond its end, or has rows or levels that overlap."""
    length = 2**16
    with tempfile.TemporaryFile() as file:
        file.truncate(length)
        nonce = chance.randrange(1, 2**62)
        os.pwrite(file.fileno(), struct.pack("=q", nonce), 0)
        where = padded_extents((file.fileno(), os.getpid()))
        header = Header(Verb.SHARE, extents=where, count=len(own_place()), step=nonce)
        text = met.answer(header, padded_text(own_place()))[1]
        if text.strip() != b"shared" or os.pread(file.fileno(), 8, 64) != struct.pack("=q", nonce):
            raise Finding(f"{header} was not taken: {text!r}")
        beyond = [length - 4, length, -8, -(2**63), 2**62, 2**63 - 8, 4 * integer(chance) + 2]
        asked_about_place(chance, met, chance.choice(beyond))


def asked_about_place(chance: random.Random, met: Model, offset: int) -> None:
    header, _ = a_set(chance, met)
    strides = integer(chance), integer(chance)
    if chance.random() < 0.5:
        header.verb = chance.choice([Verb.SET, Verb.GET])
        header.step, (header.count, header.argument) = offset, strides
        met.ask(header)
        return
    run = Header(Verb.RUN, field=1, count=4, argument=1, extents=(1, 0, 0, 0, 0))
    place = struct.pack("=qqii", offset, 4 * integer(chance), *strides)
    met.ask(run, struct.pack("=i", header.field), place)


FATAL: list[Callable[[random.Random, Model], None]] = [
    noise_for_an_envelope, wrong_number_of_frames, wrong_magic_or_version, unknown_kind, acknowledgement_of_nothing,
    wrong_header, values_for_nothing, request_for_values, misfit_piece, values_of_absurd_size, path_of_absurd_length,
    run_of_absurd_fields, memory_of_no_use, place_in_no_memory, place_outside, no_forcing, more_than_a_window,
    farewell, time_level_out_of_reach,
]  # fmt: skip


def odd_welcome(met: Model, chance: random.Random) -> None:
    """A welcome that is none."""
    odd = [
        b"",
        bytes(7),
        bytes(8),
        struct.pack("=2i", 5, -1),
        struct.pack("=2i", -5, 20_000),
        chance.randbytes(6),
    ]
    met.post(Envelope(Kind.WELCOME).pack(), chance.choice(odd))


def end_of(
    program: Path, directory: Path, case: Callable[[random.Random, Model], None], chance: random.Random
) -> Model:
    """Start a model, do this to it, and see it end in order."""
    with model(program, directory) as met:
        welcome(met)
        case(chance, met)
        met.ended()
        return met


def bad_beginning(program: Path, directory: Path, chance: random.Random) -> Model:
    """Start a model and welcome it in a way that is none."""
    with model(program, directory) as met:
        odd_welcome(met, chance)
        met.ended()
        return met


def main(program: Path, frames: int, seed: int) -> None:
    """Rounds of refused frames and of ends, until so many frames were sent."""
    chance, sent, ends = random.Random(seed), 0, 0
    assert len(Envelope(0).pack()) == ENVELOPE_BYTES
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        while sent < frames:
            sent += refusals(program, Path(folder), 20_000, chance)
            for case in FATAL:
                sent += end_of(program, Path(folder), case, chance).frames
            sent += bad_beginning(program, Path(folder), chance).frames
            ends += len(FATAL) + 1
    seconds = time.monotonic() - start
    print(f"Fortran: {sent} frames, {ends} models ended themselves, 0 findings, {seconds:.0f} s, seed {seed}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3]))
