"""The mutator: what it changes of a syntax tree, and nothing else."""

from __future__ import annotations

from typing import Any

from scripts.mutation.mutants import mutants_of

TEXT = "if (a < 3) b += _msgSender();"


def _node(node_type: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"nodeType": node_type, "src": f"{TEXT.index(text)}:{len(text)}:0", **fields}


def test_each_place_is_changed_in_each_way() -> None:
    less = _node(
        "BinaryOperation",
        "a < 3",
        operator="<",
        leftExpression=_node("Identifier", "a"),
        rightExpression=_node("Literal", "3", kind="number"),
    )
    add = _node(
        "Assignment",
        "b += _msgSender()",
        operator="+=",
        leftHandSide=_node("Identifier", "b"),
        rightHandSide=_node("FunctionCall", "_msgSender()"),
    )
    body = _node("ExpressionStatement", "b += _msgSender()", expression=add)
    tree = _node("IfStatement", TEXT, condition=less, trueBody=body)
    assert {m.apply(TEXT) for m in mutants_of("f.sol", TEXT, tree)} == {
        "if (a <= 3) b += _msgSender();",
        "if (a < 4) b += _msgSender();",
        "if (true) b += _msgSender();",
        "if (false) b += _msgSender();",
        "if (a < 3) b -= _msgSender();",
        "if (a < 3) b += msg.sender;",
        "if (a < 3) {}",
    }


def test_a_mutant_keeps_its_name_while_its_place_stays() -> None:
    tree = _node("Literal", "3", kind="number")
    first, again = (mutants_of("f.sol", TEXT, tree)[0] for _ in range(2))
    assert first.name == again.name
    assert first.line == 1
