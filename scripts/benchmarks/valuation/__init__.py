"""Scores of the Gram matrix beside valuations on measured accuracy: what they tell about trainers, and their cost."""
