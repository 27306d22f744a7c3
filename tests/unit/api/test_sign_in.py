"""Sign-In with Ethereum: who signs the own page's message is in; every other message is refused."""

from __future__ import annotations

import contextlib
import socket
import threading
import time as time_of_machine
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from web3 import Web3
from web3.providers.base import BaseProvider

from market.api import signing_in as signing
from market.api.app import Parts, create_app
from market.api.drafts import DraftStore
from market.api.errors import SignInRefused, Unavailable
from market.api.private_views import DraftGiven
from market.api.settings import Settings
from market.api.signatures import signed_by_contract
from market.api.signing_in import Session, SignIns, digest
from market.api.siwe import SignIn
from market.api.tables import sessions
from tests.unit.api.fake_reader import CHAIN, FakeReader
from tests.unit.api.serving import client_of
from tests.unit.api.signing import OTHER, WALLET, message, nonce_of, origin_of, sign, signed_in, time, verify

EXAMPLE = """example.com wants you to sign in with your Ethereum account:
0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
"""The example of EIP-4361."""


def visitor_of(client: httpx.Client) -> str:
    """Return the name of the cookie of who begins to sign in."""
    return f"gramercy-visitor-{client.base_url.port}"


def session_cookie(client: httpx.Client) -> tuple[str, str]:
    """Return name and value of the session's cookie."""
    name = f"gramercy-{client.base_url.port}"
    return name, client.cookies[name]


def test_the_standards_example_is_read() -> None:
    asked = SignIn.parse(EXAMPLE)
    assert (asked.domain, asked.chain_id, asked.nonce) == ("example.com", 1, "32891756")
    assert asked.issued_at == datetime(2021, 9, 30, 16, 25, 24, tzinfo=UTC)


def test_who_signs_is_in_and_can_leave(client: httpx.Client) -> None:
    headers = signed_in(client)
    assert client.get("/api/v1/me").json()["address"] == WALLET.address
    assert client.post("/api/v1/auth/logout", headers=headers).status_code == 204
    assert client.get("/api/v1/me").status_code == 401


def test_nobody_is_nobody(client: httpx.Client) -> None:
    answer = client.get("/api/v1/me")
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-signed-in")


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client: httpx.Client) -> None:
    text = message(origin_of(client), nonce_of(client))
    cookies = verify(client, text).headers.get_list("set-cookie")
    (session,) = [one for one in cookies if "Max-Age=604800" in one]
    assert session.startswith(f"gramercy-{client.base_url.port}=")  # servers on one machine share their cookies
    assert "HttpOnly" in session
    assert "SameSite=strict" in session
    assert "Path=/" in session
    assert "Domain" not in session


def test_cookies_are_bound_to_tls_and_host_off_loopback(engine: Engine) -> None:
    settings = Settings(hosts=("market.example",), origin="https://market.example")
    with client_of(create_app(settings, Parts(FakeReader(), engine))) as client:
        told = client.post("/api/v1/auth/nonce", headers={"Host": "market.example"}).headers["set-cookie"]
    assert told.startswith("__Host-gramercy-visitor=")
    assert "Secure" in told


def test_the_database_keeps_no_token(client: httpx.Client, engine: Engine) -> None:
    signed_in(client)
    _, token = session_cookie(client)
    with engine.connect() as connection:
        kept = [row.token for row in connection.execute(select(sessions))]
    assert digest(token) in kept
    assert token not in kept


def test_a_replayed_nonce_is_refused(client: httpx.Client) -> None:
    text = message(origin_of(client), nonce_of(client))
    visitor = client.cookies[visitor_of(client)]
    assert verify(client, text).status_code == 200
    client.cookies.clear()
    client.cookies.set(visitor_of(client), visitor)
    answer = verify(client, text)
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/sign-in-refused")


def test_a_failed_attempt_signs_nobody_in_and_uses_nothing_up(client: httpx.Client) -> None:
    text = message(origin_of(client), nonce_of(client))
    assert verify(client, text, sign(text, OTHER)).status_code == 401
    assert verify(client, text).status_code == 200


def test_a_sign_in_serves_once_on_whichever_server_over_a_database(database: Engine) -> None:
    servers = [SignIns(database, {}), SignIns(database, {})]
    visitor, nonce = servers[0].begin()
    origin = "http://127.0.0.1:8420"
    text = message(origin, nonce)

    def complete(server: SignIns) -> None:
        server.complete(visitor, text, bytes.fromhex(sign(text)[2:]), origin=origin, chain_ids=frozenset({CHAIN}))

    complete(servers[1])
    for server in servers:
        with pytest.raises(SignInRefused, match="begun no"):
            complete(server)
    with database.connect() as connection:
        assert len(connection.execute(select(sessions)).all()) == 1


def test_a_message_for_another_browser_is_refused(client: httpx.Client) -> None:
    """Whoever sees a victim's message and signature cannot sign in with them elsewhere."""
    text = message(origin_of(client), nonce_of(client))
    client.cookies.clear()
    assert verify(client, text).status_code == 401
    nonce_of(client)
    assert verify(client, text).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": "evil.example"},
        {"domain": "127.0.0.1"},
        {"domain": "https://evil.example"},
        {"uri": "https://evil.example/"},
        {"uri": "http://127.0.0.1:1/"},
        {"uri": "http://user@evil.example"},
        {"nonce": "0" * 32},
        {"chain_id": 1},
        {"chain_id": "031337x"},
        {"address": WALLET.address.lower()},
        {"issued": time(datetime.now(UTC) - timedelta(hours=1))},
        {"issued": time(datetime.now(UTC) + timedelta(hours=1))},
        {"issued": "2021-13-41T99:99:99Z"},
        {"expires": time(datetime.now(UTC) - timedelta(seconds=1))},
        {"tail": "\nNot Before: " + time(datetime.now(UTC) + timedelta(hours=1))},
        {"tail": "\nExpiration Time: 2099-01-01T00:00:00Z"},
        {"tail": "\n"},
        {"statement": "two\nlines"},
        {"statement": "grün"},
    ],
    ids=lambda changes: next(iter(changes)),  # without the time, which differs between processes
)
def test_a_message_of_another_site_chain_or_time_is_refused(client: httpx.Client, changes: dict[str, Any]) -> None:
    text = message(origin_of(client), nonce_of(client), **changes)
    answer = verify(client, text)
    assert answer.status_code == 401, answer.text
    assert client.get("/api/v1/me").status_code == 401


def test_a_signature_of_another_account_is_refused(client: httpx.Client) -> None:
    text = message(origin_of(client), nonce_of(client))
    assert verify(client, text, sign(text, OTHER)).status_code == 401


@pytest.mark.parametrize("signature", ["0x", "0xzz", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "11" * 64, "x"])
def test_a_signature_that_is_none_is_refused(client: httpx.Client, signature: str) -> None:
    text = message(origin_of(client), nonce_of(client))
    assert verify(client, text, signature).status_code in (401, 422)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_cross_origin_sign_in_is_refused(client: httpx.Client, headers: dict[str, str]) -> None:
    assert client.post("/api/v1/auth/nonce", headers=headers).status_code == 403
    text = message(origin_of(client), nonce_of(client))
    assert verify(client, text, None, **headers).status_code == 403


def test_an_expired_nonce_and_an_expired_session_are_refused(database: Engine) -> None:
    now = [1_800_000_000.0]
    sign_ins = SignIns(database, {}, lambda: now[0])
    origin, chains = "http://127.0.0.1:8420", frozenset({CHAIN})

    def made(nonce: str) -> str:
        at = datetime.fromtimestamp(now[0], UTC)
        return message(origin, nonce, issued=time(at), expires=time(at + timedelta(minutes=9)))

    visitor, nonce = sign_ins.begin()
    text = made(nonce)
    now[0] += 300
    with pytest.raises(SignInRefused, match="too long ago"):
        sign_ins.complete(visitor, text, bytes.fromhex(sign(text)[2:]), origin=origin, chain_ids=chains)
    visitor, nonce = sign_ins.begin()
    text = made(nonce)
    token, session = sign_ins.complete(visitor, text, bytes.fromhex(sign(text)[2:]), origin=origin, chain_ids=chains)
    assert sign_ins.session(token) == session
    now[0] = session.expires
    assert sign_ins.session(token) is None


class Node(BaseProvider):
    """A chain on which every account is a contract that answers alike."""

    def __init__(self, answer: dict[str, Any], seconds: float = 0.0) -> None:
        super().__init__()
        self.answer, self.seconds = answer, seconds

    def make_request(self, method: Any, params: Any) -> Any:
        time_of_machine.sleep(self.seconds)
        return {"jsonrpc": "2.0", "id": 1, **({"result": "0x01"} if method == "eth_getCode" else self.answer)}


AGREES = {"result": "0x1626ba7e" + "00" * 28}


def by_contract(sign_ins: SignIns, chain_id: int = CHAIN) -> Session:
    visitor, nonce = sign_ins.begin()
    text = message("http://localhost", nonce, address=OTHER.address, chain_id=chain_id)
    return sign_ins.complete(visitor, text, b"\0", origin="http://localhost", chain_ids=frozenset({1, CHAIN}))[1]


def test_a_contract_of_one_chain_is_not_who_has_its_address_on_another(database: Engine) -> None:
    """Whoever controls an address on a chain that is shown would read what its holder on another keeps here."""
    drafts = DraftStore(database)
    drafts.add(OTHER.address, DraftGiven(name="by key", body={}))
    sign_ins = SignIns(database, {1: Web3(Node(AGREES)), CHAIN: Web3(Node(AGREES))})
    here, there = by_contract(sign_ins), by_contract(sign_ins, 1)
    assert here.address == there.address == OTHER.address
    drafts.add(here.account, DraftGiven(name="by contract", body={}))
    assert [one.name for one in drafts.all(here.account)] == ["by contract"]
    assert drafts.all(there.account) == ()
    assert drafts.all(by_contract(sign_ins).account) == drafts.all(here.account)


def test_a_contract_that_signs_in_sends_this_server_nowhere() -> None:
    came = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                came.set()
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://[::ffff:127.0.0.1]:{listener.getsockname()[1]}/{{sender}}/{{data}}"
        lookup = encode(
            ["address", "string[]", "bytes", "bytes4", "bytes"], (OTHER.address, [url], b"", b"\1\2\3\4", b"")
        )
        error = {"code": 3, "message": "reverted", "data": "0x556f1830" + lookup.hex()}
        assert not signed_by_contract(Web3(Node({"error": error})), OTHER.address, "a text", bytes(65))
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert not came.is_set()


@pytest.mark.parametrize(
    "answer",
    [{}, {"result": None}, {"result": 7}, {"result": "0xzz"}, {"result": ["0x"]}, {"error": None}, {"error": "busy"}],
    ids=str,
)
def test_whatever_a_node_answers_is_a_refusal_at_most(answer: dict[str, Any]) -> None:
    assert not signed_by_contract(Web3(Node(answer)), OTHER.address, "a text", b"")


def test_a_chain_that_takes_long_is_not_waited_for(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "CHAIN_SECONDS", 0.1)
    sign_ins = SignIns(database, {CHAIN: Web3(Node(AGREES, seconds=0.6))})
    with pytest.raises(Unavailable) as caught:
        by_contract(sign_ins)
    assert caught.value.headers["Retry-After"]


def test_signing_in_again_ends_the_session_before(client: httpx.Client) -> None:
    signed_in(client)
    name, token = session_cookie(client)
    signed_in(client, OTHER)
    client.cookies.clear()
    client.cookies.set(name, token)
    assert client.get("/api/v1/me").status_code == 401


def test_who_leaves_everywhere_is_out_in_all_browsers(client: httpx.Client) -> None:
    signed_in(client)
    name, elsewhere = session_cookie(client)
    client.cookies.clear()
    headers = signed_in(client)
    assert client.post("/api/v1/auth/logout?everywhere=true", headers=headers).status_code == 204
    client.cookies.clear()
    client.cookies.set(name, elsewhere)
    assert client.get("/api/v1/me").status_code == 401


def test_an_account_has_so_many_sessions(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "MAX_SESSIONS", 2)
    sign_ins = SignIns(database, {CHAIN: Web3(Node(AGREES))})
    for _ in range(4):
        by_contract(sign_ins)
    with database.connect() as connection:
        assert len(connection.execute(select(sessions)).all()) == 2


class _Eth:
    """A chain with one contract wallet that accepts one signature."""

    def __init__(self, answer: bytes, code: bytes = b"\x01") -> None:
        self.answer, self.code, self.asked = answer, code, b""

    def get_code(self, _address: str) -> bytes:
        return self.code

    def call(self, transaction: dict[str, str], *, ccip_read_enabled: bool) -> bytes:
        assert not ccip_read_enabled
        self.asked = bytes.fromhex(transaction["data"][2:])
        return self.answer


class _Chain:
    def __init__(self, eth: _Eth) -> None:
        self.eth = eth


def test_a_contract_wallet_signs_by_eip_1271() -> None:
    magic = bytes.fromhex("1626ba7e")
    eth = _Eth(magic.ljust(32, b"\0"))
    chain: Any = _Chain(eth)
    assert signed_by_contract(chain, WALLET.address, "text", b"any")
    digest = keccak(b"\x19Ethereum Signed Message:\n4text")
    assert eth.asked[:4] == magic
    assert eth.asked[4:36] == digest


@pytest.mark.parametrize("answer", [b"", b"\0" * 32, b"\x16\x26\xba\x7e", b"\xff" * 32, b"\x16\x26\xba\x7e".rjust(32)])
def test_a_contract_wallet_that_does_not_agree_is_refused(answer: bytes) -> None:
    chain: Any = _Chain(_Eth(answer))
    assert not signed_by_contract(chain, WALLET.address, "text", b"any")


def test_an_account_without_code_has_no_contract_to_agree() -> None:
    chain: Any = _Chain(_Eth(bytes.fromhex("1626ba7e").ljust(32, b"\0"), code=b""))
    assert not signed_by_contract(chain, WALLET.address, "text", b"any")


@given(st.text(max_size=400), st.integers(0, len(EXAMPLE)))
def test_what_is_not_in_the_grammar_is_refused_and_never_a_crash(text: str, at: int) -> None:
    for tried in (text, EXAMPLE[:at] + text + EXAMPLE[at:]):
        try:
            SignIn.parse(tried)
        except SignInRefused:
            continue
