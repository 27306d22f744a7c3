// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Carried} from "../../../contracts/libraries/Carried.sol";
import {History} from "../../../contracts/libraries/History.sol";

/// @title Lets tests call what a verifier does with what a job carries from round to round.
contract HistoryProbe {
    function advance(
        bytes calldata carried,
        address[] calldata trainers,
        IProofVerifier.Point[] calldata commitments,
        int16 exponent
    ) external view returns (bytes memory) {
        return History.advance(carried, trainers, commitments, exponent);
    }

    function split(bytes calldata carried, bytes32 digest)
        external
        pure
        returns (Carried.Memories memory memories, bytes memory history)
    {
        return Carried.split(carried, digest);
    }

    function digestOf(Carried.Memories calldata memories, bytes calldata history) external pure returns (bytes32) {
        return Carried.digest(memories, history);
    }
}
