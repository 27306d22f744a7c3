// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Asks a pure contract many questions in one call.
contract PureProbe {
    struct Outcome {
        bool ok;
        bytes data;
    }

    function ask(address target, bytes[] calldata calls) external view returns (Outcome[] memory outcomes) {
        outcomes = new Outcome[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (outcomes[i].ok, outcomes[i].data) = target.staticcall(calls[i]);
        }
    }
}
