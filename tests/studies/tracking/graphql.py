"""As much of GraphQL as W&B's client writes: read an operation, and pick what it asks for from nested dicts.

An object is a dict; a field with arguments is a function in it. A field that an object does not have is an error, as
it is to a server, so that nothing is answered that nobody has thought about.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(r'#[^\n]*|[\s,]+|("(?:\\.|[^"\\])*"|\.\.\.|[A-Za-z_]\w*|-?\d+(?:\.\d+)?|[{}()\[\]:$@!=])')
WORDS = {"true": True, "false": False, "null": None}
UNSET = object()
"""A variable without a value: who gives it as an argument gives none."""


class UnknownField(Exception):
    """Something was asked for that the objects do not have."""


@dataclass(frozen=True)
class Field:
    """What is asked of an object: a field of it, under a name, and what of that; or, for a type, more fields."""

    name: str
    key: str
    arguments: dict[str, Any]
    fields: list[Field]
    fragment: str = ""
    only: str = ""


class Operation:
    """One operation, read with its variables in place. Raises UnknownField if it is no GraphQL that is known here."""

    def __init__(self, text: str, variables: dict[str, Any]):
        self._tokens = [found[1] for found in TOKEN.finditer(text) if found[1]][::-1]
        self._variables = dict(variables)
        self.fragments: dict[str, list[Field]] = {}
        self.kind, self.name = self._next(), ""
        if self.kind not in {"query", "mutation"}:
            raise UnknownField(f"an operation that begins with {self.kind!r}")
        if self._peek() not in {"(", "{"}:
            self.name = self._next()
        if self._peek() == "(":
            self._defaults()
        self.fields = self._fields()
        while self._tokens:
            self._expect("fragment")
            name = self._next()
            self._expect("on")
            self._next()
            self.fragments[name] = self._fields()

    def _peek(self) -> str:
        return self._tokens[-1]

    def _next(self) -> str:
        return self._tokens.pop()

    def _expect(self, token: str) -> None:
        if (found := self._next()) != token:
            raise UnknownField(f"{found!r} where {token!r} should be")

    def _defaults(self) -> None:
        self._expect("(")
        while self._peek() != ")":
            self._expect("$")
            name = self._next()
            self._expect(":")
            while self._peek() in {"[", "]", "!"} or self._peek().isidentifier():
                self._next()
            if self._peek() == "=":
                self._next()
                default = self._value()
                self._variables.setdefault(name, default)
        self._next()

    def _value(self) -> Any:
        match self._next():
            case "$":
                return self._variables.get(self._next(), UNSET)
            case "[":
                items = []
                while self._peek() != "]":
                    items.append(self._value())
                self._next()
                return items
            case "{":
                return self._pairs("}")
            case token if token.isidentifier():
                return WORDS.get(token, token)
            case token:
                return json.loads(token)

    def _pairs(self, end: str) -> dict[str, Any]:
        pairs = {}
        while self._peek() != end:
            name = self._next()
            self._expect(":")
            pairs[name] = self._value()
        self._next()
        return {name: value for name, value in pairs.items() if value is not UNSET}

    def _fields(self) -> list[Field]:
        self._expect("{")
        fields = []
        while self._peek() != "}":
            field, wanted = self._field()
            fields += [field] * wanted
        self._next()
        return fields

    def _field(self) -> tuple[Field, bool]:
        """Read one field, or fragment; return also whether its `@include` lets it be."""
        key = name = self._next()
        fragment = only = ""
        arguments: dict[str, Any] = {}
        if name == "...":
            if (fragment := self._next()) == "on":
                fragment, only = "", self._next()
        elif self._peek() == ":":
            self._next()
            name = self._next()
        if self._peek() == "(":
            self._next()
            arguments = self._pairs(")")
        wanted = True
        while self._peek() == "@":
            self._next()
            keep = self._next() == "include"
            self._expect("(")
            wanted &= self._pairs(")")["if"] == keep
        return Field(name, key, arguments, self._fields() if self._peek() == "{" else [], fragment, only), wanted

    def answer(self, value: Any, fields: list[Field] | None = None) -> Any:
        """Return what the operation asks for from an object, or from each of a list."""
        fields = self.fields if fields is None else fields
        if isinstance(value, list):
            return [self.answer(item, fields) for item in value]
        if value is None or not fields:
            return value
        found: dict[str, Any] = {}
        for field in fields:
            if field.fragment:
                found |= self.answer(value, self.fragments[field.fragment])
            elif field.only:
                found |= self.answer(value, field.fields) if value["__typename"] == field.only else {}
            elif field.name not in value:
                raise UnknownField(f"{value.get('__typename', 'an object')} has no field {field.name!r}")
            else:
                part = value[field.name]
                found[field.key] = self.answer(part(**field.arguments) if callable(part) else part, field.fields)
        return found
