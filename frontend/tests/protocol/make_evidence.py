"""Write evidence.json, impossible.json and turns.json, for the tests of the verification in the browser.

The first has settlements as a market logs them, proven. The others have cases as in tests/vectors/settlement.json:
impossible.json of matrices that no rows have, though they pass every check on products, where a negative square or a
bound comes in; turns.json of jobs in which a trainer turns after some rounds, and others copy, where memories decide.
``--check`` compares the committed files with what the Python core makes. ``--rows N PATH`` writes one settlement of N
updates with every extra row, too large to commit: what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import isqrt
from operator import mul
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from eth_abi.abi import encode  # noqa: E402
from eth_utils.crypto import keccak  # noqa: E402

from aggregator.carried import EMPTY, Carried  # noqa: E402
from aggregator.products import MAX_EXTRA_SQUARE, Layout, Products  # noqa: E402
from aggregator.rules import RULES  # noqa: E402
from aggregator.scores import SCORES  # noqa: E402
from aggregator.settlement import RoundRules  # noqa: E402
from scripts import compile_contracts  # noqa: E402
from scripts.settlement_vectors import Stream, _Question  # noqa: E402
from tests.contracts.wire import type_of, values_of  # noqa: E402
from tests.unit.proofs.scene import SCALE_EXPONENT, Scene, scene  # noqa: E402

FOLDER = Path(__file__).resolve().parent
VERIFIER = "0x" + "33" * 20
CID = bytes.fromhex("01551220") + bytes(range(32))
Evidence = dict[str, Any]


def evidence_cases() -> Iterator[Evidence]:
    """Yield the cases of ``evidence.json``."""
    yield evidence("multi-krum and shapley", scene(4, 5, srs_size=80))
    yield evidence("a job's first round", scene(4, 6, srs_size=80), number=1)
    yield evidence("every extra row, memories, a floor and a cap", _with_all(3, 5))
    yield evidence("the default rule and score", _remembering("marginal-value", "shapley-reference"))
    yield evidence("the reference row left out", _remembering("marginal-value", "leave-one-out", left_out=True))
    for rule in ("mean", "nnm+multi-krum", "centred-clipping", "geometric-median", "fltrust"):
        yield evidence(rule, scene(4, 7, srs_size=80, rule=rule, score="cosine", reference=True))
    yield evidence("zero updates, an infinite aggregate", scene(3, 5, srs_size=80, zero=True, rule="foolsgold"))
    yield evidence("ten updates", _remembering("marginal-value", "shapley-reference", n=10, d=60))


def evidence(name: str, base: Scene, *, number: int = 3) -> Evidence:
    """Return what an index would serve of a scene's settlement, with the scene's name."""
    place = replace(base.statement.round_id, number=number)
    base = replace(base, statement=replace(base.statement, round_id=place))
    settled, gram = base.settled(), base.statement
    types, topic = _event()
    extra = 255 if gram.reference else 0
    included = ((1 << gram.updates) - 1) | (1 << extra if extra else 0)
    values = [
        values_of("verify", settled),
        (included, bytes(range(32)), CID, 4096),
        base.prove(),
        sum(settled.payouts),
        1_900_000_000,
    ]
    rules, market = gram.rules, "0x" + place.market.hex()
    topics = [topic, place.job_id.to_bytes(32, "big"), number.to_bytes(32, "big"), bytes(12) + gram.aggregator]
    return {
        "name": name,
        "chain_id": place.chain_id,
        "market": market,
        "job_id": place.job_id,
        "round": number,
        "log": {
            "address": market,
            "topics": ["0x" + word.hex() for word in topics],
            "data": "0x" + encode(types, values).hex(),
            "block": 12,
            "block_hash": "0x" + "44" * 32,
            "tx": "0x" + "55" * 32,
            "log_index": 0,
        },
        "terms": {
            "verifier": VERIFIER,
            "round_budget": str(rules.budget),
            "byzantine": rules.byzantine,
            "dimension": rules.dimension,
            "bits": rules.bits,
            "headroom_bits": rules.headroom_bits,
            "scale_exponent": SCALE_EXPONENT,
            "rule": rules.rule,
            "score": rules.score,
            "reference": rules.reference,
            "floor_bps": rules.floor_bps,
            "cap_bps": rules.cap_bps,
        },
        "verifier": VERIFIER,
        "verifying_key": "0x" + b"".join(word.to_bytes(32, "big") for word in base.srs.key.words()).hex(),
        "carried_before": "0x" + settled.witness.carried.hex(),
    }


def impossible_cases(n: int = 4, d: int = 1000, bits: int = 16) -> Iterator[dict[str, Any]]:
    """Yield the cases of ``impossible.json``: every rule with every score that settles, a first round and the next."""
    rules, scores = (sorted(kind for kind in known if known[kind].settles) for known in (RULES, SCORES))
    for place, (rule, score) in enumerate(product(rules, scores)):
        memory = EMPTY
        for number in (1, 2):
            name = f"{rule} and {score}, round {number}"
            layout = Layout(n, reference=True, previous=place % 3 > 0, history=RULES[rule].needs_history)
            terms = RoundRules(rule, score, 1, d, bits, 3, 10**18, reference=True, floor_bps=3_000)
            products = _impossible(Stream(name), layout, d << (2 * bits - 2))
            question = _Question(terms, products, [5, 1, 3, 2], 0, [7, 8, 9, 10], memory)
            memory = question.outcome.memory
            yield question.case(name)


def _impossible(stream: Stream, layout: Layout, bound: int) -> Products:
    """Return products near the bounds that are checked, and beyond what Cauchy and Schwarz allow between updates."""
    n, total = layout.updates, layout.total
    matrix = [[0] * total for _ in range(total)]
    for i in range(total):
        limit = bound if i < n else MAX_EXTRA_SQUARE
        matrix[i][i] = (0, limit, stream.below(limit), stream.below(limit) >> 40)[stream.below(4)]
        for j in range(i):
            squares = matrix[i][i], matrix[j][j]
            most = sum(squares) // 2 if i < n else isqrt(squares[0] * squares[1])
            matrix[i][j] = matrix[j][i] = (most, -most, stream.below(2 * most + 1) - most)[stream.below(3)]
    return Products(layout, tuple(map(tuple, matrix)))


def turning_cases(n: int = 5, d: int = 12, bits: int = 12) -> Iterator[dict[str, Any]]:
    """Yield the cases of ``turns.json``: jobs of some rounds, by rules and scores that remember; most entries are 0."""
    pairs = [("marginal-value", score) for score in sorted(SCORES) if SCORES[score].settles]
    pairs += [(rule, score) for rule in ("mean", "multi-krum") for score in ("alignment", "leave-one-out")]
    for rule, score in pairs:
        name, memory, last = f"{rule} and {score}", EMPTY, [0] * d
        stream = Stream(name)
        turn, (way,) = 2 + stream.below(4), stream.updates(1, d, 200)
        terms = RoundRules(rule, score, 1, 100 * d, bits, 3, 10**18, reference=True, floor_bps=3_000)
        for number in range(1, turn + 3):
            way = [step + off for step, off in zip(way, stream.updates(1, d, 100)[0], strict=True)]
            rows = _turning(stream, n, way, turned=number > turn)
            layout = Layout(n, reference=True, previous=any(last), history=False)
            products = _products(layout, rows + [last] * layout.previous)
            question = _Question(terms, products, [5, 1, 3, 2, 4], 0, [7, 8, 9, 10, 11], memory)
            weights = question.outcome.weights
            last = [sum(weight * row[k] for weight, row in zip(weights, rows[:n], strict=True)) for k in range(d)]
            yield question.case(f"{name}, round {number}")
            memory = question.outcome.memory


def _turning(stream: Stream, n: int, way: list[int], *, turned: bool) -> list[list[int]]:
    """Return updates and reference: the last trainer but one turns, the last copies another, maybe the turned one."""
    noise = stream.updates(n + 1, len(way), 100 + stream.below(400))
    rows = [[step + off for step, off in zip(way, each, strict=True)] for each in noise]
    if turned:
        rows[n - 2] = [-step for step in rows[n - 2]]
    rows[n - 1] = list(rows[(stream.below(n - 1), n - 2)[stream.below(2)]])
    return rows


def _products(layout: Layout, rows: list[list[int]]) -> Products:
    return Products(layout, tuple(tuple(sum(map(mul, one, other)) for other in rows) for one in rows))


def _with_all(n: int, d: int) -> Scene:
    def played(*, previous: bool, memory: Carried) -> Scene:
        return scene(
            *(n, d),
            srs_size=80,
            rule="foolsgold",
            score="reputation",
            reference=True,
            previous=previous,
            memory=memory,
            floor_bps=5_000,
            cap_bps=30_000,
        )

    remembered = replace(played(previous=False, memory=EMPTY).outcome.memory, history=b"")
    return played(previous=True, memory=remembered)


def _remembering(rule: str, score: str, *, n: int = 5, d: int = 40, left_out: bool = False) -> Scene:
    def played(*, previous: bool, reference: bool, memory: Carried) -> Scene:
        return scene(
            *(n, d),
            srs_size=80,
            rule=rule,
            score=score,
            job_reference=True,
            reference=reference,
            previous=previous,
            memory=memory,
            floor_bps=2_500,
        )

    first = played(previous=False, reference=True, memory=EMPTY)
    return played(previous=True, reference=not left_out, memory=first.outcome.memory)


def _event() -> tuple[list[str], bytes]:
    abi = json.loads((compile_contracts.ARTIFACTS / "Market.json").read_text())["abi"]
    (event,) = [entry for entry in abi if entry.get("name") == "RoundSettled"]
    signature = f"RoundSettled({','.join(map(type_of, event['inputs']))})"
    return [type_of(part) for part in event["inputs"] if not part["indexed"]], bytes(keccak(text=signature))


def main() -> int:
    """Write, or compare, the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--rows", nargs=2, metavar=("N", "PATH"))
    arguments = parser.parse_args()
    if arguments.rows:
        n, path = arguments.rows
        Path(path).write_text(json.dumps(evidence("largest", _with_all(int(n), 60))))
        return 0
    texts = {
        FOLDER / name: '{"cases": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]}\n"
        for name, cases in (
            ("evidence.json", evidence_cases()),
            ("impossible.json", impossible_cases()),
            ("turns.json", turning_cases()),
        )
    }
    if arguments.check:
        return int(any(path.read_text() != text for path, text in texts.items()))
    for path, text in texts.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
