"""The attack suite: distributed learning with Byzantine trainers, simulated with every rule, attack and data split."""
