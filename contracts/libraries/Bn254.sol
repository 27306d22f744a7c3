// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The curve BN254 through the precompiled contracts of EIP-196 and EIP-197, and its scalar field.
/// @dev The precompiles take coordinates that are canonical and scalars of any size, and burn all gas that they are
/// given when a point is invalid. So whoever takes a point from outside checks it first, with `isPoint`; and whoever
/// takes a scalar checks that it is below R where a second encoding of the same proof would matter.
library Bn254 {
    /// @dev Order of the base field: coordinates.
    uint256 internal constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    /// @dev Order of the group, and of the scalar field. The cofactor is one: every point of the curve is in the group.
    uint256 internal constant R = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// @dev The generator of G1.
    uint256 internal constant G1_X = 1;
    uint256 internal constant G1_Y = 2;
    /// @dev The generator of G2 (EIP-197), imaginary parts first.
    uint256 internal constant G2_X_IMAG = 0x198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2;
    uint256 internal constant G2_X_REAL = 0x1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed;
    uint256 internal constant G2_Y_IMAG = 0x090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b;
    uint256 internal constant G2_Y_REAL = 0x12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa;

    uint256 private constant MODEXP = 5;
    uint256 private constant EC_ADD = 6;
    uint256 private constant EC_MUL = 7;
    uint256 private constant PAIRING = 8;
    /// @dev Flags of a compressed point: y at most (P - 1) / 2; y above it; the point at infinity.
    uint256 private constant SMALLER = 2 << 254;
    uint256 private constant LARGER = 3 << 254;
    /// @dev The point at infinity, compressed.
    bytes32 internal constant INFINITY = bytes32(uint256(0x40) << 248);

    error Bn254_PrecompileFailed();

    /// @dev A running sum of points: (x, y), which starts at infinity, (0, 0). The other words hold the term that is
    /// being added, laid out so that the precompiles read and write in place.
    struct Sum {
        uint256 x;
        uint256 y;
        uint256 termX;
        uint256 termY;
        uint256 scalar;
    }

    /// @dev Whether (x, y) is a point: canonical, on the curve and not infinity.
    function isPoint(uint256 x, uint256 y) internal pure returns (bool valid) {
        assembly ("memory-safe") {
            valid := eq(mulmod(y, y, P), addmod(mulmod(mulmod(x, x, P), x, P), 3, P))
            valid := and(valid, and(lt(x, P), lt(y, P)))
        }
    }

    /// @dev Whether (x, y) is a point or infinity, (0, 0).
    function isPointOrInfinity(uint256 x, uint256 y) internal pure returns (bool) {
        return (x | y) == 0 || isPoint(x, y);
    }

    /// @dev The 32 bytes of x with the sign of y in the two top bits, as gnark-crypto writes a point. Of a point or
    /// infinity: no two of them have the same word.
    function compress(uint256 x, uint256 y) internal pure returns (bytes32) {
        if ((x | y) == 0) return INFINITY;
        return bytes32(x | (y > P / 2 ? LARGER : SMALLER));
    }

    /// @dev -y; of 0 too.
    function negated(uint256 y) internal pure returns (uint256) {
        return y == 0 ? 0 : P - y;
    }

    /// @dev sum += scalar * (x, y), for a point or infinity.
    function addScaled(Sum memory sum, uint256 x, uint256 y, uint256 scalar) internal view {
        bool ok;
        assembly ("memory-safe") {
            let term := add(sum, 0x40)
            mstore(term, x)
            mstore(add(sum, 0x60), y)
            mstore(add(sum, 0x80), scalar)
            // of the arguments of `and` the last is evaluated first: the call, then the size of what it returned
            ok := and(eq(returndatasize(), 0x40), staticcall(gas(), EC_MUL, term, 0x60, term, 0x40))
            ok := and(and(ok, eq(returndatasize(), 0x40)), staticcall(gas(), EC_ADD, sum, 0x80, sum, 0x40))
        }
        if (!ok) revert Bn254_PrecompileFailed();
    }

    /// @dev scalar * (x, y), for a point or infinity.
    function scaled(uint256 x, uint256 y, uint256 scalar) internal view returns (uint256 scaledX, uint256 scaledY) {
        bool ok;
        assembly ("memory-safe") {
            let term := mload(0x40) // free memory, which nobody relies on afterwards
            mstore(term, x)
            mstore(add(term, 0x20), y)
            mstore(add(term, 0x40), scalar)
            ok := and(eq(returndatasize(), 0x40), staticcall(gas(), EC_MUL, term, 0x60, term, 0x40))
            scaledX := mload(term)
            scaledY := mload(add(term, 0x20))
        }
        if (!ok) revert Bn254_PrecompileFailed();
    }

    /// @dev sum += (x, y), for a point or infinity.
    function add(Sum memory sum, uint256 x, uint256 y) internal view {
        bool ok;
        assembly ("memory-safe") {
            mstore(add(sum, 0x40), x)
            mstore(add(sum, 0x60), y)
            ok := and(eq(returndatasize(), 0x40), staticcall(gas(), EC_ADD, sum, 0x80, sum, 0x40))
        }
        if (!ok) revert Bn254_PrecompileFailed();
    }

    /// @dev Whether e(a, b) e(c, d) = 1; the points of G1 are points or infinity. The precompile checks that those of G2
    /// are on the curve and in the subgroup.
    function pairing2(uint256[12] memory input) internal view returns (bool) {
        return _pairing(_pointer(input), 12 * 32);
    }

    /// @dev Whether a product of three pairings is 1.
    function pairing3(uint256[18] memory input) internal view returns (bool) {
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := input
        }
        return _pairing(pointer, 18 * 32);
    }

    /// @dev a^(R - 2) modulo R: the inverse of a field element, 0 of 0.
    function inverse(uint256 a) internal view returns (uint256) {
        return power(a, R - 2);
    }

    /// @dev base^exponent modulo R.
    function power(uint256 base, uint256 exponent) internal view returns (uint256 result) {
        bool ok;
        assembly ("memory-safe") {
            let input := mload(0x40) // free memory, which nobody relies on afterwards
            mstore(input, 0x20)
            mstore(add(input, 0x20), 0x20)
            mstore(add(input, 0x40), 0x20)
            mstore(add(input, 0x60), base)
            mstore(add(input, 0x80), exponent)
            mstore(add(input, 0xa0), R)
            ok := and(eq(returndatasize(), 0x20), staticcall(gas(), MODEXP, input, 0xc0, 0, 0x20))
            result := mload(0)
        }
        if (!ok) revert Bn254_PrecompileFailed();
    }

    function _pointer(uint256[12] memory input) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := input
        }
    }

    function _pairing(uint256 input, uint256 length) private view returns (bool) {
        bool ok;
        uint256 product;
        assembly ("memory-safe") {
            ok := and(eq(returndatasize(), 0x20), staticcall(gas(), PAIRING, input, length, 0, 0x20))
            product := mload(0)
        }
        if (!ok) revert Bn254_PrecompileFailed();
        return product == 1;
    }
}
