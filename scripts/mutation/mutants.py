"""From a source file's syntax tree to its mutants: each changes one operator, condition, constant, call or modifier."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SWAPS = {
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "&&": "||",
    "||": "&&",
    "+": "-",
    "-": "+",
    "*": "/",
    "/": "*",
    "%": "*",
    "&": "|",
    "|": "&",
    "<<": ">>",
    ">>": "<<",
    "+=": "-=",
    "-=": "+=",
    "|=": "&=",
    "&=": "|=",
    "++": "--",
    "--": "++",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one place: the bytes from ``start`` to ``end`` of ``file`` become ``new``.

    ``kind`` is what was changed: operator, condition, constant, statement, modifier or sender.
    """

    file: str
    kind: str
    start: int
    end: int
    old: str
    new: str
    line: int

    @property
    def name(self) -> str:
        """A short name that stays while the file and the place do."""
        text = f"{self.file}:{self.start}:{self.end}:{self.new}"
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def apply(self, text: str) -> str:
        """Return the file's text with the change."""
        data = text.encode()
        return (data[: self.start] + self.new.encode() + data[self.end :]).decode()


def mutants_of(file: str, text: str, tree: dict[str, Any]) -> list[Mutant]:
    """Return all mutants of a file, by place."""
    data = text.encode()
    found = {}
    for kind, start, end, new in _changes(tree, data):
        old = data[start:end].decode()
        if old != new:
            mutant = Mutant(file, kind, start, end, old, new, data[:start].count(b"\n") + 1)
            found[(start, end, new)] = mutant
    return sorted(found.values(), key=lambda m: (m.start, m.end, m.new))


_Change = tuple[str, int, int, str]


def _changes(node: Any, data: bytes, loop: bool = False) -> Iterator[_Change]:
    """Walk the tree; ``loop`` says that the node is the header of a loop, whose steps are left as they are."""
    if isinstance(node, list):
        for item in node:
            yield from _changes(item, data, loop)
        return
    if not isinstance(node, dict):
        return
    if "nodeType" in node and "src" in node:
        yield from _of_node(node, data, loop)
    for key, value in node.items():
        if key in {"typeName", "documentation", "parameters", "returnParameters", "overrides", "baseContracts"}:
            continue
        if node.get("nodeType") in {"InlineAssembly", "EventDefinition", "ErrorDefinition", "ImportDirective"}:
            continue
        yield from _changes(value, data, loop or key in {"loopExpression", "initializationExpression"})


def _of_node(node: dict[str, Any], data: bytes, loop: bool) -> Iterator[_Change]:
    start, end = _place(node)
    match node["nodeType"]:
        case "BinaryOperation":
            yield from _operator(node["operator"], _place(node["leftExpression"])[1], data)
        case "Assignment" if node["operator"] != "=":
            yield from _operator(node["operator"], _place(node["leftHandSide"])[1], data)
        case "UnaryOperation" if node["operator"] in {"!", "~"}:
            yield "operator", start, start + 1, ""
        case "UnaryOperation" if node["operator"] in {"++", "--"} and not loop:
            where = start if node["prefix"] else end - 2
            yield "operator", where, where + 2, SWAPS[node["operator"]]
        case "Literal" if node["kind"] in {"number", "bool"} and not loop:
            yield "constant", start, end, _other_constant(data[start:end].decode())
        case "IfStatement" | "Conditional":
            condition = _place(node["condition"])
            yield "condition", *condition, "true"
            yield "condition", *condition, "false"
        case "ExpressionStatement" | "EmitStatement" if not loop:
            yield "statement", start, _after_semicolon(end, data), "{}"
        case "ModifierInvocation":
            yield "modifier", start, end, ""
        case "FunctionCall" if data[start:end] == b"_msgSender()":
            yield "sender", start, end, "msg.sender"


def _operator(operator: str, after: int, data: bytes) -> Iterator[_Change]:
    if operator in SWAPS:
        where = data.index(operator.encode(), after)
        yield "operator", where, where + len(operator), SWAPS[operator]


def _other_constant(text: str) -> str:
    if text in {"true", "false"}:
        return "false" if text == "true" else "true"
    number = re.match(r"0x[0-9a-fA-F]+|[\d_]+", text)
    if number is None:
        return text
    return str(int(number[0].replace("_", ""), 0) + 1) + text[number.end() :]


def _after_semicolon(end: int, data: bytes) -> int:
    return end + 1 if data[end : end + 1] == b";" else end


def _place(node: dict[str, Any]) -> tuple[int, int]:
    start, length, _ = (int(part) for part in node["src"].split(":"))
    return start, start + length
