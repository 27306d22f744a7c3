// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PayoutsProbe} from "../../contracts/doubles/PayoutsProbe.sol";
import {Scene} from "./Scene.sol";

/// @title The library that splits budgets, to be asked from outside.
abstract contract Split is Scene {
    PayoutsProbe internal probe;

    /// @dev What forge compiled; of GRAMERCY_FORGE_PAYOUTS, if set: another artifact.
    function _deployProbe() internal {
        string memory path = vm.envOr("GRAMERCY_FORGE_PAYOUTS", "compiled");
        probe = PayoutsProbe(_make(_codeOf(path, "PayoutsProbe.sol:PayoutsProbe")));
    }
}
