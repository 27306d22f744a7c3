"""Errors of the shell. Exit codes: 2 usage, 3 input, 4 chain, 5 contract refusal, 6 storage, 7 keys, 8 funds."""

from __future__ import annotations

from aggregator.errors import GramercyError, InvalidInput


class ConfigError(InvalidInput):
    """A setting is missing, malformed or contradicts another."""

    code = "config"


class UsageError(GramercyError):
    """A command was called with arguments or options that it does not have."""

    code = "usage"
    exit_code = 2


class InternalError(GramercyError):
    """Gramercy itself is at fault."""

    code = "internal"


class NotFound(InvalidInput):
    """What was asked for is not there: no such market, job, round, account or entry."""

    code = "not-found"


class RoleFailed(GramercyError):
    """A role's process ended with an error, or did not end."""

    code = "role-failed"


class PayloadError(InvalidInput):
    """A stored blob is not the payload it should be (header, dtype, shape, size)."""

    code = "payload"


class NotForUs(PayloadError):
    """A sealed payload is encrypted to other keys than the ones at hand."""

    code = "not-for-us"


class NoRecipient(PayloadError):
    """Nobody has published a key to encrypt an update to."""

    code = "no-recipient"


class TaskError(InvalidInput):
    """A training task cannot be loaded, or breaks the Task protocol."""

    code = "task"


class DatasetUnavailable(InvalidInput):
    """A data set is not on this machine, or its bytes are not the expected ones."""

    code = "dataset-unavailable"


class ChainError(GramercyError):
    """The chain cannot be used."""

    code = "chain"
    exit_code = 4


class ChainUnreachable(ChainError):
    """No JSON-RPC answer from the chain."""

    code = "chain-unreachable"


class NodeRefused(ChainError):
    """The chain's node answers a request with an error of its own: a limit, a block it does not have."""

    code = "node-refused"


class WrongChain(ChainError):
    """The chain, its id or the code at an address is not the expected one."""

    code = "wrong-chain"


class ForbiddenTransition(ChainError):
    """Chain events contradict the market's state machine: incomplete, out of order, or of another contract."""

    code = "forbidden-transition"


class TransactionFailed(ChainError):
    """A transaction was sent and did not succeed, or did not get mined in time."""

    code = "transaction-failed"


class ContractRefused(GramercyError):
    """The contract reverted; ``details`` holds the custom error's name and arguments."""

    code = "contract-refused"
    exit_code = 5


class AuditFailed(GramercyError):
    """Something that a job's settlements claim does not hold; ``details`` names what."""

    code = "audit-failed"
    exit_code = 5


class StorageError(GramercyError):
    """Content-addressed storage failed."""

    code = "storage"
    exit_code = 6


class InvalidCid(StorageError):
    """A string or byte string is not a CIDv1 (sha2-256; raw or dag-pb)."""

    code = "invalid-cid"


class UnknownCid(StorageError):
    """No node or store holds the content of this CID."""

    code = "unknown-cid"


class IntegrityError(StorageError):
    """Bytes read do not hash to their CID, or end early."""

    code = "integrity"


class SizeExceeded(StorageError):
    """Content is longer than the declared or allowed number of bytes."""

    code = "size-exceeded"


class StorageUnavailable(StorageError):
    """A storage node does not answer, or answers with an error."""

    code = "storage-unavailable"


class KeystoreError(GramercyError):
    """A key file is missing, unreadable or locked."""

    code = "keystore"
    exit_code = 7


class WrongPassword(KeystoreError):
    """The password does not open the key file."""

    code = "wrong-password"


class InsufficientFunds(GramercyError):
    """An account cannot pay for a transaction."""

    code = "insufficient-funds"
    exit_code = 8
