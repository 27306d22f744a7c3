"""Running sums as vectors: kept by an aggregator, and made again from past payloads where it does not have them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from aggregator.bn254 import compress, decompress
from aggregator.carried import Carried
from aggregator.commitments import Blinding, commit, linear_combination
from aggregator.history import RunningSum, Step, SumVector, advance_blinding, advance_vector, decode_sums, step
from market.domain import RoundOpened, UpdateCommitted
from market.errors import PayloadError
from market.rounds import RoundState
from market.services.job import Job
from market.services.updates import OpenedUpdate

Row = tuple[SumVector, Blinding]
"""A running sum and its blinding; the vector is a memory map of a file without a name."""
Opener = Callable[[RoundState, UpdateCommitted], OpenedUpdate]
"""Opens the payload of a commitment of a round."""
_Part = tuple[RoundState, UpdateCommitted, Step]


@dataclass
class SumKeeper:
    """The running sums of one job's trainers, as far as they are needed.

    A sum is found by its commitment, so that neither a void round nor a reorganised chain finds a wrong one. One that
    is not here, after a restart or because another aggregator settled, is added up again from the payloads of the
    rounds that it consists of, and compared with its commitment on chain.

    Parameters
    ----------
    job
        The job.
    opener
        How past payloads are opened.

    """

    job: Job
    opener: Opener
    _rows: dict[bytes, Row] = field(default_factory=dict)
    _round: RoundOpened | None = None

    def row(self, target: RoundState, carried: Carried, update: OpenedUpdate) -> Row:
        """Return a trainer's running sum, its update of the round ``target`` added.

        Parameters
        ----------
        target
            The round that is to be settled.
        carried
            What the job carries into it.
        update
            The trainer's update of this round.

        Raises
        ------
        StorageError
            If a payload that is part of the sum cannot be had.
        InvalidInput
            If one cannot be opened, or they do not add up to what the chain has on record.

        """
        sums = decode_sums(carried.history)
        self._turn_to(target, sums)
        own = update.commit
        before = _find(sums, own)
        change = step(before, target.opened.scale_exponent)
        old = before.commitment if before is not None and change.old else None
        key = compress(linear_combination([old, decompress(own.commitment)], [change.old, change.new]))
        if key not in self._rows:
            past = self._past(before, own, target.number) if before is not None and change.old else None
            self._rows[key] = self._advanced(change, past, update)
        return self._rows[key]

    def _turn_to(self, target: RoundState, sums: Sequence[RunningSum]) -> None:
        """Forget, when another round comes, what is not carried into it."""
        if self._round == target.opened:
            return
        carried = {compress(entry.commitment) for entry in sums}
        self._rows = {key: row for key, row in self._rows.items() if key in carried}
        self._round = target.opened

    def _past(self, entry: RunningSum, own: UpdateCommitted, number: int) -> Row:
        """Return the sum that the job carried into round ``number``, as far as needed from its parts."""
        key = compress(entry.commitment)
        if key in self._rows:
            return self._rows[key]
        row: Row | None = None
        for state, part, change in self._parts(own, number):
            row = self._advanced(change, row, self.opener(state, part))
        if row is None or commit(self.job.srs, *row) != entry.commitment:
            raise PayloadError(f"past updates of {own.trainer} do not add up to its running sum on chain")
        self._rows[key] = row
        return row

    def _parts(self, own: UpdateCommitted, number: int) -> list[_Part]:
        """Return the rounds that a trainer's sum consists of, the first one first, back to where it last began."""
        parts: list[_Part] = []
        for state in reversed(self.job.state.settled_rounds):
            part = next((one for one in state.included if one.trainer == own.trainer), None)
            if state.number >= number or part is None or state.settled is None:
                continue
            before = Carried.decode(state.settled.settlement.witness.carried)
            change = step(_find(decode_sums(before.history), own), state.opened.scale_exponent)
            parts.append((state, part, change))
            if not change.old:
                break
        return parts[::-1]

    def _advanced(self, change: Step, past: Row | None, update: OpenedUpdate) -> Row:
        vector, blinding = past or (None, None)
        self.job.workdir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix=".sum-", dir=self.job.workdir) as file:
            room: SumVector = np.memmap(file, dtype=np.int64, mode="w+", shape=update.entries.shape)
        return (
            advance_vector(change, vector, update.entries, out=room),
            advance_blinding(change, blinding, update.blinding),
        )


def _find(sums: Sequence[RunningSum], own: UpdateCommitted) -> RunningSum | None:
    address = bytes.fromhex(own.trainer[2:])
    return next((entry for entry in sums if entry.trainer == address), None)
