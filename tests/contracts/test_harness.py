"""The harness itself: a test that relies on it must not pass by accident."""

from __future__ import annotations

import pytest
from web3 import Web3
from web3.contract import Contract

from tests.contracts.harness import Chain, Reverted, decode_refusal, refused


def test_a_refusal_is_matched_by_name_and_fields(chain: Chain, market: Contract) -> None:
    with refused("Market_UnknownJob", jobId=7):
        chain.call(market.functions.openRound(7))
    with pytest.raises(AssertionError, match="Market_UnknownJob"), refused("Market_UnknownJob", jobId=8):
        chain.call(market.functions.openRound(7))
    with pytest.raises(AssertionError, match="Market_UnknownJob"), refused("Market_JobClosed"):
        chain.call(market.functions.openRound(7))
    with pytest.raises(AssertionError, match="not refused"), refused("Market_UnknownJob"):
        chain.call(market.functions.jobCount())


def test_a_failed_transaction_is_mined_and_raises_what_the_contract_gave(chain: Chain, market: Contract) -> None:
    before = chain.now, chain.w3.eth.get_transaction_count(chain.accounts[1])
    with refused("Market_UnknownJob", jobId=7):
        chain.send(market.functions.openRound(7), sender=chain.accounts[1])
    assert (chain.now, chain.w3.eth.get_transaction_count(chain.accounts[1])) == (before[0] + 1, before[1] + 1)


def test_running_out_of_gas_has_no_name(chain: Chain, market: Contract) -> None:
    with pytest.raises(Reverted, match="Out") as failure:
        chain.send(market.functions.openRound(7), gas=21_600)
    assert failure.value.data == b""
    assert decode_refusal(failure.value).name == ""


def test_calls_and_the_next_transaction_share_the_time(chain: Chain) -> None:
    chain.travel_to(chain.now + 1000)
    moment = chain.now
    receipt = chain.send_raw({"to": chain.accounts[2]}, value=5)
    assert chain.w3.eth.get_block(receipt["blockNumber"])["timestamp"] == moment
    assert chain.now == moment + 1
    with pytest.raises(ValueError, match="already"):
        chain.travel_to(moment)


def test_what_happens_inside_is_undone_at_every_depth(chain: Chain) -> None:
    recipient = Web3.to_checksum_address("ab" * 20)

    def give() -> None:
        chain.send_raw({"to": recipient}, value=5)

    start = chain.now, chain.w3.eth.block_number
    with chain.undone():
        give()
        middle = chain.now, chain.w3.eth.block_number
        with chain.undone():
            chain.travel_to(chain.now + 99)
            give()
            give()
            assert chain.balance(recipient) == 15
        assert (chain.now, chain.w3.eth.block_number) == middle
        assert chain.balance(recipient) == 5
        give()
        assert chain.balance(recipient) == 10
    assert (chain.now, chain.w3.eth.block_number) == start
    assert chain.balance(recipient) == 0
