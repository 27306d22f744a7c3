"""A market without a chain: jobs played by the reducers, their events put into a node's blocks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from eth_hash.auto import keccak

from aggregator.gram import pack_gram
from aggregator.proofs.statement import Witness
from market import accounts, rounds
from market.accounts import Accounts
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
    PayoutClaimed,
    Phase,
    ReferenceCommitted,
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
from scripts.benchmarks.synthetic_node import START, AnyEvent, Node, address, encode_event

CID = b"\x01\x55\x12\x20" + bytes(32)
_FEWEST = 3
_IN_TOKEN, _KEY_WITHDRAWN, _STOPPED = 0.3, 0.2, 0.2


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
        self.rng = random.Random(seed)  # noqa: S311 - the same market every time
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

    @property
    def events(self) -> int:
        """Events so far."""
        return sum(len(block.logs) for block in self.node.blocks)

    @property
    def open_jobs(self) -> list[int]:
        """Jobs that are not closed."""
        return [job.job_id for job in self.world.jobs if not job.closed]

    def create(self) -> None:
        """Open a job."""
        number = len(self.world.jobs) + 1
        token = address("token") if self.rng.random() < _IN_TOKEN else NATIVE_COIN
        terms = JobTerms(
            token=token,
            verifier=address("verifier"),
            round_budget=10**18 + number,
            rounds=self.rounds_each,
            stake_min=10**16,
            stake_max=10**17,
            aggregator_bond=10**17,
            challenger_share_bps=5_000,
            min_trainers=_FEWEST,
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
            reference=self._odd(),
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
        if len(job.stakes) < job.terms.max_trainers and (len(job.stakes) < _FEWEST or not job.rounds or self._odd()):
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
        if terms.reference:
            first.append(ReferenceCommitted(job.job_id, number, keccak(f"{job.job_id}/{number}".encode()), CID, 99))
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
        who = rng.choice(trainers or [job.owner])
        free = self.world.accounts.free(NATIVE_COIN, job.owner)
        unnamed = [AggregatorNamed(job.job_id, who, NATIVE_COIN)] if who in job.named else []
        key = bytes(32) if rng.random() < _KEY_WITHDRAWN else keccak(str(now).encode())
        terms = job.terms
        more, budget = terms.rounds + 1, terms.round_budget + 5
        deposit = job.extension_deposit(more, budget, now)
        choices: list[list[AnyEvent]] = [
            [KeyPublished(address("aggregator"), key)],
            [Deposited(NATIVE_COIN, job.owner, rng.randrange(10**9) + 1)],
        ]
        if free:
            choices.append([Withdrawn(NATIVE_COIN, job.owner, rng.randrange(free) + 1, job.owner)])
        if trainers:
            choices.append([*unnamed, TrainerLeft(job.job_id, who, job.stakes[who], who)])
            choices.append([AggregatorNamed(job.job_id, who, address(f"named-{rng.randrange(2)}"))])
        if ready:
            choices.append([JobExtended(job.job_id, more, budget, terms.deadline + 7, deposit)])
        if rng.random() < _STOPPED and now < terms.deadline:
            choices.append([JobStopped(job.job_id, now)])
        self.mine(*rng.choice(choices))

    def _commit(self, job: JobState) -> None:
        target = job.rounds[-1]
        missing = [trainer for trainer in job.stakes if target.commit_of(trainer) is None]
        if not missing or (self._odd() and len(target.commits) >= _FEWEST):
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
        choice = self.rng.choice(("overturn", "slash", "replace"))
        standing = [commit for commit in target.commits if commit.index not in target.slashed]
        returned = sum(target.payouts.values())
        if choice == "overturn":
            reward = target.bond * job.terms.challenger_share_bps // 10_000
            accused = settled.aggregator
            self.mine(
                SettlementOverturned(
                    job.job_id, target.number, address("challenger"), accused, target.bond, reward, returned
                )
            )
        elif choice == "slash" and standing and standing[-1].trainer not in job.named:
            self._slash(job, standing[-1])
        elif choice == "replace" and len(target.included) < len(target.commits) and not target.slashed:
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


def play(node: Node, *, events: int, jobs: int, seed: int = 1, trainers: int = 8, of: int | None = None) -> Player:
    """Play ordinary jobs side by side until there are so many events; their rounds are enough for ``of`` events."""
    each = -(-(of or events) // (jobs * (2 * trainers + 3)))
    player = Player(node, seed, trainers=trainers, rounds_each=each)
    for _ in range(jobs):
        player.create()
    while player.events < events and player.open_jobs:
        for job_id in player.open_jobs:
            player.step(job_id)
    return player
