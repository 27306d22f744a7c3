"""The Market contract from Python: typed calls, typed events, nothing decided here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import BadFunctionCallOutput, BlockNotFound, Web3ValueError
from web3.types import LogReceipt, TxReceipt

from aggregator.bn254 import Point
from aggregator.commitments import RoundId
from aggregator.srs import VerifyingKey
from market.chain.artifacts import RULE_CONTRACTS, SCORE_CONTRACTS, load_artifact
from market.chain.market_encoding import (
    DECODERS,
    decode_terms,
    encode_id,
    encode_point,
    encode_settlement,
    encode_terms,
    fields_of,
)
from market.chain.tokens import ERC20_ABI, sign_permit
from market.chain.transactions import refusals, send
from market.domain import (
    NATIVE_COIN,
    Address,
    Deposited,
    Event,
    JobCreated,
    JobTerms,
    KeyPublished,
    MarketEvent,
    Phase,
    Settlement,
    Withdrawn,
)
from market.errors import ContractRefused, NodeRefused, WrongChain

_CONTRACTS = ("Market", "Forwarder", "GramVerifier", *RULE_CONTRACTS.values(), *SCORE_CONTRACTS.values())
ALL_ABIS = tuple(load_artifact(name).abi for name in _CONTRACTS)
"""Whose custom errors a refusal may carry."""
LOG_RANGE = 2_000
"""Blocks asked for at once; public nodes limit the range."""


@dataclass(frozen=True, slots=True)
class JobAccount:
    """IMarket.Job: the accounts of one job."""

    owner: Address
    closed: bool
    joined: int
    round: int
    used: int
    escrow: int


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block, and the timestamp that the one after it would have now."""

    number: int
    hash: bytes
    next_timestamp: int


class MarketClient:
    """One market on one chain, as seen by one account (or by nobody, for reading).

    Parameters
    ----------
    w3
        Connection, see :func:`market.chain.rpc.connect`.
    address
        The Market contract.
    account
        Signs transactions; None for a reader.
    first_block
        Where to begin reading events: no later than the market's deployment.

    Raises
    ------
    WrongChain
        If there is no contract code at ``address``.

    """

    def __init__(
        self, w3: Web3, address: Address, account: LocalAccount | None = None, *, first_block: int = 0
    ) -> None:
        self.w3 = w3
        self.account = account
        self.first_block = first_block
        self.address = Web3.to_checksum_address(address)
        self.contract: Contract = w3.eth.contract(address=self.address, abi=load_artifact("Market").abi)
        with refusals(ALL_ABIS):
            self.chain_id = w3.eth.chain_id
            if not w3.eth.get_code(self.address):
                raise WrongChain(
                    f"there is no contract at {self.address} on chain {self.chain_id}",
                    hint="check the market address and the RPC URL",
                )
        events = [self.contract.events[name] for name in DECODERS]
        self._events = {bytes.fromhex(event.topic[2:]): event for event in events}

    def round_id(self, job_id: int, number: int) -> RoundId:
        """Return what commitments of a round bind."""
        return RoundId(self.chain_id, bytes.fromhex(self.address[2:]), job_id, number)

    def create_job(
        self, terms: JobTerms, aggregators: Sequence[Address], manifest_cid: bytes, *, permit: bytes | None = None
    ) -> tuple[int, TxReceipt]:
        """Open and fund a job; return its number and the receipt.

        A permit (EIP-2612) spares the approval. None: one is signed where the token takes it; so below.
        """
        permit = self._permit(terms.token, terms.escrow) if permit is None else permit
        call = self.contract.functions.createJob(encode_terms(terms), list(aggregators), manifest_cid, permit)
        receipt = self._pay(call, terms.token, terms.escrow, permit)
        created = next(event for event in self.decode_logs(receipt["logs"]) if isinstance(event, JobCreated))
        return created.job_id, receipt

    def extend_job(
        self,
        job_id: int,
        rounds: int,
        round_budget: int,
        deadline: int,
        *,
        deposit: int,
        token: Address,
        permit: bytes | None = None,
    ) -> TxReceipt:
        """Give a job more rounds, budget or time, all named as they are to be.

        ``deposit``, in the job's ``token``, is :meth:`market.rounds.JobState.extension_deposit`.
        """
        permit = self._permit(token, deposit) if permit is None else permit
        call = self.contract.functions.extendJob(job_id, rounds, round_budget, deadline, permit)
        return self._pay(call, token, deposit, permit)

    def stop_job(self, job_id: int) -> TxReceipt:
        """Let no further round open; one that is live takes its course."""
        return self._send(self.contract.functions.stopJob(job_id))

    def join_job(self, job_id: int, stake: int, token: Address, *, permit: bytes | None = None) -> TxReceipt:
        """Join with a stake in the job's ``token``."""
        permit = self._permit(token, stake) if permit is None else permit
        return self._pay(self.contract.functions.joinJob(job_id, stake, permit), token, stake, permit)

    def leave_job(self, job_id: int, recipient: Address) -> TxReceipt:
        """Take the stake back."""
        return self._send(self.contract.functions.leaveJob(job_id, recipient))

    def commit_reference(self, job_id: int, commitment: Point, cid: bytes, payload_bytes: int) -> TxReceipt:
        """Commit the reference row of the round that opens next."""
        return self._send(self.contract.functions.commitReference(job_id, encode_point(commitment), cid, payload_bytes))

    def open_round(self, job_id: int) -> TxReceipt:
        """Open the next round."""
        return self._send(self.contract.functions.openRound(job_id))

    def commit_update(self, job_id: int, number: int, commitment: Point, cid: bytes, payload_bytes: int) -> TxReceipt:
        """Commit an update to the open round."""
        point = encode_point(commitment)
        return self._send(self.contract.functions.commitUpdate(job_id, number, point, cid, payload_bytes))

    def publish_key(self, key: bytes) -> TxReceipt:
        """Publish the 32-byte X25519 key to which payloads for this account are sealed; zeros withdraw it."""
        return self._send(self.contract.functions.publishKey(key))

    def deposit(self, token: Address, amount: int, *, permit: bytes | None = None) -> TxReceipt:
        """Add to this account's free balance of a token, which the bonds of its settlements are taken from."""
        permit = self._permit(token, amount) if permit is None else permit
        return self._pay(self.contract.functions.deposit(token, amount, permit), token, amount, permit)

    def withdraw(self, token: Address, amount: int, recipient: Address) -> TxReceipt:
        """Pay from this account's free balance of a token."""
        return self._send(self.contract.functions.withdraw(token, amount, recipient))

    def name_aggregator(self, job_id: int, aggregator: Address) -> TxReceipt:
        """Name one aggregator more for a job, as its trainer; the zero address names nobody any more."""
        return self._send(self.contract.functions.nameAggregator(job_id, aggregator))

    def settle_round(self, job_id: int, number: int, settlement: Settlement, proof: bytes) -> TxReceipt:
        """Settle a round, or take the place of a settlement with fewer trainers."""
        posted = encode_settlement(settlement)
        return self._send(self.contract.functions.settleRound(job_id, number, posted, proof))

    def challenge_settlement(self, job_id: int, number: int, evidence: bytes) -> TxReceipt:
        """Overturn a settlement by evidence that its aggregate is false."""
        return self._send(self.contract.functions.challengeSettlement(job_id, number, evidence))

    def challenge_update(self, job_id: int, number: int, index: int, evidence: bytes) -> TxReceipt:
        """Slash a trainer by evidence that its update, the ``index``-th of the round, is out of range."""
        return self._send(self.contract.functions.challengeUpdate(job_id, number, index, evidence))

    def release_bond(self, job_id: int, number: int) -> TxReceipt:
        """Free the bond behind a final settlement."""
        return self._send(self.contract.functions.releaseBond(job_id, number))

    def claim(self, job_id: int, numbers: Sequence[int], recipient: Address) -> TxReceipt:
        """Claim the payouts of final rounds."""
        return self._send(self.contract.functions.claim(job_id, list(numbers), recipient))

    def close_job(self, job_id: int) -> TxReceipt:
        """Close a job between its rounds; what is left of its escrow becomes the owner's free balance."""
        return self._send(self.contract.functions.closeJob(job_id))

    def job_count(self) -> int:
        """Return how many jobs the market has."""
        with refusals(ALL_ABIS):
            return int(self.contract.functions.jobCount().call())

    def job_account(self, job_id: int) -> JobAccount:
        """Return a job's accounts as the contract holds them now."""
        with refusals(ALL_ABIS):
            return JobAccount(*fields_of(self.contract.functions.job(job_id).call()))

    def token_of(self, job_id: int) -> Address:
        """Return the token that a job pays and stakes in."""
        with refusals(ALL_ABIS):
            return decode_terms(self.contract.functions.terms(job_id).call()).token

    def free_balance(self, token: Address, account: Address) -> int:
        """Return an account's free balance of a token as the contract holds it now."""
        with refusals(ALL_ABIS):
            return int(self.contract.functions.balanceOf(token, account).call())

    def phase(self, job_id: int, number: int) -> Phase:
        """Return a round's phase as the contract sees it now."""
        with refusals(ALL_ABIS):
            return Phase(self.contract.functions.phase(job_id, number).call())

    def encryption_key(self, account: Address, *, block: int | None = None) -> bytes | None:
        """Return the key that an account has published, now or as of a block; None if there is none."""
        call = self.contract.functions.encryptionKeyOf(account)
        with refusals(ALL_ABIS):
            key = bytes(call.call() if block is None else call.call(block_identifier=block))
        return key if any(key) else None

    def keys_published(self, first_block: int, last_block: int) -> list[KeyPublished]:
        """Return what accounts published in blocks first..last, in order."""
        event = self.contract.events["KeyPublished"]
        logs = self._logs(first_block, last_block, [event.topic])
        found = (event().process_log(log)["args"] for log in logs)
        return [KeyPublished(args["account"], args["key"]) for args in found]

    def srs_digest(self, verifier: Address) -> bytes:
        """Return the digest of the reference string that a verifier names.

        Raises
        ------
        WrongChain
            If the contract at the address is no verifier of Gram proofs.

        """
        return bytes(self._ask_verifier(verifier, "srsDigest"))

    def srs_size(self, verifier: Address) -> int:
        """Return the number of powers of that reference string; errors as for :meth:`srs_digest`."""
        return int(self._ask_verifier(verifier, "srsSize"))

    def _ask_verifier(self, verifier: Address, view: str) -> Any:
        address = Web3.to_checksum_address(verifier)
        contract = self.w3.eth.contract(address=address, abi=load_artifact("GramVerifier").abi)
        try:
            with refusals(ALL_ABIS):
                return contract.functions[view]().call()
        except (BadFunctionCallOutput, ContractRefused) as error:
            raise WrongChain(
                f"the contract at {verifier} names no reference string", hint="check the job's verifier"
            ) from error

    def verifier_is_known(self, verifier: Address, key: VerifyingKey) -> bool:
        """Whether the contract at an address is the published GramVerifier with this reference string, and no other.

        A contract can *say* any digest: anybody may deploy the verifier's code with constants of his own. So the code
        is compared whole with what the published constructor makes of ``key`` and of the rules' and scores' contracts
        that the verifier asks, run by the node; and those contracts' code with what is published for their ids.
        """
        artifact = load_artifact("GramVerifier")
        factory = self.w3.eth.contract(abi=artifact.abi, bytecode=HexStr(artifact.bytecode))
        with contextlib.suppress(ContractRefused), refusals(ALL_ABIS):
            code = bytes(self.w3.eth.get_code(Web3.to_checksum_address(verifier)))
            if not artifact.matches(code):
                return False
            rules = self._registered(verifier, "ruleOf", RULE_CONTRACTS)
            scores = self._registered(verifier, "scoreOf", SCORE_CONTRACTS)
            if rules is None or scores is None:
                return False
            creation = factory.constructor(key.words(), rules, scores).data_in_transaction
            return bytes(self.w3.eth.call({"data": creation})) == code
        return False

    def _registered(self, verifier: Address, contract_of: str, published: Mapping[str, str]) -> list[Address] | None:
        """Return the contracts that a verifier asks for all ids; None if one is not what is published for its id."""
        view = self.w3.eth.contract(address=Web3.to_checksum_address(verifier), abi=load_artifact("GramVerifier").abi)
        found: list[Address] = []
        for name, contract in published.items():
            address: Address = view.functions[contract_of](encode_id(name)).call()
            code = self.w3.eth.get_code(Web3.to_checksum_address(address))
            if not load_artifact(contract).matches(bytes(code)):
                return None
            found.append(address)
        return found

    def head(self) -> Head:
        """Return the newest block, and chain time: the timestamp that the next block would have.

        On a chain without pending blocks, chain time is the newest block's own timestamp.
        """
        try:
            with refusals(ALL_ABIS):
                pending = self.w3.eth.get_block("pending")
                return Head(int(pending["number"]) - 1, bytes(pending["parentHash"]), int(pending["timestamp"]))
        except (NodeRefused, BlockNotFound, KeyError):
            with refusals(ALL_ABIS):
                latest = self.w3.eth.get_block("latest")
                return Head(int(latest["number"]), bytes(latest["hash"]), int(latest["timestamp"]))

    def has_block(self, head: Head) -> bool:
        """Whether the chain still has a block that was its head once."""
        with refusals(ALL_ABIS):
            try:
                return bytes(self.w3.eth.get_block(head.number)["hash"]) == head.hash
            except BlockNotFound:  # to web3 an error of the node, too
                return False

    def balance(self) -> int:
        """Return what the contract holds of the native coin, in wei."""
        with refusals(ALL_ABIS):
            return int(self.w3.eth.get_balance(self.address))

    def settlement_gas(self, job_id: int, number: int) -> int:
        """Return the gas that the settlement on record of a round took; 0 if there is none."""
        query: Any = {
            "address": self.address,
            "fromBlock": self.first_block,
            "topics": [
                self.contract.events["RoundSettled"].topic,
                "0x" + job_id.to_bytes(32, "big").hex(),
                "0x" + number.to_bytes(32, "big").hex(),
            ],
        }
        with refusals(ALL_ABIS):
            logs = self.w3.eth.get_logs(query)
            return int(self.w3.eth.get_transaction_receipt(logs[-1]["transactionHash"])["gasUsed"]) if logs else 0

    def function_name(self, data: bytes) -> str | None:
        """Return which of the market's functions a transaction's input calls, if any."""
        try:
            return str(self.contract.get_function_by_selector(data[:4]).fn_name)
        except (ValueError, Web3ValueError):
            return None

    def market_events(self, first_block: int, last_block: int) -> list[MarketEvent]:
        """Return the events of all jobs and free balances in blocks first..last, in order."""
        topics: list[Any] = [["0x" + topic.hex() for topic in self._events]]
        return self.decode_all(self._logs(first_block, last_block, topics))

    def events(self, first_block: int, last_block: int, job_id: int | None = None) -> list[Event]:
        """Return the events of jobs in blocks first..last, in order; of one job if given."""
        topics: list[Any] = [["0x" + topic.hex() for topic in self._events]]
        if job_id is not None:
            topics.append("0x" + job_id.to_bytes(32, "big").hex())
        return self.decode_logs(self._logs(first_block, last_block, topics))

    def decode_logs(self, logs: Iterable[LogReceipt]) -> list[Event]:
        """Return the events of jobs among ``logs``; other logs are passed over."""
        return [event for event in self.decode_all(logs) if not isinstance(event, Deposited | Withdrawn)]

    def decode_all(self, logs: Iterable[LogReceipt]) -> list[MarketEvent]:
        """Return the events of jobs and free balances among ``logs``; other logs are passed over."""
        decoded: list[MarketEvent] = []
        for log in logs:
            if log["address"] != self.address or not log["topics"]:
                continue
            event = self._events.get(bytes(log["topics"][0]))
            if event is not None:
                decoded.append(DECODERS[event.event_name](event().process_log(log)["args"]))
        return decoded

    def _logs(self, first_block: int, last_block: int, topics: list[Any]) -> list[LogReceipt]:
        found: list[LogReceipt] = []
        for start in range(first_block, last_block + 1, LOG_RANGE):
            query: Any = {
                "address": self.address,
                "fromBlock": start,
                "toBlock": min(start + LOG_RANGE - 1, last_block),
                "topics": topics,
            }
            with refusals(ALL_ABIS):
                found.extend(self.w3.eth.get_logs(query))
        return found

    def _send(self, call: ContractFunction, *, value: int = 0) -> TxReceipt:
        if self.account is None:
            raise ContractRefused("this market was opened for reading only", hint="give an account")
        with refusals(ALL_ABIS):
            return send(self.w3, self.account, call, value=value, abis=ALL_ABIS)

    def _pay(self, call: ContractFunction, token: Address, amount: int, permit: bytes) -> TxReceipt:
        """Send a call that takes exactly ``amount`` of a token."""
        if not permit:
            self._approve(token, amount)
        return self._send(call, value=amount if token == NATIVE_COIN else 0)

    def _permit(self, token: Address, amount: int) -> bytes:
        """Return a signed approval, or nothing where none is needed or the token takes none."""
        if token == NATIVE_COIN or self.account is None or not amount:
            return b""
        erc20 = self.w3.eth.contract(address=Web3.to_checksum_address(token), abi=ERC20_ABI)
        with refusals(ALL_ABIS):
            if int(erc20.functions.allowance(self.account.address, self.address).call()) >= amount:
                return b""
            return sign_permit(self.w3, self.account, token, self.address, amount)

    def _approve(self, token: Address, amount: int) -> None:
        """Let the market take ``amount`` of an ERC-20 token; an allowance that a crash left behind is used."""
        if token == NATIVE_COIN or self.account is None:
            return
        erc20 = self.w3.eth.contract(address=Web3.to_checksum_address(token), abi=ERC20_ABI)
        with refusals(ALL_ABIS):
            allowed = int(erc20.functions.allowance(self.account.address, self.address).call())
        if allowed >= amount:
            return
        if allowed:  # some tokens (USDT) change an allowance only from zero
            self._send(erc20.functions.approve(self.address, 0))
        self._send(erc20.functions.approve(self.address, amount))
