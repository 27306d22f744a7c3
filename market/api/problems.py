"""Errors as problem details (RFC 9457): a type to branch on, a title, what happened, and the next step."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from aggregator.errors import GramercyError, InvalidInput, InvalidSrs
from market.api.errors import ApiError
from market.errors import ChainError, ContractRefused, NotFound, PayloadError, StorageError, TaskError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/problems/"
_LOG = logging.getLogger("gramercy.api")


class FieldError(BaseModel):
    """One parameter or field that is not what it must be."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(description="Where, such as query/limit or body/name")
    detail: str


class Problem(BaseModel):
    """Why a request was refused or failed; see RFC 9457."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="URI reference that names the kind of problem", examples=["/problems/not-found"])
    title: str = Field(description="The kind of problem, in words")
    status: int
    detail: str = Field(description="What happened this time")
    hint: str | None = Field(default=None, description="What to do about it")
    errors: tuple[FieldError, ...] = Field(default=(), description="Which parameters, if it is them")
    request_id: str | None = Field(default=None, description="To look it up in the server's log")


_ANSWER = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no such thing", **_ANSWER},
    422: {"description": "A parameter is not what it must be", **_ANSWER},
    "default": {"description": "Refused or failed", **_ANSWER},
}
"""Responses of every path."""


def problem(
    request: Request,
    status: int,
    *,
    code: str,
    detail: str,
    title: str | None = None,
    hint: str | None = None,
    errors: tuple[FieldError, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """Return the answer that tells a problem."""
    told = Problem(
        type=TYPE_PREFIX + code,
        title=title or code.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        hint=hint,
        errors=errors,
        request_id=request.scope.get("gramercy.request_id"),
    )
    headers = {"Cache-Control": "no-store", **(headers or {})}
    body = told.model_dump_json(exclude_none=True, exclude_defaults=True)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


_STATUSES: tuple[tuple[tuple[type[GramercyError], ...], HTTPStatus], ...] = (
    ((NotFound,), HTTPStatus.NOT_FOUND),
    ((PayloadError, InvalidSrs, TaskError), HTTPStatus.BAD_GATEWAY),
    ((InvalidInput,), HTTPStatus.UNPROCESSABLE_ENTITY),
    ((ContractRefused,), HTTPStatus.CONFLICT),
    ((ChainError, StorageError), HTTPStatus.SERVICE_UNAVAILABLE),
)
"""By kind, the first that fits: what others published is no fault of the request."""


def status_of(error: GramercyError) -> int:
    """Return the HTTP status of an error of the layers below."""
    if isinstance(error, ApiError):
        return error.status
    return next((status for kinds, status in _STATUSES if isinstance(error, kinds)), HTTPStatus.INTERNAL_SERVER_ERROR)


async def _told(request: Request, error: Exception) -> Response:
    if not isinstance(error, GramercyError):
        raise error
    headers = error.headers if isinstance(error, ApiError) else None
    return problem(request, status_of(error), code=error.code, detail=error.message, hint=error.hint, headers=headers)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = tuple(
        FieldError(pointer="/".join(str(part) for part in one["loc"]), detail=one["msg"]) for one in error.errors()
    )
    detail = "; ".join(f"{one.pointer}: {one.detail}" for one in found[:3])
    return problem(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        code="invalid-input",
        title="Invalid input",
        detail=detail,
        errors=found,
    )


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "-")
    detail = f"there is nothing at {request.url.path}" if error.status_code == HTTPStatus.NOT_FOUND else error.detail
    return problem(
        request, error.status_code, code=code, title=phrase, detail=detail, headers=dict(error.headers or {})
    )


def unexpected(request: Request, error: Exception) -> Response:
    """Return the answer to a defect: it is logged, and shows nothing of the inside."""
    number = request.scope.get("gramercy.request_id")
    _LOG.error("request %s failed", number, exc_info=error)
    return problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal",
        title="Internal error",
        detail="the server is at fault; its log tells more",
        hint=f"name the request {number} to whoever runs this server",
    )


def add_problems(app: FastAPI) -> None:
    """Let an application tell every error as a problem."""
    app.add_exception_handler(GramercyError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
