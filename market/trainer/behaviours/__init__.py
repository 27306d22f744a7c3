"""What a trainer may do with its data and its update: honest, or an attack to test rules with."""

from market.trainer.behaviours.base import Behaviour, Honest, Vector
from market.trainer.behaviours.informed import Alie, Copy, Ipm, alie_quantile
from market.trainer.behaviours.optimised import MinMax, MinSum
from market.trainer.behaviours.poisoning import Backdoor
from market.trainer.behaviours.registry import BEHAVIOURS, make_behaviour
from market.trainer.behaviours.solitary import FreeRider, Gaussian, LabelFlip, SignFlip

__all__ = [
    "BEHAVIOURS",
    "Alie",
    "Backdoor",
    "Behaviour",
    "Copy",
    "FreeRider",
    "Gaussian",
    "Honest",
    "Ipm",
    "LabelFlip",
    "MinMax",
    "MinSum",
    "SignFlip",
    "Vector",
    "alie_quantile",
    "make_behaviour",
]
