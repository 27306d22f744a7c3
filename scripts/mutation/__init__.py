"""Mutation testing of the contracts: one small fault at a time, and whether the forge tests notice."""
