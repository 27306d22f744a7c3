"""Work in the background: once for all who ask, bounded by owner and in all, and not tried again at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from market.api import making
from market.api.errors import Unavailable
from market.api.making import MAX_OF_OWNER, Making
from market.errors import StorageUnavailable


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Return what hanging work waits for; nobody waits long for that."""
    monkeypatch.setattr(making, "WAIT_SECONDS", 0.01)
    event = threading.Event()
    yield event
    event.set()


def get(made: Making, key: object, owner: str, work: Callable[[], Any], **given: float) -> Any:
    return asyncio.run(made.get(str(key), owner, work, **given))


def test_all_who_ask_get_what_is_made_once() -> None:
    made, begun, go_on = Making(), [], threading.Event()

    def work() -> str:
        begun.append(1)
        assert go_on.wait(30)
        return "done"

    async def scene() -> list[str]:
        asked = [asyncio.create_task(made.get("key", "me", work)) for _ in range(20)]
        await asyncio.sleep(0)
        go_on.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(scene()) == ["done"] * 20
    assert len(begun) == 1
    assert get(made, "key", "me", lambda: "again") == "again"


def test_an_owner_whose_files_hang_holds_up_its_own_only(released: threading.Event) -> None:
    made = Making()
    for number in range(MAX_OF_OWNER + 1):
        with pytest.raises(Unavailable, match="same owner" if number == MAX_OF_OWNER else "a while"):
            get(made, number, "bad", lambda: released.wait(30))
    making.WAIT_SECONDS = 30.0
    assert get(made, "other", "good", lambda: "done") == "done"


def test_only_so_much_is_made_at_once(released: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MAX_UNDER_WAY", 3)
    made = Making()
    for number in range(4):
        with pytest.raises(Unavailable, match="too many others" if number == 3 else "a while"):
            get(made, number, f"owner {number}", lambda: released.wait(30))


def test_what_storage_has_not_got_is_asked_for_again_after_a_minute() -> None:
    now = [0.0]
    made, tried = Making(lambda: now[0]), []

    def work() -> None:
        tried.append(1)
        raise StorageUnavailable("nobody has it")

    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            get(made, "key", "me", work)
    assert len(tried) == 1
    now[0] += making.KEPT_SECONDS + 1
    assert get(made, "key", "me", lambda: "there", keep_seconds=10) == "there"
    assert get(made, "key", "me", lambda: "not asked") == "there"


def test_other_failures_are_not_kept() -> None:
    made = Making()
    with pytest.raises(ValueError, match="once"):
        get(made, "key", "me", lambda: int("once"))
    assert get(made, "key", "me", lambda: 7) == 7
