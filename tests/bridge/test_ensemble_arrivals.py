"""Whoever starts instances is told of each one that is here, also of the one that takes the last place."""

from types import SimpleNamespace

from bridge import ensemble_arrivals


class Starter:
    """Newcomers with these labels; remembers what it is told."""

    def __init__(self, labels: list[int]) -> None:
        self.labels = labels
        self.told: list[set[int]] = []

    def next(self) -> SimpleNamespace | None:
        return SimpleNamespace(instance=self.labels.pop(0)) if self.labels else None

    def tend(self, connected: set[int]) -> None:
        self.told.append(set(connected))


class Places:
    """Room for so many instances of one kind."""

    card: dict[str, object] = {}

    def __init__(self, places: int) -> None:
        self.places = places
        self.labels: list[int] = []

    @property
    def has_room(self) -> bool:
        return len(self.labels) < self.places

    def admit(self, session: SimpleNamespace) -> None:
        self.labels.append(session.instance)


def test_starter_hears_of_the_instance_that_takes_the_last_place(monkeypatch) -> None:
    monkeypatch.setattr(ensemble_arrivals, "card_of", lambda session: {})
    starter, places = Starter([4, 5, 6]), Places(2)
    ensemble_arrivals.let_in(starter, [places])
    assert places.labels == [4, 5] and starter.told[-1] == {4, 5}
    ensemble_arrivals.let_in(starter, [places])
    assert starter.told[-1] == {4, 5} and starter.labels == [6], "a full ensemble asks for nobody"
