"""Files of jobs: manifest, model, report. They are derived from chain and storage, and every step is checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from market.api.files import Files
from market.api.parameters import ChainId, JobId, MarketAddress
from market.api.routes.jobs import JOB
from market.errors import NotFound

router = APIRouter(tags=["files"])
_FILE = JOB + "/files"


@contextmanager
def _files(request: Request, chain_id: int, market: str, job_id: int) -> Iterator[Files]:
    """Give a job's files to a few requests at once: their storage may take long, and everybody needs the threads."""
    request.app.state.reader.job(chain_id, market, job_id)  # NotFound before any work
    files: Files | None = request.app.state.files
    if files is None:
        raise NotFound("this server has no storage to read files from", hint="whoever runs it names one")
    with request.app.state.making_files.place():
        yield files


def _headers(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-cache"}


@router.get(
    _FILE + "/manifest",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
def manifest(request: Request, chain_id: ChainId, market: MarketAddress, job_id: JobId) -> Response:
    """The job's manifest, as its owner published it."""
    with _files(request, chain_id, market, job_id) as files:
        body = files.manifest(chain_id, market, job_id)
    return Response(body, media_type="application/json", headers=_headers(f"job-{job_id}-manifest.json"))


@router.get(
    _FILE + "/report",
    response_class=Response,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
def report(request: Request, chain_id: ChainId, market: MarketAddress, job_id: JobId) -> Response:
    """Terms, rounds, and what became of each update and why."""
    with _files(request, chain_id, market, job_id) as files:
        body = files.report(chain_id, market, job_id)
    return Response(body, media_type="application/json", headers=_headers(f"job-{job_id}-report.json"))


@router.get(
    _FILE + "/model",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
def model(request: Request, chain_id: ChainId, market: MarketAddress, job_id: JobId) -> FileResponse:
    """The model after the latest settled round, as safetensors; its aggregates are checked against the chain."""
    with _files(request, chain_id, market, job_id) as files:
        path, settled = files.model(chain_id, market, job_id)
    name = f"job-{job_id}-after-{settled}-rounds.safetensors"
    return FileResponse(path, media_type="application/octet-stream", headers=_headers(name))
