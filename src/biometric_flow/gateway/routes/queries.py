"""Query parameters that an operation does not declare are refused, never ignored (security-design A10)."""

from typing import Final

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel


def refuse_unknown(request: Request) -> None:
    """Raise RequestValidationError for a parameter that the operation does not know."""
    known = _declared(request.scope["route"])
    unknown = sorted({name for name in request.query_params if name not in known})
    if unknown:
        text = f"Expected {', '.join(sorted(known))} or less" if known else "Expected no parameters"
        told = [{"type": "extra_forbidden", "loc": ("query", name), "msg": text, "input": None} for name in unknown]
        raise RequestValidationError(told)


STRICT: Final = [Depends(refuse_unknown)]
"""`APIRouter(dependencies=STRICT)`: for all its operations."""


def _declared(route: APIRoute) -> frozenset[str]:
    names: set[str] = set()
    for field in route.dependant.query_params:
        model = field.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names.update(one.alias or name for name, one in model.model_fields.items())
        else:
            names.add(field.alias)
    return frozenset(names)
