"""Address books of deployments: made from one, and checked against a chain and against this version's contracts."""

from __future__ import annotations

from collections.abc import Sequence

from web3 import Web3

from aggregator.errors import GramercyError
from aggregator.srs import VerifyingKey
from market.address_book import AddressBook, Entry
from market.chain.deployed_code import verify_deployment
from market.chain.deployment import Deployment, refuse_known_secrets
from market.chain.deployment_plan import DeploymentPlan, plan_deployment
from market.chain.known_answers import check_chain
from market.chain.transactions import refusals
from market.domain import Address
from market.errors import ConfigError, WrongChain


def book_of(deployment: Deployment, chain_id: int, *, rpc_url: str | None = None) -> AddressBook:
    """Return the address book of a deployment that has been verified."""
    plan, hashes = deployment.plan, deployment.code_hashes
    return AddressBook(
        chain_id=chain_id,
        market=deployment.market,
        verifier=deployment.verifier,
        forwarder=Address(plan.forwarder),
        first_block=deployment.first_block,
        contracts={name: Entry(Address(address), hashes[name]) for name, address in plan.addresses.items()},
        rules={identity: Address(contract.address) for identity, contract in plan.rules.items()},
        scores={identity: Address(contract.address) for identity, contract in plan.scores.items()},
        salt=plan.salt,
        srs=plan.key.digest,
        srs_words=plan.key.words(),
        rpc_url=rpc_url,
    )


def check_book(w3: Web3, book: AddressBook) -> DeploymentPlan:
    """Check that a book tells the truth about a chain, and that what is there are this version's contracts.

    The book is believed in nothing: from its salt and the words of its reference string, and from this version's code,
    follow the addresses that it must name; at these the code is compared. What it cannot show is that nobody knows the
    secrets of the reference string: that is for the ceremony, by the digest.

    Returns
    -------
    DeploymentPlan
        What the addresses follow from.

    Raises
    ------
    WrongChain
        If the chain is another one, does not answer as contracts need it, or has other code; or if the book names other
        addresses or hashes than this version's contracts have.
    ConfigError
        If the words are no reference string, or that of another digest.
    InvalidSrs
        If the secrets of the reference string are known, on any chain but a local one.

    """
    with refusals():
        chain_id = w3.eth.chain_id
    if chain_id != book.chain_id:
        raise WrongChain(
            f"the address book is of chain {book.chain_id}, and this is chain {chain_id}",
            hint="pass --rpc-url with an address of the book's chain",
            expected=book.chain_id,
            found=chain_id,
        )
    key = key_of(book.srs_words)
    if key.digest != book.srs:
        raise ConfigError("the reference string's words in the address book are not those of its digest")
    refuse_known_secrets(key, chain_id)
    plan = plan_deployment(key, book.salt)
    _compare_addresses(plan, book)
    check_chain(w3)
    hashes = verify_deployment(w3, plan)
    for name, entry in book.contracts.items():
        if hashes[name] != entry.code_hash:
            raise WrongChain(
                f"the address book gives another hash of the code of {name}",
                contract=name,
                found="0x" + hashes[name].hex(),
            )
    return plan


def key_of(words: Sequence[int]) -> VerifyingKey:
    """Return the verifying key of which these are the words.

    Raises
    ------
    ConfigError
        If they are of none: a point is not on its curve, or the size is out of range.

    """
    points = [(words[place], words[place + 1]) for place in range(2, 10, 2)]
    seconds = [((words[place + 1], words[place]), (words[place + 3], words[place + 2])) for place in (10, 14)]
    digest = words[1].to_bytes(32, "big")
    try:
        return VerifyingKey.of(words[0], digest, points[0], (points[1], points[2], points[3]), seconds[0], seconds[1])
    except GramercyError as error:
        raise ConfigError(f"the words of the reference string are of none: {error.message}") from error


def _compare_addresses(plan: DeploymentPlan, book: AddressBook) -> None:
    named = {
        "market": book.market,
        "verifier": book.verifier,
        "forwarder": book.forwarder,
        **{f"contract {name}": entry.address for name, entry in book.contracts.items()},
        **{f"rule {identity}": address for identity, address in book.rules.items()},
        **{f"score {identity}": address for identity, address in book.scores.items()},
    }
    expected = {
        "market": plan.market.address,
        "verifier": plan.verifier.address,
        "forwarder": plan.forwarder,
        **{f"contract {name}": address for name, address in plan.addresses.items()},
        **{f"rule {identity}": contract.address for identity, contract in plan.rules.items()},
        **{f"score {identity}": contract.address for identity, contract in plan.scores.items()},
    }
    wrong = sorted(name for name in named.keys() | expected.keys() if named.get(name) != expected.get(name))
    if wrong:
        raise WrongChain(
            f"the address book's {wrong[0]} is not what this version of gramercy deploys with its salt and "
            f"reference string: {named.get(wrong[0])}, not {expected.get(wrong[0])}",
            hint="check it with the version of gramercy that it was made with; if that is this one, do not use it",
            wrong=wrong,
        )
