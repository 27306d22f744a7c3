"""A market without a chain: jobs played by the reducer, their events as logs, and a node that answers for them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy as np
from eth_abi.abi import encode
from eth_hash.auto import keccak
from web3 import Web3
from web3.providers.base import BaseProvider

from aggregator.gram import pack_gram
from aggregator.proofs.statement import Witness
from market import accounts, rounds
from market.accounts import Accounts
from market.chain.artifacts import load_artifact
from market.chain.market import MarketClient
from market.chain.market_encoding import encode_id, encode_terms
from market.domain import (
    NATIVE_COIN,
    AggregatorNamed,
    BondReleased,
    Deposited,
    JobClosed,
    JobCreated,
    JobExtended,
    JobStopped,
    JobTerms,
    KeyPublished,
    MarketEvent,
    PayoutClaimed,
    Phase,
    RoundOpened,
    RoundRefunded,
    RoundSettled,
    Settlement,
    SettlementOverturned,
    SettlementReplaced,
    TrainerJoined,
    TrainerLeft,
    TrainerSlashed,
    UpdateCommitted,
    Withdrawn,
)
from market.rounds import JobState

CHAIN_ID = 31337
MARKET = Web3.to_checksum_address("0x" + "ee" * 20)
CID = b"\x01\x55\x12\x20" + bytes(32)
START = 1_700_000_000
AnyEvent = MarketEvent | KeyPublished


def address(name: str) -> str:
    """Return somebody's address."""
    return str(Web3.to_checksum_address(keccak(name.encode())[-20:]))


# -- events as logs -------------------------------------------------------------------------------------------------

_ENTRIES = {entry["name"]: entry for entry in load_artifact("Market").abi if entry["type"] == "event"}


def _type(parameter: Any) -> str:
    kind: str = parameter["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(map(_type, parameter["components"])) + ")" + kind[len("tuple") :]


_TYPES = {
    name: (
        [_type(one) for one in entry["inputs"] if one["indexed"]],
        [_type(one) for one in entry["inputs"] if not one["indexed"]],
    )
    for name, entry in _ENTRIES.items()
}
_TOPICS = {
    name: keccak(f"{name}({','.join(map(_type, entry['inputs']))})".encode()) for name, entry in _ENTRIES.items()
}


def encode_event(event: AnyEvent, job: JobState | None) -> tuple[list[str], str]:
    """Return an event's topics and data, as a node gives them; ``job`` is that of a settlement, before it."""
    name = type(event).__name__
    indexed, plain = _TYPES[name]
    values = _values(event, job)
    topics = [_TOPICS[name], *(encode([kind], [value]) for kind, value in zip(indexed, values, strict=False))]
    return ["0x" + topic.hex() for topic in topics], "0x" + encode(plain, values[len(indexed) :]).hex()


def _values(event: AnyEvent, job: JobState | None) -> list[Any]:
    if isinstance(event, JobCreated):
        return [event.job_id, event.owner, encode_terms(event.terms), event.aggregators, event.manifest_cid]
    if isinstance(event, RoundSettled) and job is not None:
        return _settled(event, job)
    return [getattr(event, name) for name in event.__dataclass_fields__]


def _settled(event: RoundSettled, job: JobState) -> list[Any]:
    posted, target, terms = event.settlement, job.rounds[-1], job.terms
    included = [commit for commit in target.commits if posted.included >> commit.index & 1]
    gram = (
        *(CHAIN_ID, MARKET, event.job_id, event.number, event.aggregator),
        *(encode_id(terms.rule), encode_id(terms.score), terms.byzantine, terms.dimension, terms.bits),
        *(terms.headroom_bits, target.opened.scale_exponent, target.budget, terms.floor_bps, terms.cap_bps),
        *(False, False, False),
        [commit.trainer for commit in included],
        [job.stakes.get(commit.trainer, 0) for commit in included],
        [
            (int.from_bytes(commit.commitment, "big") >> 2, y)
            for commit, y in zip(included, posted.commitment_ys, strict=True)
        ],
        posted.gram,
    )
    statement = (
        *(gram, posted.weights, posted.scores, posted.payouts, posted.aggregate_commitment),
        *(posted.next_scale_exponent, terms.reference, bytes(32), posted.next_memory_digest, astuple(posted.witness)),
    )
    published = (posted.included, posted.aggregate_root, posted.aggregate_cid, posted.aggregate_bytes)
    return [
        event.job_id,
        event.number,
        event.aggregator,
        statement,
        published,
        event.proof,
        event.paid,
        event.challenge_end,
    ]


# -- a node ---------------------------------------------------------------------------------------------------------


@dataclass
class Block:
    """A block of the synthetic chain: its logs are as a node gives them."""

    number: int
    hash: str
    timestamp: int
    logs: list[dict[str, Any]] = field(default_factory=list)


Answer = Callable[[str, Any, Any], Any]


class Node(BaseProvider):
    """A node with one market on it; ``intercept`` may change, or refuse, what it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Block(0, "0x" + 64 * "0", START)]
        self.intercept: Answer = lambda _method, _params, answer: answer
        self.asked: list[str] = []

    def client(self) -> MarketClient:
        """Return the market behind this node."""
        return MarketClient(Web3(self), MARKET)

    def mine(self, encoded: Sequence[tuple[list[str], str]], timestamp: int, salt: int = 0) -> None:
        """Add a block with logs, each of a transaction of its own."""
        number = len(self.blocks)
        digest = keccak(f"{self.blocks[-1].hash}{salt}{timestamp}{encoded}".encode())
        block = Block(number, "0x" + digest.hex(), timestamp)
        for index, (topics, data) in enumerate(encoded):
            block.logs.append(
                {
                    **{"address": MARKET.lower(), "topics": topics, "data": data, "removed": False},
                    **{"blockNumber": hex(number), "blockHash": block.hash, "logIndex": hex(index)},
                    "transactionHash": "0x" + keccak(f"{block.hash}{index}".encode()).hex(),
                }
            )
        self.blocks.append(block)

    def make_request(self, method: Any, params: Any) -> Any:
        """Answer a request."""
        self.asked.append(str(method))
        return {"jsonrpc": "2.0", "id": 0, **self.intercept(method, params, self._answer(method, params))}

    def make_batch_request(self, batch_requests: Any) -> Any:
        """Answer a batch."""
        return [{**self.make_request(*request), "id": place} for place, request in enumerate(batch_requests)]

    def _answer(self, method: str, params: Any) -> dict[str, Any]:
        match method:
            case "eth_chainId":
                return {"result": hex(CHAIN_ID)}
            case "eth_getCode":
                return {"result": "0x00"}
            case "eth_call":
                forwarder = {"result": "0x" + bytes(12).hex() + address("forwarder")[2:]}
                return forwarder if params[0]["to"] == MARKET else {"result": "0x"}
            case "eth_getBlockByNumber":
                return {"result": self._block(params[0])}
            case "eth_getTransactionReceipt":
                return {"result": {"gasUsed": hex(500_000)}}
            case "eth_getLogs":
                first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
                return {"result": [log for block in self.blocks[first : last + 1] for log in block.logs]}
        return {"error": {"code": -32601, "message": f"no method {method}"}}

    def _block(self, tag: str) -> dict[str, Any] | None:
        number = len(self.blocks) - 1 if tag == "latest" else int(tag, 16)
        if number >= len(self.blocks):
            return None
        block = self.blocks[number]
        return {"number": hex(number), "hash": block.hash, "timestamp": hex(block.timestamp)}


# -- jobs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """All that has happened on a market, by the reducers."""

    now: int = START + 10
    jobs: tuple[JobState, ...] = ()
    accounts: Accounts = field(default_factory=Accounts)

    def after(self, event: AnyEvent) -> World:
        """Return the world after an event; the reducers refuse what no contract would emit."""
        if isinstance(event, KeyPublished):
            return self
        books = accounts.apply(self.accounts, event)
        if isinstance(event, Deposited | Withdrawn):
            return replace(self, accounts=books)
        if isinstance(event, JobCreated):
            return replace(self, jobs=(*self.jobs, rounds.start(event)), accounts=books)
        at = event.job_id - 1
        changed = rounds.apply(self.jobs[at], event)
        return replace(self, jobs=(*self.jobs[:at], changed, *self.jobs[at + 1 :]), accounts=books)


class Player:
    """Plays a market into a node: one action, one block.

    Parameters
    ----------
    node
        Where blocks go.
    seed
        Decides everything.
    mischief
        How likely something out of the ordinary is: challenges, void rounds, replaced settlements, leavers.
    trainers
        How many train each job.

    """

    def __init__(
        self, node: Node, seed: int, *, mischief: float = 0.0, trainers: int = 8, rounds_each: int = 10
    ) -> None:
        self.node = node
        self.rng = random.Random(seed)
        self.mischief = mischief
        self.trainers = trainers
        self.rounds_each = rounds_each
        self.world = World()
        self.salt = seed
        self.history: list[World] = [self.world]

    def mine(self, *events: AnyEvent) -> None:
        """Put events into a block of their own."""
        encoded = []
        for event in events:
            job_id = getattr(event, "job_id", None)
            job = self.world.jobs[job_id - 1] if isinstance(event, RoundSettled) and job_id else None
            encoded.append(encode_event(event, job))
            self.world = self.world.after(event)
        self.node.mine(encoded, self.world.now, self.salt)
        self.history.append(self.world)

    def reorganise(self, depth: int) -> None:
        """Take the newest blocks back; what is mined from here differs from them."""
        depth = min(depth, len(self.history) - 1)
        if depth:
            del self.node.blocks[-depth:]
            del self.history[-depth:]
        self.world = self.history[-1]
        self.salt = self.rng.randrange(1 << 30)

    def pass_time(self, seconds: int) -> None:
        """Let chain time go on."""
        self.world = replace(self.world, now=self.world.now + seconds)

    def create(self) -> None:
        """Open a job."""
        number = len(self.world.jobs) + 1
        token = NATIVE_COIN if self.rng.random() < 0.7 else address("token")
        terms = JobTerms(
            token=token,
            verifier=address("verifier"),
            round_budget=10**18 + number,
            rounds=self.rounds_each,
            stake_min=10**16,
            stake_max=10**17,
            aggregator_bond=10**17,
            challenger_share_bps=5_000,
            min_trainers=3,
            max_trainers=self.trainers,
            byzantine=1,
            dimension=100,
            bits=8,
            headroom_bits=2,
            scale_exponent=-7,
            commit_seconds=100,
            settle_seconds=50,
            challenge_seconds=50,
            deadline=self.world.now + 10**7,
            refund_void=self.rng.random() < self.mischief,
            rule=self.rng.choice(("multi-krum", "mean")),
            score="shapley",
        )
        self.mine(JobCreated(number, address(f"owner-{number % 7}"), terms, (address("aggregator"),), CID))

    def step(self, job_id: int) -> None:
        """Do what brings a job on, or something out of the ordinary."""
        job, now = self.world.jobs[job_id - 1], self.world.now
        if job.closed:
            self.pass_time(1)
            return
        phase = job.phase(now)
        if phase is Phase.OPEN:
            self._commit(job)
        elif phase is Phase.SETTLING:
            self._settle(job)
        elif phase is Phase.CHALLENGEABLE:
            self._challenge(job)
        else:
            self._between(job)

    def _odd(self) -> bool:
        return self.rng.random() < self.mischief

    def _name(self, job: JobState, place: int) -> str:
        return address(f"trainer-{(job.job_id + place) % (3 * self.trainers)}")

    def _between(self, job: JobState) -> None:
        now, latest = self.world.now, job.latest
        claims = [
            PayoutClaimed(job.job_id, number, trainer, amount, trainer)
            for trainer in job.stakes
            for number, amount in job.claimable(trainer, now).items()
        ]
        if claims and not self._odd():
            self.mine(self.rng.choice(claims))
            return
        if self._odd():
            self._odd_between(job)
            return
        first: list[AnyEvent] = []
        if latest is not None and latest.bond and latest.settled is not None:
            first.append(BondReleased(job.job_id, latest.number, latest.settled.aggregator, latest.bond))
        elif latest is not None and latest.bond and latest.replaced:
            first.append(BondReleased(job.job_id, latest.number, latest.replaced[-1].aggregator, latest.bond))
        if job.refund_due(now) and latest is not None:
            first.append(RoundRefunded(job.job_id, latest.number, latest.budget))
        if len(job.stakes) < job.terms.max_trainers and (len(job.stakes) < 3 or not job.rounds or self._odd()):
            joining = [self._name(job, place) for place in range(job.terms.max_trainers)]
            absent = [trainer for trainer in joining if trainer not in job.stakes]
            self.mine(TrainerJoined(job.job_id, absent[0], 10**16 + self.rng.randrange(10**10)))
            return
        if job.used_by(now) == job.terms.rounds or now >= job.terms.deadline:
            after = self.world
            for event in first:
                after = after.after(event)
            self.mine(*first, JobClosed(job.job_id, after.jobs[job.job_id - 1].escrow))
            return
        terms, number = job.terms, len(job.rounds) + 1
        commit_end = now + terms.commit_seconds
        opened = RoundOpened(
            job.job_id, number, job.next_scale_exponent(), commit_end, commit_end + terms.settle_seconds
        )
        self.mine(*first, opened)

    def _odd_between(self, job: JobState) -> None:
        now, rng = self.world.now, self.rng
        trainers = list(job.stakes)
        latest = job.latest
        ready = latest is None or not (
            latest.bond or (job.terms.refund_void and not latest.valid and not latest.refunded)
        )
        choice = rng.randrange(6)
        if choice == 0 and trainers:
            who = rng.choice(trainers)
            unnamed = [AggregatorNamed(job.job_id, who, NATIVE_COIN)] if who in job.named else []
            self.mine(*unnamed, TrainerLeft(job.job_id, who, job.stakes[who], who))
        elif choice == 1 and trainers:
            self.mine(AggregatorNamed(job.job_id, rng.choice(trainers), address(f"named-{rng.randrange(2)}")))
        elif choice == 2 and ready:
            rounds_, budget = job.terms.rounds + 1, job.terms.round_budget + 5
            deposit = job.extension_deposit(rounds_, budget, now)
            self.mine(JobExtended(job.job_id, rounds_, budget, job.terms.deadline + 7, deposit))
        elif choice == 3:
            self.mine(
                KeyPublished(address("aggregator"), keccak(str(now).encode()) if rng.random() < 0.8 else bytes(32))
            )
        elif choice == 4 and rng.random() < 0.2:
            self.mine(JobStopped(job.job_id, now))
        else:
            free = self.world.accounts.free(NATIVE_COIN, job.owner)
            if free:
                self.mine(Withdrawn(NATIVE_COIN, job.owner, rng.randrange(free) + 1, job.owner))
            else:
                self.mine(Deposited(NATIVE_COIN, job.owner, rng.randrange(10**9) + 1))

    def _commit(self, job: JobState) -> None:
        target = job.rounds[-1]
        missing = [trainer for trainer in job.stakes if target.commit_of(trainer) is None]
        if not missing or (self._odd() and len(target.commits) > 2):
            self.pass_time(target.opened.commit_end - self.world.now)
            return
        place = len(target.commits)
        word = keccak(f"{job.job_id}/{target.number}/{missing[0]}/{self.salt}".encode())
        self.mine(UpdateCommitted(job.job_id, target.number, missing[0], place, word, CID, 77))

    def _settle(self, job: JobState) -> None:
        target = job.rounds[-1]
        sound = [commit for commit in target.commits if commit.index not in target.slashed]
        if self._odd() and sound and sound[0].trainer not in job.named:
            self._slash(job, sound[0])
        elif len(sound) < job.terms.min_trainers or self._odd():
            self.pass_time(target.opened.settle_end - self.world.now)
        else:
            left_out = 1 if self._odd() and len(sound) > 1 else 0
            self._post(job, [commit.index for commit in sound[: len(sound) - left_out]])

    def _post(self, job: JobState, places: Sequence[int], first: Sequence[AnyEvent] = ()) -> None:
        aggregator, bond, token = address("aggregator"), job.terms.aggregator_bond, job.terms.token
        if aggregator not in job.aggregators:
            self.pass_time(job.rounds[-1].opened.settle_end - self.world.now)
            return
        before: list[AnyEvent] = []
        if self.world.accounts.free(token, aggregator) < bond:
            before.append(Deposited(token, aggregator, 3 * bond))
        posted = self._settlement(job, places)
        settled = RoundSettled(
            job.job_id,
            len(job.rounds),
            aggregator,
            posted,
            sum(posted.payouts),
            self.world.now + job.terms.challenge_seconds,
            bytes(384),
        )
        self.mine(*before, *first, settled)

    def _settlement(self, job: JobState, places: Sequence[int]) -> Settlement:
        n = len(places)
        budget = min(job.rounds[-1].budget, job.escrow)
        shares = [self.rng.randrange(1, 100) for _ in places]
        payouts = tuple(budget * share // sum(shares) for share in shares)
        rows = np.random.default_rng(self.rng.randrange(1 << 30)).integers(-100, 100, (n, 20))
        return Settlement(
            included=sum(1 << place for place in places),
            commitment_ys=tuple(self.rng.randrange(1, 1 << 250) for _ in places),
            history=(),
            gram=pack_gram(rows @ rows.T),
            weights=tuple(self.rng.randrange(2) * (1 << 30) for _ in places),
            scores=tuple(share * 10**20 for share in shares),
            payouts=payouts,
            next_scale_exponent=-7 - self.rng.randrange(3),
            next_memory_digest=bytes(32),
            aggregate_commitment=keccak(f"{job.job_id}/{len(job.rounds)}/{self.salt}/{n}".encode()),
            aggregate_root=keccak(b"root"),
            aggregate_cid=CID,
            aggregate_bytes=800,
            witness=Witness(),
        )

    def _challenge(self, job: JobState) -> None:
        target = job.rounds[-1]
        settled = target.settled
        if settled is None:
            return
        if not self._odd():
            self.pass_time(settled.challenge_end - self.world.now)
            return
        choice = self.rng.randrange(3)
        standing = [commit for commit in target.commits if commit.index not in target.slashed]
        returned = sum(target.payouts.values())
        if choice == 0:
            reward = target.bond * job.terms.challenger_share_bps // 10_000
            accused = settled.aggregator
            self.mine(
                SettlementOverturned(
                    job.job_id, target.number, address("challenger"), accused, target.bond, reward, returned
                )
            )
        elif choice == 1 and standing and standing[-1].trainer not in job.named:
            self._slash(job, standing[-1])
        elif choice == 2 and len(target.included) < len(target.commits) and not target.slashed:  # noqa: PLR2004
            gives_way = SettlementReplaced(job.job_id, target.number, settled.aggregator, returned)
            released = BondReleased(job.job_id, target.number, settled.aggregator, target.bond)
            reopened = self.world.after(gives_way).after(released).jobs[job.job_id - 1]
            self._post(reopened, range(len(target.commits)), (gives_way, released))
        else:
            self.pass_time(1)

    def _slash(self, job: JobState, commit: UpdateCommitted) -> None:
        stake = job.stakes.get(commit.trainer)
        if stake is None:
            self.pass_time(1)
            return
        reward = stake * job.terms.challenger_share_bps // 10_000
        returned = job.rounds[-1].payouts.get(commit.trainer, 0)
        self.mine(
            TrainerSlashed(job.job_id, commit.number, address("challenger"), commit.trainer, stake, reward, returned)
        )


def play(node: Node, *, events: int, jobs: int, seed: int = 1, trainers: int = 8) -> int:
    """Play ordinary jobs side by side until there are so many events; return how many there are."""
    each = -(-events // (jobs * (2 * trainers + 3)))
    player = Player(node, seed, trainers=trainers, rounds_each=each)
    for _ in range(jobs):
        player.create()
    while (count := sum(len(block.logs) for block in node.blocks)) < events and _open(player.world):
        for job_id in _open(player.world):
            player.step(job_id)
    return count


def _open(world: World) -> list[int]:
    return [job.job_id for job in world.jobs if not job.closed]
