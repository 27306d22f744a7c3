"""Aggregation rules beside those of byzfl, byzpy and flwr: time, memory, and whether the outputs are the same."""
