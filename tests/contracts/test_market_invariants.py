"""The invariants of money and state by number (docs/invariants.md); 11, 14 to 17 and 20 have files of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from web3.contract import Contract

from aggregator.proofs.statement import Witness
from market.domain import NATIVE_COIN, Phase, Settlement, SettlementOverturned
from tests.contracts.calls import escrow_value
from tests.contracts.harness import ROOT, artifact, refused
from tests.contracts.job import Job
from tests.contracts.labels import cid, commitment, point, stranger, y_of
from tests.contracts.scenario import Scene

DELEGATECALL, CALLCODE, SELFDESTRUCT = 0xF4, 0xF2, 0xFF


@pytest.fixture(params=["coin", "token"])
def token(scene: Scene, request: pytest.FixtureRequest) -> str:
    return NATIVE_COIN if request.param == "coin" else scene.chain.deploy("StandardToken").address


def _everybody_out(job: Job) -> int:
    """Drive everybody out of a job at its end, to addresses never used before; return what they got together."""
    scene = job.scene
    recipients = []
    for state in job.state.settled_rounds:
        for trainer, amount in state.payouts.items():
            if amount and trainer not in state.claimed:
                recipients.append(stranger((job.id, state.number, trainer)))
                job.claim(trainer, [state.number], recipients[-1])
    for trainer in list(job.state.stakes):
        recipients.append(stranger((job.id, "stake", trainer)))
        job.leave(trainer, recipients[-1])
    if not job.state.closed:
        job.close(scene.owner)
    for account in (*scene.aggregators, scene.outsider, job.state.owner):
        if job.free(account):
            recipients.append(stranger((job.id, "balance", account)))
            job.withdraw(account, recipients[-1])
    return sum(scene.balance(job.terms.token, recipient) for recipient in recipients)


def _play(job: Job, trainers: Sequence[str], aggregator: str) -> None:
    """Play a round to its end, settled by a given aggregator."""
    job.open_and_commit(trainers)
    job.settle(sender=aggregator)
    job.travel_to(Phase.FINAL)


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT opcode:DeprecationWarning")  # py-evm's word on the opcode
def test_invariant_01_forced_coins_enter_no_account(scene: Scene) -> None:
    job = scene.create()
    force = scene.chain.deploy("ForceSend")
    trainers = job.join_all()
    for step in range(3):
        scene.chain.send(force.functions.send(scene.market.address), value=11, sender=scene.outsider)
        scene.forced[NATIVE_COIN] = 11 * (step + 1)
        scene.check()
        if step < 2:
            job.play_round(trainers)
    _everybody_out(job)
    scene.check()
    assert scene.chain.balance(scene.market.address) == 33


def test_invariant_02_what_goes_in_comes_out_to_the_unit(scene: Scene, token: str) -> None:
    job, _ = _bonded(scene, token=token, rounds=3)
    trainers = job.join_all(6)
    stakes, second = sum(job.state.stakes.values()), scene.aggregators[1]
    job.play_to_overturned(trainers)
    job.open()
    job.commit(trainers[0])
    job.travel_to(Phase.VOID)
    job.leave(trainers[5], stranger("leaver"))
    left = scene.balance(token, stranger("leaver"))
    _play(job, trainers[:5], second)
    job.join(trainers[5], 500)
    _play(job, trainers, second)
    _play(job, trainers, second)
    scene.check()
    assert _everybody_out(job) + left == job.terms.escrow + stakes + 500 + 2 * 501
    assert scene.balance(token, scene.market.address) == 0
    scene.check()


@pytest.mark.parametrize("hostile_verifier", ["PermissiveVerifier", "RevertingVerifier", "GasBurningVerifier"])
def test_invariant_03_a_hostile_verifier_reaches_no_other_job(scene: Scene, token: str, hostile_verifier: str) -> None:
    verifier = scene.chain.deploy(hostile_verifier).address
    sound, hostile = scene.create(token=token), scene.create(token=token, verifier=verifier)
    trainers = sound.join_all()
    hostile.join_all()
    backing = sound.state.liabilities
    for job in (sound, hostile):
        job.open()
        for trainer in trainers:
            job.commit(trainer)
    hostile.travel_to(Phase.SETTLING)
    if hostile_verifier == "PermissiveVerifier":
        greedy = (hostile.terms.round_budget, 0, 0, 0, 0)
        hostile.settle(replace(hostile.settlement(), payouts=greedy, weights=(), scores=(), gram=b""))
        hostile.travel_to(Phase.FINAL)
        hostile.claim(trainers[0], recipient=stranger("greedy"))
    else:
        call = hostile.calls.settle(1, hostile.settlement())
        with pytest.raises(Exception, match=r"Revert|OutOfGas|InvalidInstruction"):
            scene.send(call, scene.aggregators[0])
        hostile.travel_to(Phase.VOID)
    scene.check()
    assert sound.state.liabilities == backing
    scene.chain.travel_to(max(scene.chain.now, sound.terms.deadline, hostile.terms.deadline))
    out = _everybody_out(hostile) + scene.balance(token, stranger("greedy"))
    assert out == _everybody_out(sound) == backing
    scene.check()


def test_invariant_03_a_hostile_token_reaches_no_other_job(scene: Scene) -> None:
    token = scene.chain.deploy("RebasingToken")
    hostile, sound = scene.create(token=token.address), scene.create()
    hostile.join_all()
    trainers = sound.join_all()
    scene.chain.send(token.functions.rebase(1))  # next to nothing is left of it
    with pytest.raises(Exception, match=r"Revert"):
        hostile.leave(scene.trainers[0])
    for _ in range(2):
        sound.play_round(trainers)
    owed = sound.state.liabilities
    assert scene.chain.balance(scene.market.address) == owed
    assert _everybody_out(sound) == owed


def test_invariant_04_payouts_and_remainder_are_the_round_budget(scene: Scene, token: str) -> None:
    job = scene.create(token=token, rounds=3)
    trainers = job.join_all(6)
    for number in range(1, 4):
        before = job.state.escrow
        job.play_round(trainers)
        view = scene.market.functions
        paid = sum(scene.chain.call(view.payoutOf(job.id, number, trainer))[0] for trainer in trainers)
        escrow = scene.chain.call(view.job(job.id))[5]
        remainder = escrow - (3 - number) * job.terms.round_budget - (before - (4 - number) * job.terms.round_budget)
        assert paid + remainder == job.terms.round_budget
        assert paid > 0
    scene.check()


@pytest.mark.parametrize(
    "budget", [1, 6, 10**18 + 9, *(pytest.param(budget, marks=pytest.mark.slow) for budget in (2, 5, 997))]
)
def test_invariant_05_dust_stays_below_a_unit_a_trainer_and_returns_to_the_owner(scene: Scene, budget: int) -> None:
    job = scene.create(round_budget=budget, rule="mean")
    trainers = job.join_all(7)
    for number in range(1, 3):
        job.play_round(trainers)
        assert job.latest.settled is not None
        dust = budget - job.latest.settled.paid
        assert 0 <= dust < len(trainers)
        assert number == job.number
    total = 2 * budget - sum(state.settled.paid for state in job.state.rounds if state.settled)
    job.close()
    if total:
        job.withdraw(recipient=stranger("owner"))
    assert scene.chain.balance(stranger("owner")) == total
    scene.check()


def test_invariant_05_a_round_that_earns_nothing_pays_nothing(scene: Scene) -> None:
    """Zero updates have scores of zero: the whole budget stays in escrow."""
    job = scene.create()
    job.open_and_commit(job.join_all())
    job.settle(job.settlement(scale=0.0))
    assert job.latest.settled is not None
    assert job.latest.settled.paid == 0
    assert job.state.escrow == job.terms.escrow
    scene.check()


def test_invariant_06_each_credit_is_paid_once(scene: Scene, token: str) -> None:
    job = scene.create(token=token)
    trainers = job.join_all()
    for _ in range(2):
        job.play_round(trainers)
    trainer = next(t for t in trainers if all(state.payouts[t] for state in job.state.rounds))
    for batch in ([1, 1], [1, 2, 1], [2, 2, 1]):
        twice = next(number for number in batch if batch.count(number) == 2)
        with refused("Market_AlreadyClaimed", jobId=job.id, round=twice, trainer=trainer):
            job.attempt(job.calls.claim(batch, trainer), trainer)
    job.claim(trainer, [1], stranger(1))
    for batch, recipient in (([1], trainer), ([2, 1], stranger(2)), ([1, 2], stranger(1))):
        with refused("Market_AlreadyClaimed", jobId=job.id, round=1, trainer=trainer):
            job.attempt(job.calls.claim(batch, recipient), trainer)
    job.leave(trainer)
    job.join(trainer, 100)  # joining again earns nothing again
    with refused("Market_AlreadyClaimed", jobId=job.id, round=1, trainer=trainer):
        job.attempt(job.calls.claim([1], trainer), trainer)
    job.claim(trainer, [2], stranger(2))
    assert scene.balance(token, stranger(1)) == job.state.rounds[0].payouts[trainer]
    assert scene.balance(token, stranger(2)) == job.state.rounds[1].payouts[trainer]
    scene.check()


@pytest.mark.parametrize("share", [0, 3_333, 10_000])
def test_invariant_07_a_slash_is_the_bond_and_goes_where_the_job_says(scene: Scene, token: str, share: int) -> None:
    job, _ = _bonded(scene, token=token, challenger_share_bps=share)
    trainers = job.join_all()
    held = scene.balance(token, scene.market.address)
    job.play_to_overturned(trainers)
    slash = job.latest.overturned
    assert slash is not None
    assert slash.bond == job.terms.aggregator_bond
    assert slash.reward == job.free(scene.outsider) == 501 * share // 10_000
    assert job.free(scene.owner) == slash.bond - slash.reward
    assert [job.free(account) for account in scene.aggregators] == [0, 501]
    assert job.state.escrow == job.terms.escrow
    assert job.state.liabilities + scene.accounts.owed(token) == held == scene.balance(token, scene.market.address)
    assert _everybody_out(job) == held
    assert scene.balance(token, scene.market.address) == 0
    scene.check()


def test_invariant_08_a_bond_stays_within_reach_while_its_settlement_can_be_challenged(scene: Scene) -> None:
    """At every second of the window the whole bond is there to be slashed, whatever its owner tried before."""
    job, _ = _bonded(scene)
    settler = scene.aggregators[0]
    job.open_and_commit(job.join_all())
    job.settle(sender=settler)
    assert job.latest.settled is not None
    end = job.latest.settled.challenge_end
    while scene.chain.now < end:
        with refused("Market_WrongPhase", phase=Phase.CHALLENGEABLE):
            job.attempt(job.calls.release(1), settler)
        for call in (job.calls.open(), job.calls.close()):
            with refused("Market_WrongPhase", phase=Phase.CHALLENGEABLE):
                job.attempt(call, scene.owner)
        with refused("Market_InsufficientBalance", account=settler, amount=501):
            scene.attempt(scene.withdraw_call(settler, amount=501), settler)
        with scene.undone():
            event = job.challenge()
            assert isinstance(event, SettlementOverturned)
            assert event.bond == 501
        scene.chain.travel_to(min(scene.chain.now + 7, end) if scene.chain.now < end - 1 else end)
    with refused("Market_WrongPhase", phase=Phase.FINAL):
        job.attempt(job.calls.challenge(1), scene.outsider)
    job.release()
    job.withdraw(settler)


def _bonded(scene: Scene, **changes: Any) -> tuple[Job, Contract]:
    """Give a job with bonded aggregators, whose verifier calls the aggregates of its first two rounds false."""
    verifier = scene.chain.deploy("FaultSwitchVerifier")
    terms = {"verifier": verifier.address, "aggregator_bond": 501, "challenger_share_bps": 2_500, **changes}
    job = scene.create(**terms)
    for number in (1, 2):
        scene.chain.send(verifier.functions.setFalse(job.id, number, True))
    for aggregator in scene.aggregators:
        job.deposit_bond(aggregator)
    return job, verifier


def test_invariant_09_nobody_else_moves_a_balance(scene: Scene) -> None:
    job, _ = _bonded(scene, rounds=1)
    trainers = job.join_all()
    job.play_to_overturned(trainers, scene.trainers[9])
    job.open()
    job.travel_to(Phase.VOID)
    _play(job, trainers, scene.aggregators[1])
    job.close()
    token, free = job.terms.token, {who: job.free(who) for who in (scene.trainers[9], scene.owner)}
    assert all(free.values())
    for caller in (scene.outsider, scene.aggregators[0], trainers[0]):
        with refused("Market_InsufficientBalance", token=token, account=caller, amount=1):
            scene.attempt(scene.withdraw_call(caller, amount=1), caller)
    for caller in (scene.outsider, scene.aggregators[0], scene.owner):
        for call, error in (
            (job.calls.leave(caller), "Market_NotTrainer"),
            (job.calls.claim([3], caller), "Market_NothingToClaim"),
        ):
            with refused(error):
                job.attempt(call, caller)
    for call in (job.calls.extend(9, 10**9, 1 << 40), job.calls.stop()):
        with refused("Market_NotOwner", caller=scene.outsider):
            job.attempt(call, scene.outsider)
    scene.check()


def test_invariant_12_a_settlement_gives_way_to_more_trainers_only_and_never_once_it_is_final(scene: Scene) -> None:
    job = scene.create(verifier=scene.chain.deploy("PermissiveVerifier").address)
    trainers = job.join_all()
    job.open_and_commit(trainers)
    first = replace(job.settlement(), payouts=(5, 4, 3, 2, 1))
    job.settle(first)
    other = job.calls.settle(1, replace(first, payouts=(1, 2, 3, 4, 5), aggregate_commitment=commitment("other")))
    for phase in (Phase.CHALLENGEABLE, Phase.FINAL):
        if phase is Phase.FINAL:
            job.travel_to(phase)
        for caller in scene.aggregators:
            with refused("Market_WrongPhase" if phase is Phase.FINAL else "Market_NotSuperset", jobId=job.id, round=1):
                job.attempt(other, caller)
    job.open_and_commit(trainers)
    job.settle(replace(job.settlement(), payouts=(0, 0, 0, 0, 7)))
    with refused("Market_WrongPhase", round=1, phase=Phase.FINAL):
        job.attempt(other, scene.aggregators[0])
    assert list(job.state.rounds[0].payouts.values()) == [5, 4, 3, 2, 1]
    scene.check()


def test_invariant_12_an_overturned_round_is_over_for_good(scene: Scene) -> None:
    job, verifier = _bonded(scene)
    job.play_to_overturned(job.join_all())
    view, second = scene.market.functions, scene.aggregators[1]
    before = scene.chain.call(view.round(job.id, 1))
    scene.chain.send(verifier.functions.setFalse(job.id, 1, False))
    again, opened = job.calls.settle(1, job.settlement()), job.latest.opened
    for moment in (scene.chain.now, opened.settle_end - 1, opened.settle_end, opened.settle_end + 10**6):
        scene.chain.travel_to(moment)
        for call, caller in (
            (again, second),
            (job.calls.challenge(1), scene.outsider),
            (job.calls.claim([1], scene.trainers[0]), scene.trainers[0]),
        ):
            with refused("Market_WrongPhase", jobId=job.id, round=1, phase=Phase.VOID):
                job.attempt(call, caller)
    assert scene.chain.call(view.round(job.id, 1)) == before
    scene.check()


@pytest.mark.parametrize("commits", [0, 5])
def test_invariant_13_no_settlement_before_commitments_close_and_none_after_a_refund(
    scene: Scene, commits: int
) -> None:
    job = scene.create(verifier=scene.chain.deploy("PermissiveVerifier").address)
    trainers = job.join_all()
    scene.chain.travel_to(job.terms.deadline - 200)
    job.open()
    for trainer in trainers[:commits]:
        job.commit(trainer)
    ys = tuple(y_of(commit.commitment) for commit in job.latest.commits)
    settlement = Settlement(
        *((1 << commits) - 1, ys, (), b"", (), (), (0,) * commits, 0, bytes(32)),
        *(commitment(0), bytes(32), cid(0), 0, Witness()),
    )
    call = job.calls.settle(1, settlement)
    for second in (scene.chain.now, job.latest.opened.commit_end - 1):
        scene.chain.travel_to(second)
        with refused("Market_WrongPhase", phase=Phase.OPEN):
            job.attempt(call, scene.aggregators[0])
    scene.chain.travel_to(job.terms.deadline)
    job.close()
    for withdrawn in (False, True):
        if withdrawn:
            job.withdraw()
        with refused("Market_WrongPhase", phase=Phase.VOID):
            job.attempt(call, scene.aggregators[0])
    scene.check()


def test_invariant_18_calls_of_third_parties_change_no_exit_and_no_deadline(scene: Scene) -> None:
    job = scene.create()
    trainers = job.join_all()
    job.open()
    for trainer in trainers[:4]:
        job.commit(trainer)
    before = job.state
    attacks = [
        job.calls.open(),
        job.calls.close(),
        job.calls.join(0),
        job.calls.commit(1, point(1), cid(1)),
        job.calls.settle(1, job.settlement()),
        job.calls.claim([1], scene.outsider),
        job.calls.claim([], scene.outsider),
        job.calls.leave(trainers[0]),
        job.calls.name(scene.outsider),
        job.calls.release(1),
        job.calls.challenge(1),
        job.calls.challenge_update(1, 0),
        job.calls.extend(9, 10**9, 1 << 40),
        job.calls.stop(),
        scene.withdraw_call(scene.outsider, amount=1),
    ]
    for phase in (None, Phase.SETTLING, Phase.VOID):
        if phase is not None:
            job.travel_to(phase)
        for call in attacks:
            if phase is Phase.VOID and call is attacks[0]:
                continue  # whoever opens the next round changes nothing for who does not commit to it
            with pytest.raises(Exception, match="Revert"):
                scene.send(call, scene.outsider)
        assert job.state == before
        scene.check()
    job.open()
    for trainer in trainers:
        job.attempt(job.calls.leave(trainer), trainer)


def test_invariant_24_the_second_of_a_settlement_changes_no_payout(scene: Scene) -> None:
    job = scene.create()
    job.open_and_commit(job.join_all())
    settlement, seen = job.settlement(), []
    for late in (0, 1, 12, 13, 59):
        with scene.chain.undone():
            scene.chain.travel_to(job.latest.opened.commit_end + late)
            scene.chain.send(job.calls.settle(1, settlement), sender=scene.aggregators[0])
            view = scene.market.functions
            seen.append([scene.chain.call(view.payoutOf(job.id, 1, trainer)) for trainer in scene.trainers[:5]])
    assert all(payouts == seen[0] for payouts in seen)
    assert [amount for amount, _ in seen[0]] == list(settlement.payouts)


def _opcodes(code: bytes) -> Iterator[int]:
    """Yield the instructions of a contract, data of PUSH skipped."""
    position = 0
    while position < len(code):
        opcode = code[position]
        yield opcode
        position += opcode - 0x5E if 0x60 <= opcode <= 0x7F else 1


@pytest.mark.parametrize("name", ["Market", "Forwarder", "TermsCheck", "GramVerifier"])
def test_invariant_26_no_code_can_be_exchanged(name: str) -> None:
    code = bytes.fromhex(artifact(name)["deployedBytecode"][2:])
    assert not {DELEGATECALL, CALLCODE, SELFDESTRUCT} & set(_opcodes(code))


def test_invariant_26_nobody_has_power_over_a_market(scene: Scene) -> None:
    """All functions that change anything are those that the other tests bind to a party; terms have no setter."""
    changing = {
        entry["name"]
        for entry in artifact("Market")["abi"]
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    assert changing == {
        *("createJob", "extendJob", "stopJob", "closeJob", "commitReference", "openRound"),
        *("joinJob", "leaveJob", "nameAggregator", "commitUpdate", "claim"),
        *("settleRound", "releaseBond", "challengeSettlement", "challengeUpdate"),
        *("deposit", "withdraw", "publishKey"),
    }
    (constructor,) = [entry for entry in artifact("Market")["abi"] if entry["type"] == "constructor"]
    assert constructor["inputs"] == []  # nobody who deploys a market has a say in it
    changing = {
        entry["name"]
        for entry in artifact("Forwarder")["abi"]
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    assert changing == {"execute", "executeBatch", "cancel"}


def test_the_budget_of_a_job_cannot_be_paid_by_another_owners_escrow(scene: Scene) -> None:
    """Two jobs share one coin: a job pays out at most what its own escrow holds."""
    poor = scene.create(round_budget=1, rounds=1, verifier=scene.chain.deploy("PermissiveVerifier").address)
    rich = scene.create(round_budget=10**18)
    poor.open_and_commit(poor.join_all())
    for greed in (2, 10**18, (1 << 128) - 1):
        call = poor.calls.settle(1, replace(poor.settlement(), payouts=(greed, 0, 0, 0, 0)))
        with refused("Market_BudgetExceeded", payouts=greed, roundBudget=1):
            poor.attempt(call, scene.aggregators[0])
    assert escrow_value(rich.terms) == rich.state.escrow
    scene.check()


def test_the_table_of_invariants_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "invariants.md").read_text()
    sources = "".join(path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py")))
    named = set(re.findall(r"\b(test_\w+)(?!\w*\.py)\b", text))
    assert len(named) > 30
    assert [name for name in sorted(named) if f"def {name}(" not in sources] == []
    assert [path for path in re.findall(r"`(tests/[\w/]+\.py)", text) if not (ROOT / path).is_file()] == []
    rows = re.findall(r"^\| (\d+) \|", text, re.MULTILINE)
    assert rows == [str(number) for number in range(1, 32)]
