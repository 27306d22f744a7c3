"""The index: markets as their events tell them, in a database, for who reads without a node of their own."""
