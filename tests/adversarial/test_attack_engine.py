"""The attack suite's simulation: attacks do what they say, runs repeat, and an interrupted table goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aggregator.errors import InvalidInput, OutOfRange
from scripts.benchmarks.attacks import attacks, backdoor
from scripts.benchmarks.attacks.aggregations import GramAggregation, aggregation
from scripts.benchmarks.attacks.attacks import ATTACKS, View, deviation
from scripts.benchmarks.attacks.cell import Cell
from scripts.benchmarks.attacks.engine import Simulation, simulate
from scripts.benchmarks.attacks.grid import PEER_ATTACKS, PEER_SPLITS, SEARCHING, selected
from scripts.benchmarks.attacks.networks import network
from scripts.benchmarks.attacks.page import html, markdown
from scripts.benchmarks.attacks.pay import jain
from scripts.benchmarks.attacks.splits import share_out
from scripts.benchmarks.attacks.store import Store
from scripts.benchmarks.attacks.table import rows, worst_cases, write_csv

HONEST, BYZANTINE, D = 6, 2, 40
SMALL = Cell(data="digits", split="dirichlet:0.5", honest=4, byzantine=1, steps=6, root=60, batch=8)


def view(step: int = 0, *, steps: int = 10, rule: str = "mean") -> View:
    generator = torch.Generator().manual_seed(3)
    honest = torch.randn(HONEST, D, generator=generator) + 1
    return View(
        honest=honest,
        flipped=lambda: honest * 2 - 5,
        triggered=lambda: honest + 7,
        reference=honest.mean(dim=0),
        byzantine=BYZANTINE,
        step=step,
        steps=steps,
        weigh=GramAggregation(rule, BYZANTINE).weigh,
        generator=generator,
    )


def test_every_attack_answers_with_rows_of_the_right_shape() -> None:
    for name, attack in ATTACKS.items():
        row = attack(view())
        expected = {(0, D)} if name == "none" else {(D,), (BYZANTINE, D)}
        assert tuple(row.shape) in expected, name
        assert bool(torch.isfinite(row).all()), name


def test_attacks_follow_their_definitions() -> None:
    seen = view()
    mean, spread = seen.honest.mean(dim=0), seen.honest.std(dim=0)
    torch.testing.assert_close(deviation(seen.honest), spread)
    torch.testing.assert_close(attacks.sign_flip(seen), -mean)
    torch.testing.assert_close(attacks.ipm(seen), -2 * mean)
    torch.testing.assert_close(attacks.alie(seen), mean - 1.5 * spread)
    torch.testing.assert_close(attacks.reversed_alie(seen), mean + 1.5 * spread)
    torch.testing.assert_close(attacks.label_flip(seen), seen.flipped().mean(dim=0))
    torch.testing.assert_close(attacks.mimic(seen), seen.honest[0])
    assert float(attacks.free_rider(seen).abs().max()) == 0
    push = float(torch.linalg.norm(attacks.drift(seen) - mean))
    assert push == pytest.approx(0.5 * float(torch.linalg.norm(mean)), rel=1e-5)


def test_min_max_and_min_sum_go_as_far_as_they_may_and_no_further() -> None:
    seen = view()
    among = torch.cdist(seen.honest, seen.honest) ** 2
    for row, limit, total in (
        (attacks.min_max(seen), among.max(), False),
        (attacks.min_sum(seen), among.sum(dim=1).max(), True),
    ):
        distances = ((seen.honest - row) ** 2).sum(dim=1)
        reached = distances.sum() if total else distances.max()
        assert float(reached) == pytest.approx(float(limit), rel=1e-3)


def test_switching_attacks_are_honest_first() -> None:
    for attack in (attacks.late_switch, attacks.backdoor):
        early, late = view(0), view(9)
        torch.testing.assert_close(attack(early), early.honest.mean(dim=0))
        assert not torch.allclose(attack(late), late.honest.mean(dim=0))


def test_rows_of_apart_alie_differ() -> None:
    row = attacks.apart_alie(view())
    assert float(torch.linalg.norm(row[0] - row[1])) > 0.1 * float(torch.linalg.norm(row[0]))


def test_searched_attacks_do_more_harm_than_fixed_ones() -> None:
    seen = view()
    mean = seen.honest.mean(dim=0)

    def harm(row: torch.Tensor) -> float:
        aggregate = torch.cat([seen.honest, row.expand(BYZANTINE, -1)]).mean(dim=0)
        return float(torch.linalg.norm(aggregate - mean))

    assert harm(attacks.optimal_alie(seen)) > harm(attacks.alie(seen))
    assert harm(attacks.optimal_ipm(seen)) > harm(attacks.ipm(seen))
    aggregate = torch.cat([seen.honest, attacks.adaptive(seen).expand(BYZANTINE, -1)]).mean(dim=0)
    assert float(aggregate @ mean) < 0  # turned round


def test_gradients_of_all_trainers_are_those_of_autograd() -> None:
    generator = torch.Generator().manual_seed(0)
    for name, pixels in (("mlp", 64), ("mlp", 784), ("cnn", 784)):
        built = network(name, pixels)
        model = built.initial(1)
        images = torch.randn(3, 5, pixels, generator=generator)
        labels = torch.randint(0, 10, (3, 5), generator=generator)
        found = torch.empty(3, built.dimension)
        built.gradients(model, images, labels, found)
        for group in range(3):
            leaf = model.clone().requires_grad_()
            if name == "cnn":  # logits() of the benchmark keeps no graph
                continue
            loss = torch.nn.functional.cross_entropy(built.logits(leaf, images[group]), labels[group])
            (expected,) = torch.autograd.grad(loss, leaf)
            torch.testing.assert_close(found[group], expected, rtol=1e-4, atol=1e-6)
        own = torch.empty_like(found)
        built.gradients(model.repeat(3, 1), images, labels, own)
        torch.testing.assert_close(own, found, rtol=1e-4, atol=1e-5)


def test_splits_share_everything_out_once_and_keep_the_root_apart() -> None:
    labels = np.repeat(np.arange(10), 60)
    for split in ("iid", "dirichlet:0.1", "gamma:0.33", "gamma:0"):
        shares = share_out(labels, 10, split, 50, np.random.default_rng(1))
        everything = np.concatenate([shares.root, *shares.trainers])
        assert sorted(everything.tolist()) == list(range(600))
        assert min(map(len, shares.trainers)) > 0
    apart = share_out(labels, 10, "gamma:0", 0, np.random.default_rng(1))
    assert [set(labels[part].tolist()) for part in apart.trainers] == [{label} for label in range(10)]
    with pytest.raises(OutOfRange):
        share_out(labels, 10, "sorted", 0, np.random.default_rng(1))


def test_equal_parameters_give_equal_figures_and_another_seed_others() -> None:
    cell = replace(SMALL, rule="marginal-value", attack="apart-alie")
    figures = [simulate(each) for each in (cell, cell, replace(cell, seed=1))]
    for found in figures:
        del found["cpu_seconds"]
    assert figures[0] == figures[1]
    assert figures[0]["accuracies"] != figures[2]["accuracies"]


@pytest.mark.parametrize("rule", ["mean", "foolsgold", "centred-clipping", "bulyan", "trimmed-mean"])
def test_every_kind_of_rule_runs(rule: str) -> None:
    found = simulate(replace(SMALL, honest=6, rule=rule, attack="alie"))
    assert 0 <= found["accuracy"] <= 1
    assert (found["attackers_pay"] is None) == (rule in ("bulyan", "trimmed-mean"))


def test_local_steps_make_updates_of_models() -> None:
    found = simulate(replace(SMALL, local_steps=20, learning_rate=0.05, attack="label-flip", rule="marginal-value"))
    assert found["accuracy"] > 0.6


def test_products_of_a_step_are_exact() -> None:
    simulation = Simulation(replace(SMALL, attack="sign-flip"))
    rows = torch.randn(6, simulation.network.dimension, generator=torch.Generator().manual_seed(2))
    found = simulation._quantised(rows)
    whole = found.entries.numpy().astype(np.int64)
    assert np.array_equal(np.array(found.products.matrix), whole @ whole.T)


def test_unknown_rules_are_refused_and_searches_need_weights() -> None:
    with pytest.raises(InvalidInput):
        aggregation("majority", 1)
    with pytest.raises(InvalidInput):
        simulate(replace(SMALL, rule="trimmed-mean", attack="optimal-alie"))
    assert all(cell.rule in ("mean", "marginal-value") or cell.attack not in SEARCHING for cell in selected("quick", 1))


def test_the_trigger_changes_a_corner_and_success_counts_other_classes() -> None:
    images = torch.zeros(4, 64)
    images[0, 0] = 2.0
    marked = backdoor.triggered(images)
    assert int((marked != images).sum()) == 9 * 4
    assert float(marked[1].view(8, 8)[5:, 5:].min()) == 2.0


def test_an_interrupted_table_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, cells = tmp_path / "cells.jsonl", [replace(SMALL, seed=seed) for seed in range(3)]
    store = Store(path)
    store.put(cells[0], {"accuracy": 0.5})
    with path.open("a") as stream:
        stream.write('{"cell": {"seed"')  # ended while writing
    again = Store(path)
    assert again.missing([*cells, cells[1]]) == cells[1:]
    assert again.get(cells[0]) == {"accuracy": 0.5}


def test_the_rule_without_a_reference_is_held_to_the_best_worst_case_of_the_peers(tmp_path: Path) -> None:
    store = Store(tmp_path / "cells.jsonl")
    worst = {"byzfl:clipping": 0.7, "byzfl:mean": 0.8, "foolsgold": 0.79}
    cells = [Cell(split="gamma:0", rule=rule, attack=attack) for rule in worst for attack in PEER_ATTACKS]
    for cell in cells:
        accuracy = worst[cell.rule] if cell.attack == "alie" else 0.9
        store.put(cell, {"accuracy": accuracy, "proven": not cell.rule.startswith("byzfl")})
    missed = {(row["rule"], row["attack"]) for row in rows(cells, store) if row["missed"]}
    assert missed == {("foolsgold", "alie")}


def test_tables_mark_missed_targets(tmp_path: Path) -> None:
    store = Store(tmp_path / "cells.jsonl")
    base = Cell(split="gamma:0")
    free = {"accuracy": 0.95, "proven": True}
    store.put(base.attack_free(), free)
    cells = [base.attack_free()]
    for attack in PEER_ATTACKS:
        cells.append(replace(base, rule="marginal-value", attack=attack))
        store.put(cells[-1], {"accuracy": 0.9 if attack == "ipm" else 0.94, "proven": True, "attackers_pay": 0.1})
    found = rows(cells, store)
    (worst,) = worst_cases(found)
    assert (worst["attack"], bool(worst["missed"])) == ("ipm", True)
    assert worst["loss"] == pytest.approx(0.05)
    assert "missed" in markdown(found)
    assert "<svg" in html(found, "scripts/bench attacks")
    write_csv(found, tmp_path / "rows.csv")
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == len(found) + 1


def test_the_grid_holds_the_setting_of_the_comparison() -> None:
    cells = selected("comparison", 1)
    assert {cell.split for cell in cells} == set(PEER_SPLITS)
    assert {(cell.honest, cell.byzantine, cell.data) for cell in cells} == {(10, 4, "mnist")}
    assert {"byzfl:clipping", "marginal-value", "foolsgold"} <= {cell.rule for cell in cells}
    assert len(selected("all", 5)) > len(selected("all", 1)) > len(cells)


def test_fairness_index() -> None:
    assert jain([1, 1, 1, 1]) == 1
    assert jain([1, 0, 0, 0]) == 0.25
    assert jain([0, 0]) == 0
