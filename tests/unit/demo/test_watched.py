"""Where a run's dashboard listens."""

from __future__ import annotations

import socket

import pytest

from market.api.settings import Settings
from market.demo import watched


def test_the_usual_port_is_taken_where_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(watched, "Settings", lambda: Settings(port=port))
        assert watched.choose_port(None) == 0
        assert watched.choose_port(port) == port
    assert watched.choose_port(None) == port
    assert watched.choose_port(0) == 0
