"""A small market as the index would tell it, made from the views alone: what the API is tested over."""

from __future__ import annotations

import base64
from typing import Any

from aggregator.errors import InvalidInput
from market.errors import NotFound
from market.indexer import views as v
from market.indexer.queries import Reader, Since
from market.indexer.read_jobs import Sort

CHAIN, MARKET = 31337, "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OWNER, AGGREGATOR = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
TRAINERS = (
    "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
    "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
    "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
)
COIN = v.Token(address="0x" + "0" * 40, symbol="ETH", decimals=18)
ETHER, NOW, CID = 10**18, 1_800_000_000, "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"


def word(number: int) -> str:
    """Return 32 bytes in hexadecimal."""
    return f"0x{number:064x}"


TERMS = v.Terms(
    token=COIN,
    verifier=AGGREGATOR,
    round_budget=ETHER,
    rounds=5,
    stake_min=ETHER // 10,
    stake_max=ETHER,
    aggregator_bond=ETHER,
    challenger_share_bps=5000,
    min_trainers=2,
    max_trainers=8,
    byzantine=0,
    dimension=2410,
    bits=16,
    headroom_bits=6,
    scale_exponent=-20,
    commit_seconds=600,
    settle_seconds=600,
    challenge_seconds=600,
    deadline=NOW + 86_400,
    refund_void=True,
    rule="multi-krum",
    score="shapley",
    reference=False,
    floor_bps=5000,
    cap_bps=30_000,
)


class FakeReader(Reader):
    """Five jobs, each of three rounds by three trainers; ``change`` commits something new."""

    def __init__(self, jobs: int = 5, rounds: int = 3) -> None:
        self.count, self.rounds_each, self._version = jobs, rounds, 1
        self.extra: list[v.EventView] = []
        self.log: list[v.Change] = []
        self.queries = 0

    def change(self, event: v.EventView | None = None) -> None:
        """Commit a change: an event, or a head alone."""
        if event is not None:
            self.extra.insert(0, event)
        self._version += 1
        if event is not None:
            place = {"chain_id": CHAIN, "market": MARKET, "job_id": event.job_id, "round": event.round}
            self.log.append(v.Change.model_validate({**place, "version": self._version}))

    def take_back(self, event: v.EventView) -> None:
        """Reorganise: other events come in place of the extra ones."""
        self.extra.clear()
        self.change(event)

    def changes(self, since: int, limit: int = 500) -> tuple[v.Change, ...]:
        return tuple(change for change in self.log if change.version > since)[:limit]

    def status(self) -> v.IndexStatus:
        told = v.MarketStatus(
            chain_id=CHAIN,
            market=MARKET,
            first_block=0,
            head=self.markets()[0].head,
            events=self.count,
            caught_up=True,
            failure=None,
            failing_since=None,
            fault=None,
        )
        return v.IndexStatus(version=self._version, ready=True, markets=(told,))

    def version(self) -> int:
        return self._version

    def since(self, version: int) -> Since:
        return Since(self._version, {(CHAIN, MARKET): NOW}, self.changes(version))

    def next_time(self, _chain_id: int, _market: str, _job_id: int, after: int) -> int | None:
        return None

    def markets(self) -> tuple[v.Market, ...]:
        head = v.Head(block=900, hash=word(900), timestamp=NOW, chain_block=900, lag_seconds=0.5)
        money = {"escrow": 2, "stakes": 3, "bonds": 1, "unclaimed": 1, "claimed": 2, "free": 4, "volume": 25}
        amounts: Any = {name: amount * ETHER for name, amount in money.items()}
        told = v.Market(
            chain_id=CHAIN,
            chain_name="local",
            address=MARKET,
            forwarder=AGGREGATOR,
            explorer=None,
            head=head,
            jobs=self.count,
            running=self.count,
            trainers=len(TRAINERS),
            rounds_settled=self.count * self.rounds_each,
            amounts=(v.Amounts(token=COIN, **amounts),),
        )
        return (told,)

    def market(self, chain_id: int, address: str) -> v.Market:
        found = self.markets()[0]
        if (chain_id, address) != (found.chain_id, found.address):
            raise NotFound(f"market {address} on chain {chain_id} is not indexed")
        return found

    def _summary(self, number: int) -> v.JobSummary:
        return v.JobSummary(
            chain_id=CHAIN,
            market=MARKET,
            job_id=number,
            owner=OWNER,
            name=None,
            status=v.JobStatus.RUNNING,
            token=COIN,
            rule="multi-krum",
            score="shapley",
            round_budget=ETHER,
            rounds=5,
            rounds_used=self.rounds_each,
            escrow=2 * ETHER,
            paid=self.rounds_each * ETHER,
            trainers=3,
            max_trainers=8,
            deadline=NOW + number,
            created=NOW - number,
            latest=v.RoundTimes(number=self.rounds_each, phase=v.RoundPhase.CHALLENGEABLE, ends=NOW + 60),
        )

    def jobs(
        self,
        chain_id: int | None = None,
        market: str | None = None,
        owner: str | None = None,
        trainer: str | None = None,
        status: v.JobStatus | None = None,
        query: str | None = None,
        sort: Sort = "newest",
        cursor: str | None = None,
        limit: int = 50,
    ) -> v.Page[v.JobSummary]:
        self.queries += 1
        fits = chain_id in (None, CHAIN) and market in (None, MARKET) and owner in (None, OWNER)
        fits = fits and trainer in (None, *TRAINERS) and status in (None, v.JobStatus.RUNNING) and not query
        found = [self._summary(number) for number in range(self.count, 0, -1)] if fits else []
        return _page(found, cursor, limit)

    def job(self, chain_id: int, market: str, job_id: int) -> v.JobDetail:
        self._require(chain_id, market, job_id)
        settler = v.Aggregator(
            address=AGGREGATOR, named_by=(OWNER,), by_owner=True, free=ETHER, held=ETHER, dismissed=False
        )
        return v.JobDetail(
            summary=self._summary(job_id),
            terms=TERMS,
            manifest_cid=CID,
            created_tx=word(job_id),
            aggregators=(settler,),
            stakes=3 * ETHER,
            bonds=ETHER,
            unclaimed=ETHER,
            owner_free=0,
            owner_may=("extend", "stop"),
        )

    def _round(self, number: int) -> v.RoundSummary:
        return v.RoundSummary(
            number=number,
            phase=v.RoundPhase.FINAL,
            commit_end=NOW,
            settle_end=NOW + 1,
            challenge_end=NOW + 2,
            committed=3,
            included=3,
            accepted=2,
            slashed=0,
            budget=ETHER,
            paid=ETHER,
            aggregator=AGGREGATOR,
            gas_used=900_000,
            accuracy=None,
            loss=None,
        )

    def rounds(
        self, chain_id: int, market: str, job_id: int, cursor: str | None = None, limit: int = 50
    ) -> v.Page[v.RoundSummary]:
        self._require(chain_id, market, job_id)
        return _page([self._round(number) for number in range(self.rounds_each, 0, -1)], cursor, limit)

    def round(self, chain_id: int, market: str, job_id: int, number: int) -> v.RoundDetail:
        self._require(chain_id, market, job_id, number)
        updates = tuple(
            v.UpdateView(
                index=index,
                trainer=trainer,
                commitment=word(index),
                cid=CID,
                payload_bytes=9_640,
                tx=word(index),
                stake=ETHER,
                included=index > 0,
                accepted=index > 1,
                slashed=False,
                weight=1 << 31,
                score=index * 10**20,
                payout=index * ETHER // 3,
                claimed=False,
                reason=None if index == 0 else "accepted",
                reason_by="chain",
            )
            for index, trainer in enumerate(TRAINERS)
        )
        return v.RoundDetail(
            summary=self._round(number),
            scale_exponent=-20,
            reference_cid=None,
            reference_commitment=None,
            updates=updates,
            settlement=None,
            replaced=(),
            overturned_by=None,
            overturned_tx=None,
            refunded=False,
        )

    def evidence(self, chain_id: int, market: str, job_id: int, number: int) -> v.Evidence:
        self._require(chain_id, market, job_id, number)
        log = v.RawLog(
            address=MARKET,
            topics=(word(1),),
            data="0x" + "ab" * 4000,
            block=9,
            block_hash=word(9),
            tx=word(7),
            log_index=0,
        )
        return v.Evidence(
            chain_id=CHAIN,
            market=MARKET,
            job_id=job_id,
            round=number,
            log=log,
            terms=TERMS,
            verifier=AGGREGATOR,
            verifying_key="0x" + "cd" * 512,
            carried_before="0x",
        )

    def similarity(self, chain_id: int, market: str, job_id: int, number: int) -> v.Similarity:
        self._require(chain_id, market, job_id, number)
        cosines = tuple(tuple(1.0 if a == b else 0.5 for b in range(3)) for a in range(3))
        return v.Similarity(labels=TRAINERS, cosines=cosines, norms=(1.0, 2.0, 3.0))

    def contributions(self, chain_id: int, market: str, job_id: int) -> v.Contributions:
        self._require(chain_id, market, job_id)
        numbers = tuple(range(1, self.rounds_each + 1))
        return v.Contributions(
            trainers=TRAINERS,
            rounds=numbers,
            scores=tuple(tuple(0.3 for _ in numbers) for _ in TRAINERS),
            payouts=tuple(tuple(ETHER for _ in numbers) for _ in TRAINERS),
        )

    def _trainer(self, address: str) -> v.TrainerOfJob:
        return v.TrainerOfJob(
            address=address,
            stake=ETHER,
            joined=NOW - 5,
            left=None,
            committed=3,
            accepted=2,
            slashed=False,
            paid=ETHER,
            claimable=ETHER,
            claimable_rounds=(1, 2),
            named=None,
        )

    def trainers(
        self, chain_id: int, market: str, job_id: int, cursor: str | None = None, limit: int = 50
    ) -> v.Page[v.TrainerOfJob]:
        self._require(chain_id, market, job_id)
        return _page([self._trainer(address) for address in TRAINERS], cursor, limit)

    def account(self, chain_id: int, market: str, address: str) -> v.Account:
        self.market(chain_id, market)
        if address not in (OWNER, AGGREGATOR, *TRAINERS):
            raise NotFound(f"{address} never did anything on this market")
        money = (v.Balance(token=COIN, free=ETHER),)
        return v.Account(
            chain_id=chain_id,
            market=market,
            address=address,
            balances=money,
            owns=0,
            trains=self.count,
            aggregates=0,
            earned=money,
            claimable=money,
            encryption_key=None,
        )

    def jobs_of_trainer(
        self, chain_id: int, market: str, address: str, cursor: str | None = None, limit: int = 50
    ) -> v.Page[v.JobOfTrainer]:
        self.account(chain_id, market, address)
        trainer = self._trainer(address)
        found = [v.JobOfTrainer(job=self._summary(n), trainer=trainer) for n in range(self.count, 0, -1)]
        return _page(found, cursor, limit)

    def events(
        self,
        chain_id: int,
        market: str,
        job_id: int | None = None,
        account: str | None = None,
        round: int | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> v.Page[v.EventView]:
        self.market(chain_id, market)
        found = [*self.extra, *(event_of(number, number) for number in range(self.count, 0, -1))]
        chosen = [
            one
            for one in found
            if job_id in (None, one.job_id) and account in (None, one.account) and round in (None, one.round)
        ]
        return _page(chosen, cursor, limit)

    def _require(self, chain_id: int, market: str, job_id: int, number: int = 1) -> None:
        self.market(chain_id, market)
        if job_id > self.count:
            raise NotFound(f"there is no job {job_id}")
        if number > self.rounds_each:
            raise NotFound(f"job {job_id} has no round {number}")


def event_of(job_id: int, block: int, name: str = "JobCreated", round: int | None = None) -> v.EventView:
    """Return an event of a job."""
    return v.EventView(
        block=block,
        log_index=0,
        timestamp=NOW + block,
        tx=word(block),
        name=name,
        job_id=job_id,
        round=round,
        account=OWNER,
        amount=5 * ETHER,
        text="opened a job",
    )


def _page(items: list[Any], cursor: str | None, limit: int) -> v.Page[Any]:
    try:
        start = int(base64.urlsafe_b64decode(cursor.encode())) if cursor else 0
    except ValueError:
        raise InvalidInput("the cursor is not one of this list's") from None
    end = start + limit
    following = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(items) else None
    return v.Page(items=tuple(items[start:end]), next=following, total=len(items))
