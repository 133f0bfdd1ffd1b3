"""The parts of the ZMQ transport that need no socket: envelopes, counted delivery, pieces of arrays, keys."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bridge.decomposition import Tile
from bridge.errors import ConfigurationError, ProtocolError
from bridge.transport import delivery, envelope, keys, neighbour, pieces
from bridge.transport.base import Window
from bridge.transport.delivery import Delivery
from bridge.transport.envelope import Envelope, Introduction, Kind, OtherVersion
from bridge.transport.zmq_transport import Endpoint, new_key_pair

SOURCE = Path(__file__).resolve().parents[2] / "fortran_stubs" / "src" / "bridge_envelope.f90"


def test_envelope_constants_are_the_same_on_both_sides() -> None:
    found = re.findall(r"parameter, public :: (\w+) = (\d+)", SOURCE.read_text())
    fortran = {name: int(value) for name, value in found}
    kinds = {name: value for name, value in fortran.items() if name.startswith("kind_")}
    assert kinds == {f"kind_{kind.name.lower()}": kind.value for kind in Kind}
    assert 4 * fortran.pop("envelope_words") == envelope.ENVELOPE_BYTES == len(Envelope(Kind.BEAT).pack())
    rest = {name: value for name, value in fortran.items() if name not in kinds}
    assert rest == {name: getattr(envelope, name.upper()) for name in rest} and len(rest) == 5


def test_fortran_packs_an_envelope_and_knows_its_place_as_we_do(executable, tmp_path: Path) -> None:
    stopped = subprocess.Popen(["sleep", "60"])
    stopped.send_signal(signal.SIGSTOP)
    dead = subprocess.Popen(["true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)  # a zombie, which nobody has buried
    try:
        command = [executable("test_envelope"), str(stopped.pid), str(dead.pid), "999999999"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        lives = [neighbour.life_of(process, neighbour.own_place()) for process in (stopped.pid, dead.pid)]
    finally:
        stopped.kill()
        stopped.wait()
        dead.wait()
    words, place, directory, *gone = done.stdout.splitlines()
    theirs = np.array(words.split(), np.int32)
    assert theirs[1] == 9  # the version
    theirs[1] = np.frombuffer(Envelope(Kind.BEAT).pack(), np.int32)[1]
    assert theirs.tobytes() == Envelope(Kind.PAYLOAD, 2**40 + 1, 2**35 + 7).pack()
    assert place == neighbour.own_place()
    assert directory == str(tmp_path)
    assert gone == ["F", "T", "T"]
    assert lives == [neighbour.Life.STOPPED, neighbour.Life.GONE]
    assert neighbour.life_of(os.getpid(), "elsewhere") is neighbour.Life.UNKNOWN


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", ProtocolError),
        (b"x" * envelope.ENVELOPE_BYTES, ProtocolError),
        (Envelope(Kind.BEAT).pack()[:4] + b"\x63" + Envelope(Kind.BEAT).pack()[5:], OtherVersion),
    ],
    ids=["empty", "noise", "other version"],
)
def test_wrong_envelopes_are_refused(data: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        Envelope.unpack(data)


@pytest.mark.parametrize("numbers", [(0, 2, 2, 1), (0, -1, 2, 1), (-1, 0, 1, 1), (0, 0, 2**31 - 1, 1)])
def test_impossible_introductions_are_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError):
        Introduction.unpack(np.array(numbers, np.int32).tobytes() + b"host")


def test_messages_arrive_once_and_in_order_after_a_loss() -> None:
    ours, theirs = Delivery(), Delivery()
    sent = [(ours.post(Kind.PAYLOAD, number), number) for number in range(20)]
    for message in sent[:5] + sent[8:12]:  # three are lost, and those after them are of no use
        theirs.arrived(*message)
    assert [body for _, body in theirs.inbox] == [0, 1, 2, 3, 4]
    theirs.inbox.clear()
    ours.acknowledged(theirs.taken)
    for message in ours.again():
        theirs.arrived(*message)
        theirs.arrived(*message)  # twice does no harm
    assert [body for _, body in theirs.inbox] == list(range(5, 20))
    assert not theirs.owes_acknowledgement
    theirs.inbox.clear()
    assert theirs.owes_acknowledgement


def test_queues_are_bounded_in_both_directions() -> None:
    ours, theirs = Delivery(), Delivery()
    while ours.has_room:
        theirs.arrived(ours.post(Kind.PAYLOAD, b""), b"")
    assert ours.sent == delivery.WINDOW_MESSAGES
    with pytest.raises(ProtocolError, match="nobody asked for"):
        theirs.arrived(ours.post(Kind.PAYLOAD, b""), b"")


@pytest.mark.parametrize("tile", [None, Tile(0, 0, 700, 500), Tile(0, 100, 700, 300), Tile(30, 20, 601, 401)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("levels", [(), (5,), (2, 3)])
def test_arrays_come_back_from_their_pieces(tile: Tile | None, dtype: type, levels: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).normal(size=(*levels, 500, 700)).astype(dtype)
    back = np.zeros_like(array)
    assembly = pieces.Assembly(Window(back, tile))
    for piece, borrowed in pieces.cut(Window(array, tile)):
        assert not assembly.complete and len(piece) <= envelope.PIECE_BYTES
        assert borrowed == np.shares_memory(np.frombuffer(piece, np.uint8), array)
        assembly.add(piece)
    assert assembly.complete
    expected = np.zeros_like(array)
    Window(expected, tile).view[...] = Window(array, tile).view
    assert np.array_equal(back, expected)


@pytest.mark.parametrize("most", [64, 24, 80, 4096])
def test_parts_of_rows_rows_and_levels_are_the_values_in_order(most: int) -> None:
    """A row of the tile has 64 bytes: parts of 64 are rows, shorter ones pieces of a row, 4096 hold it all."""
    array = np.arange(3 * 5 * 12.0).reshape(3, 5, 12)
    window = Window(array, Tile(2, 1, 8, 3))
    found = list(pieces.parts(window, most))
    assert all(0 < part.nbytes <= most for part in found)
    assert b"".join(part.tobytes() for part in found) == window.view.tobytes()


@pytest.mark.parametrize("size", [4, 12, 1000, 4096])
def test_pieces_may_end_anywhere_between_two_numbers(size: int) -> None:
    tile, values = Tile(2, 1, 13, 7), np.arange(3 * 7 * 13, dtype=np.float32)
    back = np.zeros((3, 9, 17), np.float32)
    assembly = pieces.Assembly(Window(back, tile))
    data = values.tobytes()
    for start in range(0, len(data), size):
        assembly.add(data[start : start + size])
    assert assembly.complete and np.array_equal(Window(back, tile).view.ravel(), values)


@pytest.mark.parametrize(
    ("window", "piece"),
    [
        (Window(np.zeros(4)), b"x" * 40),
        (Window(np.zeros(4)), b""),
        (Window(np.zeros((4, 4)), Tile(1, 1, 2, 2)), b"123"),
    ],
    ids=["too much", "nothing", "half a number"],
)
def test_pieces_that_do_not_fit_are_refused(window: Window, piece: bytes) -> None:
    with pytest.raises(ProtocolError):
        pieces.Assembly(window).add(piece)


def test_numbers_without_dimensions_and_nothing_at_all_travel() -> None:
    for source in (np.array(3.5), np.zeros(0)):
        back = np.zeros_like(source)
        assembly = pieces.Assembly(Window(back))
        for piece, _ in pieces.cut(Window(source)):
            assembly.add(piece)
        assert assembly.complete and np.array_equal(back, source)


def test_key_that_is_missing_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"server\.public is missing: make keys"):
        keys.server_pair(tmp_path)


def test_keys_are_kept_from_others_and_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    for name in ("server", "model", "second"):
        keys.write_pair(folder, name, lambda: (b"p" * 40, b"s" * 40))
    assert keys.server_pair(folder) == (b"p" * 40, b"s" * 40)
    assert keys.known_models(folder)[b"p" * 40] in ("model", "second")
    assert (folder / "server.secret").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="exists"):
        keys.write_pair(folder, "server", lambda: (b"p" * 40, b"s" * 40))
    (folder / "server.secret").chmod(0o644)
    with pytest.raises(ConfigurationError, match="can be read by others"):
        keys.server_pair(folder)
    (folder / "model.public").write_text("short\n")
    with pytest.raises(ConfigurationError, match="is not a key"):
        keys.known_models(folder)


def test_a_server_that_could_let_no_model_in_does_not_wait_for_one(tmp_path: Path) -> None:
    keys.write_pair(tmp_path, "server", new_key_pair)
    with pytest.raises(ConfigurationError, match="no public key of a model.* --model model"):
        Endpoint("tcp://127.0.0.1:*", tmp_path)
    keys.write_pair(tmp_path, "model", new_key_pair)
    Endpoint("tcp://127.0.0.1:*", tmp_path).close()


@pytest.mark.parametrize(
    "endpoint",
    [
        "foo://x", "x", "", "tcp://", "tcp://127.0.0.1", "ipc://", "ipc://relative", "inproc://x",
        "tcp://127.0.0.1:99999", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:0", "tcp://127.0.0.1:five",
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_not_listened_at(endpoint: str) -> None:
    with pytest.raises(
        ConfigurationError, match="is no endpoint: expected tcp://host:port, ports being 1 to"
    ):
        Endpoint(endpoint)


def test_only_addresses_of_this_machine_are_local() -> None:
    for endpoint in ("ipc:///tmp/x", "ipc://@x", "tcp://127.0.0.1:1", "tcp://localhost:1", "tcp://[::1]:1"):
        assert keys.is_local(endpoint)
    for endpoint in (
        "tcp://*:1",
        "tcp://0.0.0.0:1",
        "tcp://10.0.0.1:1",
        "tcp://localhost.evil.example:1",
        "tcp://127.x.y:1",
        "tcp://127.0.0.1.example:1",
    ):
        assert not keys.is_local(endpoint)
