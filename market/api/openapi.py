"""The API's description (OpenAPI 3.1), from which the pages' types are made.

``python -m market.api.openapi FILE`` writes it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from sqlalchemy import Engine

from market.api.problems import Problem
from market.api.settings import Settings
from market.indexer.queries import Reader


def operation_id(route: APIRoute) -> str:
    """Name an operation by its subject and function."""
    subject = route.tags[0] if route.tags else "server"
    return f"{subject}_{route.name.rstrip('_')}"


def complete(app: FastAPI) -> None:
    """Let an application describe its errors, too."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            schemas = Problem.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
            found = document.setdefault("components", {}).setdefault("schemas", {})
            found |= {**schemas.pop("$defs", {}), "Problem": schemas}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def document() -> str:
    """Return the description as it is committed: JSON, sorted and indented."""
    from market.api.app import Parts, create_app

    # The description follows from the paths alone: nothing is read.
    app = create_app(Settings(), Parts(cast(Reader, None), cast(Engine, None)))
    return json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> None:
    """Write the description."""
    Path(arguments[0]).write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
