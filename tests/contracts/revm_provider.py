"""What web3 asks of a chain on revm: reading it, and calls; transactions go to the node itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from tests.contracts.node import BLOCK_GAS_LIMIT, CHAIN_ID, keys

if TYPE_CHECKING:
    from tests.contracts.revm_node import Block, RevmNode


class RevmProvider(BaseProvider):
    """Answers web3 from a node in this process; a call that reverts raises what the node raises."""

    def __init__(self, node: RevmNode) -> None:
        super().__init__()
        self._node = node
        self._methods: dict[str, Callable[..., Any]] = {
            "eth_chainId": lambda: hex(CHAIN_ID),
            "eth_accounts": lambda: list(keys()),
            "eth_blockNumber": lambda: hex(node.blocks[-1].number),
            "eth_getBalance": lambda account, _: hex(node.balance(account)),
            "eth_getTransactionCount": lambda account, _: hex(node.state.account(account.lower()).nonce),
            "eth_getCode": lambda account, _: "0x" + self._code(account).hex(),
            "eth_getBlockByNumber": lambda number, _: _block(node.blocks[self._number(number)]),
            "eth_getLogs": self._logs,
            "eth_call": self._call,
        }

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return {"jsonrpc": "2.0", "id": 1, "result": self._methods[method](*params)}

    def _code(self, account: str) -> bytes:
        return self._node.state.codes[self._node.state.account(account.lower()).code_hash]

    def _number(self, block: int | str) -> int:
        if isinstance(block, int):
            return block
        return int(block, 16) if block.startswith("0x") else self._node.blocks[-1].number

    def _call(self, transaction: Mapping[str, Any], _: object) -> str:
        def number(field: str, otherwise: int) -> int:
            value = transaction.get(field, otherwise)
            return value if isinstance(value, int) else int(value, 16)

        sender, to = transaction.get("from", next(iter(keys()))), transaction.get("to")
        data = bytes.fromhex(transaction.get("data", "0x")[2:])
        answer = self._node.call(sender, to, data, number("value", 0), number("gas", BLOCK_GAS_LIMIT))
        return "0x" + answer.hex()

    def _logs(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        first, last = (self._number(query.get(end, "latest")) for end in ("fromBlock", "toBlock"))
        receipts = [block.receipt for block in self._node.blocks[first : last + 1] if block.receipt is not None]
        logs = [log for receipt in receipts for log in receipt["logs"]]
        return [_told(log) for log in logs if _asked_for(log, query.get("address"), query.get("topics", []))]


def _block(block: Block) -> dict[str, Any]:
    return {"number": hex(block.number), "timestamp": hex(block.timestamp), "hash": "0x" + block.hash.hex()}


def _asked_for(log: Mapping[str, Any], address: str | list[str] | None, topics: Sequence[Any]) -> bool:
    addresses = [address] if isinstance(address, str) else address or []
    if addresses and log["address"].lower() not in map(str.lower, addresses):
        return False
    found = ["0x" + topic.hex() for topic in map(bytes, log["topics"])]
    wanted = [None if one is None else [one] if isinstance(one, str) else one for one in topics]
    return len(found) >= len(wanted) and all(
        any_of is None or one in any_of for one, any_of in zip(found, wanted, strict=False)
    )


def _told(log: Mapping[str, Any]) -> dict[str, Any]:
    """Return a log as JSON has it."""
    told: dict[str, Any] = {key: hex(value) if isinstance(value, int) else value for key, value in log.items()}
    told |= {key: "0x" + bytes(log[key]).hex() for key in ("blockHash", "transactionHash", "data")}
    return told | {"topics": ["0x" + bytes(topic).hex() for topic in log["topics"]]}
