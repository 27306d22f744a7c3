"""The Gram argument and the opening of chunks: transcript, statements, provers, verifiers."""

from aggregator.proofs.opening import OpeningStatement, open_chunk, verify_opening
from aggregator.proofs.prover import prove
from aggregator.proofs.statement import GramStatement, Statement
from aggregator.proofs.verifier import verify, verify_gram

__all__ = [
    "GramStatement",
    "OpeningStatement",
    "Statement",
    "open_chunk",
    "prove",
    "verify",
    "verify_gram",
    "verify_opening",
]
