// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";
import {Forwarder} from "./Forwarder.sol";
import {Accounts} from "./market/Accounts.sol";
import {Challenges} from "./market/Challenges.sol";
import {Jobs} from "./market/Jobs.sol";

/// @title The market: escrow, stakes, bonds, rounds and payouts of all jobs.
/// @dev Read market/Books.sol first: all accounts are there. Money enters through createJob, extendJob, joinJob and deposit
/// and leaves through leaveJob, claim and withdraw, nowhere else. Each file of market/ is what one kind of actor does.
contract Market is Jobs, Challenges, Accounts {
    constructor() ERC2771Context(address(new Forwarder())) {}
}
