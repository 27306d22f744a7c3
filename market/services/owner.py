"""The owner: publishes a task and its first model, funds the job, downloads the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aggregator.errors import InvalidInput
from aggregator.fixedpoint import initial_scale_exponent
from aggregator.gram import check_dimension
from aggregator.history import MAX_TRAINERS_WITH_SUMS
from aggregator.rules import DEFAULT_RULE, DEFAULT_RULE_WITHOUT_REFERENCE, RULES, Rule, get_rule
from aggregator.scores import DEFAULT_SCORE, DEFAULT_SCORE_WITHOUT_REFERENCE, SCORES, Score, get_score
from market.chain.market import MarketClient
from market.domain import NATIVE_COIN, WHOLE_BPS, Address, JobCreated, JobTerms
from market.errors import ConfigError, StorageError, TransactionFailed, UnknownCid
from market.services.job import Job, Vector
from market.services.journal import Journal
from market.services.manifest import MAX_NAME, Manifest, SrsEntry, TensorEntry
from market.services.publishing import why_withheld
from market.services.reference import owner_reference
from market.services.report import Report, silent
from market.storage.base import Storage, StoredBlob, put_bytes
from market.storage.cid import Cid
from market.storage.payload import pack
from market.trainer.behaviours import make_behaviour
from market.trainer.local_round import compute_update
from market.trainer.parameters import ModelSchema, flatten, save_model
from market.trainer.task import Task, load_task, task_file_digest


@dataclass(frozen=True, slots=True)
class Split:
    """How a job weighs updates and divides its budget.

    Attributes
    ----------
    rule, score
        Ids of a rule and a score that a contract checks.
    reference
        Whether the owner commits a reference row before each round.
    floor_bps
        Part of a round's budget, in 1/10000, that is divided by the score that the owner cannot steer.
    cap_bps
        The most that a trainer gets, in 1/10000 of its stake's share of the budget; 0 for no cap.

    """

    rule: str
    score: str
    reference: bool
    floor_bps: int = 5_000
    cap_bps: int = 3 * WHOLE_BPS


def choose_split(
    rule: str | None = None,
    score: str | None = None,
    *,
    reference: bool | None = None,
    floor_bps: int = 5_000,
    cap_bps: int = 3 * WHOLE_BPS,
) -> Split:
    """Fill in what an owner leaves open.

    A job has a reference row where its rule or score needs one, and where the owner names no rule: with the row, the
    default rule holds against attacks that those without cannot tell from unusual data (docs/attacks.md).

    Raises
    ------
    InvalidInput
        If rule or score is unknown, cannot settle, or needs the reference row that is refused.

    """
    asked: list[Rule | Score] = [get_rule(rule)] if rule else []
    asked += [get_score(score)] if score else []
    for each in asked:
        if not each.settles:
            raise InvalidInput(
                f"{each.id!r} serves comparison: no contract checks it",
                hint=f"rules that settle: {', '.join(found.id for found in RULES.values() if found.settles)}; "
                f"scores: {', '.join(found.id for found in SCORES.values() if found.settles)}",
            )
    needed = any(each.needs_reference for each in asked)
    if needed and reference is False:
        raise InvalidInput("this rule or score needs the reference row", hint="drop --no-reference")
    used = needed or (reference if reference is not None else rule is None)
    return Split(
        rule=rule or (DEFAULT_RULE if used else DEFAULT_RULE_WITHOUT_REFERENCE),
        score=score or (DEFAULT_SCORE if used else DEFAULT_SCORE_WITHOUT_REFERENCE),
        reference=used,
        floor_bps=floor_bps,
        cap_bps=cap_bps,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """What an owner decides about a task that is published.

    Attributes
    ----------
    task, name
        A built-in task or an own .py file; its name for people.
    verifier
        The contract that will check settlements: its reference string is published along.
    bits, headroom_bits, scale_exponent, scale_per_tensor
        How updates are quantised; without an exponent a trial round decides on the first one.
    seed
        Of the initial model.
    srs
        The file of the verifier's reference string; None: it is in the user's cache.

    """

    task: str
    name: str
    verifier: Address
    bits: int = 16
    headroom_bits: int = 5
    scale_exponent: int | None = None
    scale_per_tensor: bool = False
    seed: int = 0
    srs: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest(TaskRequest):
    """What an owner decides about a job; amounts in wei or token units, windows in seconds of chain time.

    ``refund_void``: a void round is used up, and its budget the owner's. ``split`` says how updates are weighed and
    paid.
    """

    aggregators: Sequence[Address]
    round_budget: int
    rounds: int
    stake_min: int
    stake_max: int
    min_trainers: int
    max_trainers: int
    byzantine: int
    commit_seconds: int
    settle_seconds: int
    challenge_seconds: int
    lifetime_seconds: int
    aggregator_bond: int = 0
    challenger_share_bps: int = 5000
    split: Split = field(default_factory=choose_split)
    token: Address = NATIVE_COIN
    refund_void: bool = False


@dataclass(frozen=True, slots=True)
class PublishedTask:
    """A task in storage, and what the terms of a job that trains it have to say of it.

    Attributes
    ----------
    manifest_cid
        Of the document that names task, tensors, first model and reference string.
    dimension
        Entries of an update.
    scale_exponent
        Of the first round.

    """

    manifest_cid: str
    dimension: int
    scale_exponent: int


@dataclass(frozen=True, slots=True)
class CreatedJob:
    """A job that was just funded."""

    job_id: int
    terms: JobTerms
    manifest_cid: str


def publish_task(
    market: MarketClient, storage: Storage, request: TaskRequest, report: Report = silent
) -> PublishedTask:
    """Store first model, reference string and manifest; the same request gives the same manifest.

    Raises
    ------
    TaskError, ConfigError
        If the task cannot be used, or the verifier's reference string is not at hand.
    WrongChain, InvalidSrs, WrongShape
        If the verifier or its reference string cannot serve this task.

    """
    task = load_task(request.task)
    model = task.init_model(request.seed)
    schema, vector = ModelSchema.of(model), flatten(model)
    check_dimension(schema.dimension, request.bits)
    reference = owner_reference(market, request.verifier, request.srs, dimension=schema.dimension)
    exponent, offsets = _choose_scale(task, schema, vector, request)
    blob = put_bytes(storage, pack({"model": vector}, {}))
    report("model-stored", {"cid": str(blob.cid), "bytes": blob.size_bytes, "entries": schema.dimension})
    with reference.path.open("rb") as file:
        string = storage.put(file)
    report("srs-stored", {"cid": str(string.cid), "bytes": string.size_bytes, "powers": reference.size})
    entry = SrsEntry(
        digest=reference.key.digest.hex(), size=reference.size, cid=str(string.cid), bytes=string.size_bytes
    )
    manifest_blob = put_bytes(storage, _manifest(request, schema, offsets, blob, entry).to_bytes())
    report("manifest-stored", {"cid": str(manifest_blob.cid), "bytes": manifest_blob.size_bytes})
    return PublishedTask(str(manifest_blob.cid), schema.dimension, exponent)


def create_job(
    market: MarketClient, storage: Storage, request: JobRequest, journal: Journal, report: Report = silent
) -> CreatedJob:
    """Publish the task, then open and fund the job; a call cut off by a crash can be repeated.

    Raises
    ------
    ContractRefused
        If the market refuses the terms.
    InsufficientFunds
        If the owner cannot pay the escrow.
    GramercyError
        As for :func:`publish_task`.

    """
    if get_rule(request.split.rule).needs_history and request.max_trainers > MAX_TRAINERS_WITH_SUMS:
        raise ConfigError(
            f"a job by {request.split.rule} has at most {MAX_TRAINERS_WITH_SUMS} trainers: "
            "a settlement would not fit a transaction",
            hint=f"use --max-trainers {MAX_TRAINERS_WITH_SUMS}",
        )
    task = publish_task(market, storage, request, report)
    head = market.head()
    terms = _terms(request, task, now=head.next_timestamp)
    intent = f"create-{market.chain_id}-{market.address}-{task.manifest_cid}.json"
    created = _sent_before(market, journal, intent)
    if created is None:
        journal.write_record(intent, {"first_block": head.number + 1})
        market.create_job(terms, request.aggregators, Cid.parse(task.manifest_cid).to_bytes())
        created = _sent_before(market, journal, intent)
    if created is None:
        raise TransactionFailed("the job was created, but the chain does not show it", hint="run the command again")
    journal.remove(intent)
    report("job-created", {"job": created.job_id, "escrow_wei": created.terms.escrow})
    return CreatedJob(created.job_id, created.terms, task.manifest_cid)


def _sent_before(market: MarketClient, journal: Journal, intent: str) -> JobCreated | None:
    """Return the job that an earlier call funded, if it was cut off before it could tell."""
    record = journal.read_record(intent)
    if record is None or market.account is None:
        return None
    for event in market.events(record["first_block"], market.head().number):
        if (
            isinstance(event, JobCreated)
            and event.owner == market.account.address
            and intent.endswith(f"-{Cid.parse(event.manifest_cid)}.json")
        ):
            return event
    return None


def download_model(job: Job, path: Path) -> int:
    """Write the model after the latest settled round as safetensors; return the number of settled rounds.

    Raises
    ------
    StorageError
        If an aggregate cannot be had; the latest may have to be published only later in its challenge window.

    """
    settled = len(job.state.settled_rounds)
    schema = ModelSchema(job.manifest.entries)
    try:
        model = job.model(settled)
    except StorageError as error:
        latest = job.state.latest
        reason = None if latest is None else why_withheld(job.state.terms, latest, job.now)
        if reason is None:
            raise
        raise UnknownCid(reason, hint="ask for the model again then") from error
    save_model(path, schema, model)
    return settled


def _choose_scale(task: Task, schema: ModelSchema, vector: Vector, request: TaskRequest) -> tuple[int, list[int]]:
    """Return the first round's scale exponent and each tensor's offset.

    They follow from one update trained on the owner's validation samples, unless the request names the exponent. With
    one scale for all, offsets are 0; per tensor, each tensor's own RMS decides (0 for a tensor that does not move).
    """
    if request.scale_exponent is not None and not request.scale_per_tensor:
        return request.scale_exponent, [0] * len(schema.entries)
    samples, honest = task.load_data().validation, make_behaviour("honest")
    update = compute_update(task, schema, vector, samples, honest, seed=request.seed, round_index=0).update

    def exponent_of(part: Vector) -> int:
        return initial_scale_exponent(part, bits=request.bits, headroom_bits=request.headroom_bits)

    common = exponent_of(update) if request.scale_exponent is None else request.scale_exponent
    if not request.scale_per_tensor:
        return common, [0] * len(schema.entries)
    return common, [exponent_of(part) - common if part.any() else 0 for _, part in schema.views(update)]


def _manifest(
    request: TaskRequest, schema: ModelSchema, offsets: list[int], initial: StoredBlob, srs: SrsEntry
) -> Manifest:
    own_file = request.task.endswith(".py")
    if len(request.name) > MAX_NAME:
        raise ConfigError(f"a job's name has at most {MAX_NAME} characters")
    return Manifest(
        name=request.name,
        task=Path(request.task).name if own_file else request.task,
        task_sha256=task_file_digest(request.task) if own_file else None,
        tensors=[
            TensorEntry(name=name, shape=list(shape), scale_offset=offset)
            for (name, shape), offset in zip(schema.entries, offsets, strict=True)
        ],
        initial_model_cid=str(initial.cid),
        initial_model_bytes=initial.size_bytes,
        srs=srs,
    )


def _terms(request: JobRequest, task: PublishedTask, *, now: int) -> JobTerms:
    if request.lifetime_seconds <= 0:
        raise ConfigError("a job's lifetime must be positive")
    return JobTerms(
        token=request.token,
        verifier=request.verifier,
        round_budget=request.round_budget,
        rounds=request.rounds,
        stake_min=request.stake_min,
        stake_max=request.stake_max,
        aggregator_bond=request.aggregator_bond,
        challenger_share_bps=request.challenger_share_bps,
        min_trainers=request.min_trainers,
        max_trainers=request.max_trainers,
        byzantine=request.byzantine,
        dimension=task.dimension,
        bits=request.bits,
        headroom_bits=request.headroom_bits,
        scale_exponent=task.scale_exponent,
        commit_seconds=request.commit_seconds,
        settle_seconds=request.settle_seconds,
        challenge_seconds=request.challenge_seconds,
        deadline=now + request.lifetime_seconds,
        refund_void=request.refund_void,
        rule=request.split.rule,
        score=request.split.score,
        reference=request.split.reference,
        floor_bps=request.split.floor_bps,
        cap_bps=request.split.cap_bps,
    )
