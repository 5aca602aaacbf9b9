"""What every definition is made of: a spec like those of a run, whose mistakes are a `StudyError` of one line."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, TypeVar, cast, dataclass_transform

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError

from lightning_bam.config import ConfigError
from lightning_bam.config.spec import first_problem, spec
from studies.definition.limits import LONGEST
from studies.errors import StudyError

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def definition(cls: type[T]) -> type[T]:
    """Make `cls` a spec whose constructor raises a `StudyError` that begins with the definition's name."""
    return _one_line(spec(cls))


@dataclass_transform(frozen_default=True)
def choice(cls: type[T]) -> type[T]:
    """Make `cls` a definition whose fields may be given by position."""
    return _one_line(spec(cls))


def _one_line(cls: type[T]) -> type[T]:
    construct, names = cast(Callable[..., None], cls.__init__), list(cls.__annotations__)

    @wraps(construct)
    def init(self: T, *values: Any, **fields: Any) -> None:
        try:
            construct(self, *values[len(names) :], **dict(zip(names, values, strict=False)), **fields)
        except ValidationError as error:
            reason = error.errors(include_url=False)[0].get("ctx", {}).get("error")
            if isinstance(reason, StudyError | ConfigError):  # from a `__post_init__`
                raise reason from None
            problem = first_problem(error)
            name = cls.__name__.lower() if problem.startswith("name=") else fields.get("name", cls.__name__.lower())
            raise StudyError(f"{name}: {problem}") from None

    cls.__init__ = init  # type: ignore[method-assign, assignment]
    return cls


def expected(text: str) -> WrapValidator:
    """Say what would be right where a value is of another type or out of range."""

    def check(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise PydanticCustomError("expected", "{text}", {"text": text}) from None

    return WrapValidator(check)


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """Refuse values of which one is there twice."""
    if len(set(values)) < len(values):
        raise ValueError("each once")
    return values


Whole = Annotated[int, Field(strict=True)]
Number = Annotated[Whole | Annotated[float, Field(strict=True, allow_inf_nan=False)], expected("give a finite number")]
Names = Annotated[tuple[str, ...], expected("give a tuple of names, as ('attention',)")]
Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][\w-]*$", max_length=LONGEST),
    expected(f"use letters, digits, '-' and '_', at most {LONGEST}"),
]
SpaceName = Annotated[
    str,
    Field(pattern=rf"^[A-Za-z0-9][\w-]{{0,{LONGEST - 1}}}(\+.*)?$"),
    expected(f"use letters, digits, '-' and '_', at most {LONGEST}"),
]
"""Behind a "+" stand the preset and the settings."""
