"""Files of jobs: manifest, model, report. They are derived from chain and storage, and every step is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse

from market.api.files import Files
from market.api.making import Making
from market.api.parameters import ChainId, JobId, MarketAddress
from market.api.routes.jobs import JOB
from market.domain import Address
from market.errors import NotFound
from market.indexer.queries import Reader

router = APIRouter(tags=["files"])
_FILE = JOB + "/files"
_MANIFEST_SECONDS = 3_600.0
_Job = tuple[int, Address, int]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Of which job files are asked for, and whose it is."""

    files: Files
    job: _Job
    owner: Address
    manifest_cid: str


def _asked(request: Request, chain_id: ChainId, market: MarketAddress, job_id: JobId) -> _Asked:
    """Find a job before any work is done for it."""
    reader: Reader = request.app.state.reader
    found = reader.job(chain_id, market, job_id)
    files: Files | None = request.app.state.files
    if files is None:
        raise NotFound("this server has no storage to read files from", hint="whoever runs it names one")
    return _Asked(files, (chain_id, market, job_id), found.summary.owner, found.manifest_cid)


Asked = Annotated[_Asked, Depends(_asked)]


def _making(request: Request) -> Making:
    """Return what makes this server's files."""
    return cast(Making, request.app.state.making)


def _headers(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-cache"}


@router.get(
    _FILE + "/manifest",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def manifest(request: Request, asked: Asked) -> Response:
    """The job's manifest, as its owner published it."""
    body = await _making(request).get(
        ("manifest", asked.job, asked.manifest_cid),
        asked.owner,
        lambda: asked.files.manifest(*asked.job),
        keep_seconds=_MANIFEST_SECONDS,
    )
    return Response(body, media_type="application/json", headers=_headers(f"job-{asked.job[2]}-manifest.json"))


@router.get(
    _FILE + "/report",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def report(request: Request, asked: Asked) -> Response:
    """Terms, rounds, and what became of each update and why."""
    body = await _making(request).get(("report", asked.job), asked.owner, lambda: asked.files.report(*asked.job))
    return Response(body, media_type="application/json", headers=_headers(f"job-{asked.job[2]}-report.json"))


@router.get(
    _FILE + "/model",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def model(request: Request, asked: Asked) -> FileResponse:
    """The model after the latest settled round, as safetensors; its aggregates are checked against the chain."""
    path, settled = await _making(request).get(("model", asked.job), asked.owner, lambda: asked.files.model(*asked.job))
    name = f"job-{asked.job[2]}-after-{settled}-rounds.safetensors"
    return FileResponse(path, media_type="application/octet-stream", headers=_headers(name))
