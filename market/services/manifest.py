"""The manifest: what a job trains. A JSON document in storage whose CID is part of the job."""

from __future__ import annotations

import json
import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aggregator.bn254.curve import POINT_BYTES
from aggregator.fixedpoint import MAX_SCALE_EXPONENT, Quantiser
from aggregator.srs import MAX_SIZE, MIN_SIZE
from market.errors import PayloadError

MAX_MANIFEST_BYTES = 1 << 20
MAX_NAME = 200
SRS_OVERHEAD_BYTES = 1 << 21
"""What the file of a reference string may exceed its points by: header, records of contributions, padding."""


class TensorEntry(BaseModel):
    """One tensor of the model; ``scale_offset`` is added to the round's scale exponent for its entries."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1, max_length=256)]
    shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=8)]
    scale_offset: Annotated[int, Field(ge=-MAX_SCALE_EXPONENT, le=MAX_SCALE_EXPONENT)] = 0

    @property
    def length(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)


class SrsEntry(BaseModel):
    """The reference string of the job's commitments: its digest, number of powers, and where its file is stored.

    The digest is the verifier's (``srsDigest``), which decides; the entry only says where the bytes can be had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=MIN_SIZE, le=MAX_SIZE)]
    cid: Annotated[str, Field(min_length=1, max_length=128)]
    bytes: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _file_is_no_longer_than_its_points(self) -> Self:
        """Nobody fetches more than the points take, whatever an owner writes."""
        if self.bytes > self.size * POINT_BYTES + SRS_OVERHEAD_BYTES:
            raise ValueError(f"a file of {self.size} powers has less than {self.bytes} bytes")
        return self


class Manifest(BaseModel):
    """What trainers and aggregators need beyond the job's terms.

    Attributes
    ----------
    format
        Version of this document.
    name, description
        For people.
    task
        Name of a built-in task, or the file name of an own one.
    task_sha256
        Digest of the own task's file: every trainer runs the same code, from a local copy it chose to trust.
    tensors
        The model's tensors in the order of the flat vector.
    quantiser
        Version of the quantiser.
    cid_profile
        How CIDs of this job are computed (IPIP-499).
    initial_model_cid, initial_model_bytes
        The model before round 1: a payload with one float32 tensor ``model`` of shape (d,).
    srs
        The reference string that trainers commit with.

    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["gramercy/manifest/1"] = "gramercy/manifest/1"
    name: Annotated[str, Field(max_length=MAX_NAME)]
    description: Annotated[str, Field(max_length=10_000)] = ""
    task: Annotated[str, Field(min_length=1, max_length=256)]
    task_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    tensors: Annotated[list[TensorEntry], Field(min_length=1, max_length=100_000)]
    quantiser: Literal[1] = 1
    cid_profile: Literal["unixfs-v1-2025"] = "unixfs-v1-2025"
    initial_model_cid: Annotated[str, Field(max_length=128)]
    initial_model_bytes: Annotated[int, Field(ge=1)]
    srs: SrsEntry

    @model_validator(mode="after")
    def _own_task_is_pinned(self) -> Self:
        """An own task is a bare file name with a digest; a name without one can only be a built-in task."""
        if self.task.endswith(".py") != (self.task_sha256 is not None):
            raise ValueError("task_sha256 must be given for an own task's file, and only for one")
        if "/" in self.task or "\\" in self.task:
            raise ValueError("task must be a name, not a path")
        return self

    @property
    def entries(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Name and shape of each tensor, in order: the model's schema."""
        return tuple((tensor.name, tuple(tensor.shape)) for tensor in self.tensors)

    @property
    def dimension(self) -> int:
        """``d``."""
        return sum(tensor.length for tensor in self.tensors)

    def quantiser_for(self, *, bits: int, scale_exponent: int) -> Quantiser:
        """Return the quantiser of a round."""
        return Quantiser(
            bits=bits,
            scale_exponent=scale_exponent,
            lengths=tuple(tensor.length for tensor in self.tensors),
            offsets=tuple(tensor.scale_offset for tensor in self.tensors),
        )

    def to_bytes(self) -> bytes:
        """Return the canonical JSON: sorted keys, no white space, UTF-8."""
        return json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest from storage.

        Raises
        ------
        PayloadError
            If it is not a manifest of this version.

        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "document"
            raise PayloadError(
                f"the job's manifest is malformed: {where}: {first['msg']}", hint="ask the job's owner"
            ) from None
