"""Calldata and answers of a contract's functions, as web3 has them but for its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeAlias, cast

from eth_abi.codec import ABICodec
from eth_abi.exceptions import EncodingError
from eth_typing import ABIFunction
from eth_utils.abi import (
    function_abi_to_4byte_selector,
    get_abi_input_types,
    get_abi_output_types,
    get_aligned_abi_inputs,
)
from web3._utils.abi import build_strict_registry, map_abi_data
from web3._utils.normalizers import BASE_RETURN_NORMALIZERS
from web3.contract.contract import ContractFunction

_REGISTRY = build_strict_registry()
_CODEC = ABICodec(_REGISTRY)
_ASKED = 1 << 16


class Asked:
    """A call of a view by its name and arguments: all that a contract's ABI says of it is worked out once."""

    __slots__ = ("_views", "arguments", "fn_name")

    def __init__(self, views: Views, name: str, arguments: tuple[Any, ...]) -> None:
        self._views, self.fn_name, self.arguments = views, name, arguments

    @property
    def data(self) -> bytes:
        return self._views.data(self.fn_name, self.arguments)

    @property
    def address(self) -> str:
        return self._views.address

    @property
    def types(self) -> tuple[str, ...]:
        """Types of the answer."""
        return self._views.kinds[self.fn_name].outputs


Call: TypeAlias = ContractFunction | Asked


@dataclass(frozen=True, slots=True)
class _Kind:
    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Views:
    """The functions of a contract, called as those of web3's contract are: ``views.functions.phase(1, 2)``."""

    def __init__(self, abi: Sequence[Mapping[str, Any]], address: str) -> None:
        """Read an ABI, in which no name is used twice."""
        self.address = address
        self.kinds = {entry["name"]: _kind(entry) for entry in abi if entry["type"] == "function"}
        self.data = lru_cache(_ASKED)(self._data)

    @property
    def functions(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Callable[..., Asked]:
        if name not in self.kinds:
            raise AttributeError(name)
        return lambda *arguments: Asked(self, name, arguments)

    def _data(self, name: str, arguments: tuple[Any, ...]) -> bytes:
        kind = self.kinds[name]
        return kind.selector + encoded(kind.inputs, arguments)


def calldata(function: Call) -> bytes:
    """Return a call's data."""
    if isinstance(function, Asked):
        return function.data
    try:
        types, arguments = get_aligned_abi_inputs(function.abi, function.arguments)  # structs may be mappings
        return bytes.fromhex(function.selector[2:]) + encoded(types, arguments)
    except EncodingError:  # bytes or addresses in a form that only web3 takes
        return bytes.fromhex(str(function._encode_transaction_data())[2:])


def returned(function: Call, answer: bytes) -> Any:
    """Return what a call's answer says: one value, or a list of several."""
    types = output_types(function)
    values = decoded(types, answer)
    if any("address" in kind or "[" in kind for kind in types):  # checksums; lists for arrays
        values = map_abi_data(BASE_RETURN_NORMALIZERS, types, values)
    return values[0] if len(values) == 1 else list(values)


def output_types(function: Call) -> tuple[str, ...]:
    """Return the types of a call's answer."""
    return function.types if isinstance(function, Asked) else tuple(get_abi_output_types(function.abi))


def encoded(types: tuple[str, ...], values: Sequence[Any]) -> bytes:
    """Return values in the ABI's encoding; as web3's codec does."""
    return bytes(_encoder(types)(values))


def decoded(types: tuple[str, ...], data: bytes) -> tuple[Any, ...]:
    """Return the values of an encoding; as web3's codec does."""
    return tuple(_CODEC.decode(types, data))


@cache
def _encoder(types: tuple[str, ...]) -> Callable[[Sequence[Any]], bytes]:
    return cast(Callable[[Sequence[Any]], bytes], _REGISTRY.get_tuple_encoder(*types))


def _kind(entry: Mapping[str, Any]) -> _Kind:
    told = cast(ABIFunction, entry)
    return _Kind(
        function_abi_to_4byte_selector(told), tuple(get_abi_input_types(told)), tuple(get_abi_output_types(told))
    )
