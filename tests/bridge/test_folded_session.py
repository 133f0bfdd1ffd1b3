"""A session with a model on a tripolar grid whose land-only ranks are left out, over the loopback transport."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bridge.decomposition import Decomposition, Tile
from bridge.errors import ProtocolError
from bridge.north_fold import Edges, extend, fold_misfit, partner
from bridge.protocol import Header, Role, Status, Verb
from bridge.session import Session
from bridge.transport.loopback import LoopbackRank, LoopbackTransport

NX, NY = 12, 6
#: 3 by 2 ranks of 4 by 3 cells; the ones in the middle of the south and the east of the north are land
TILES = (Tile(0, 0, 4, 3), Tile(8, 0, 4, 3), Tile(0, 3, 4, 3), Tile(4, 3, 4, 3))
FIELDS = {"zos": "T", "uo": "U", "vo": "V"}


class TripolarModel:
    """Ranks that hold their tiles of `FIELDS`, and obey get and set."""

    def __init__(self, fold: str, values: dict[str, np.ndarray], changes: dict | None) -> None:
        self.fold, self.changes = fold, changes or {}
        self.tiles = [{n: np.ascontiguousarray(a[tile.window]) for n, a in values.items()} for tile in TILES]

    def description(self, rank: int) -> dict:
        """What rank `rank` says; `changes` apply to the last one."""
        tile = TILES[rank]
        said = {
            "model": "tripolar", "version": "0", "time_step": 1.0, "global_shape": [NX, NY, 1],
            "tile_start": [tile.i + 1, tile.j + 1], "tile_shape": [tile.ni, tile.nj],
            "periodic": [True, False], "fold": self.fold,
            "fields": [
                {"name": name, "role": Role.STATE, "dtype": 1, "extents": [4, 3], "point": point, "units": ""}
                for name, point in FIELDS.items()
            ],
        }  # fmt: skip
        return said | (self.changes if rank == len(TILES) - 1 else {})

    def serve(self, peer: LoopbackRank) -> None:
        """Answer all requests that have arrived."""
        while peer.requests:
            request = peer.requests.popleft()
            tile = self.tiles[peer.rank]
            name = list(FIELDS)[request.field - 1]
            if request.verb == Verb.GET:
                peer.outgoing.append(tile[name].tobytes())
                continue
            text = b""
            if request.verb == Verb.HELLO:
                text = json.dumps(self.description(peer.rank)).encode()
                text += b" " * (-len(text) % 4)
            elif request.verb == Verb.SET:
                tile[name] = np.frombuffer(peer.incoming.popleft()).reshape(tile[name].shape).copy()
            answer = Header(Verb.REPLY, Status.OK, argument=request.verb, count=len(text))
            peer.answer(answer, *([text] if text else []))


def connect(fold: str, values: dict[str, np.ndarray], changes: dict | None = None) -> Session:
    return Session(LoopbackTransport(len(TILES), TripolarModel(fold, values, changes).serve))


def folded_fields(edges: Edges) -> dict[str, np.ndarray]:
    """Random fields that obey the fold: what its last row repeats is repeated, with the sign of a vector."""
    fields = {}
    for seed, (name, point) in enumerate(FIELDS.items()):
        field = np.random.default_rng(seed).normal(size=(NY, NX))
        sign = 1.0 if name == "zos" else -1.0
        i = np.arange(NX)
        j, other = partner(edges, point, (NY, NX), NY - 1, i)
        if j <= NY - 1:
            second = (other < i) if j == NY - 1 else np.full(NX, True)
            field[-1, second] = sign * field[j, other[second]]
        fields[name] = field
    return fields


@pytest.mark.parametrize("fold", ["T", "F"])
def test_grid_says_how_it_continues_and_land_is_zero(fold: str) -> None:
    edges = Edges(True, False, fold)
    values = folded_fields(edges)
    with connect(fold, values) as session:
        assert session.describe().grid.edges == edges
        covered = session.registration.decomposition.covered
        assert covered.sum() == 48
        for name, point in FIELDS.items():
            field = session.get(name)
            assert np.array_equal(field, np.where(covered, values[name], 0.0))
            sign = 1.0 if name == "zos" else -1.0
            extended = extend(field, session.describe().grid.edges, point, 2, sign)
            whole = extend(np.where(covered, values[name], 0.0), edges, point, 2, sign)
            assert np.array_equal(extended, whole)
            known = extend(covered, edges, point, 2)
            truth = extend(values[name], edges, point, 2, sign)
            assert np.array_equal(extended[known], truth[known]) and not extended[~known].any()


@pytest.mark.parametrize("fold", ["T", "F"])
def test_halo_on_request_is_what_extend_makes_of_the_field(fold: str) -> None:
    """Components of vectors change their sign across the fold, though nobody says so."""
    edges = Edges(True, False, fold)
    with connect(fold, folded_fields(edges)) as session:
        for name, point in FIELDS.items():
            haloed = session.get(name, halo=2)
            assert np.array_equal(
                haloed, extend(session.get(name), edges, point, 2, 1.0 if name == "zos" else -1.0)
            )
            assert np.any(haloed[-2:] != extend(session.get(name), edges, point, 2)[-2:]) == (name != "zos")
        with pytest.raises(ValueError, match="cannot have a halo of 7 cells"):
            session.get("zos", halo=7)


@pytest.mark.parametrize("fold", ["T", "F"])
def test_field_that_is_set_comes_back_and_still_obeys_the_fold(fold: str) -> None:
    edges = Edges(True, False, fold)
    with connect(fold, {name: np.zeros((NY, NX)) for name in FIELDS}) as session:
        land = ~session.registration.decomposition.covered
        for name, point in FIELDS.items():
            session.set({name: folded_fields(edges)[name]})
            field = session.get(name)
            assert not field[land].any()
            sign = 1.0 if name == "zos" else -1.0
            # Where a rank and its partner across the fold both exist.
            j, i = partner(edges, point, (NY, NX), NY - 1, np.arange(NX))
            both = ~land[-1] & ~land[min(int(j), NY - 1), i]
            assert both.any()
            assert not fold_misfit(field, edges, point, sign)[both].any()


@pytest.mark.parametrize(
    ("fold", "change", "text"),
    [
        ("F", {"fold": "T"}, "rank 0 gave fold = F, rank 3 gave T"),
        ("F", {"periodic": [False, False]}, "rank 3 gave"),
        ("-", {}, 'expected a north fold "none", "T" or "F", got'),
    ],
)
def test_edges_that_cannot_be_are_refused(fold: str, change: dict, text: str) -> None:
    with pytest.raises(ProtocolError, match=text):
        connect(fold, {name: np.zeros((NY, NX)) for name in FIELDS}, change)


def test_suppressed_ranks_leave_the_fill() -> None:
    decomposition = Decomposition(NX, NY, TILES)
    ones = decomposition.scatter(np.ones((NY, NX)))
    assert np.array_equal(decomposition.gather(ones, fill=np.nan) == 1.0, decomposition.covered)
