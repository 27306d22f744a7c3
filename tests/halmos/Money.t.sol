// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Context} from "@openzeppelin/contracts/metatx/ERC2771Context.sol";
import {IMarket} from "../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../contracts/interfaces/IProofVerifier.sol";
import {Accounts} from "../../contracts/market/Accounts.sol";
import {Jobs} from "../../contracts/market/Jobs.sol";
import {Trainers} from "../../contracts/market/Trainers.sol";

/// @title The market without its rounds, so that its own split of a slash and its own extensions can be asked.
contract Bookkeeping is Jobs, Accounts, Trainers {
    constructor() ERC2771Context(address(0)) {}

    function openRound(uint256) external pure returns (uint32) {}
    function settleRound(uint256, uint32, Settlement calldata, bytes calldata) external {}
    function releaseBond(uint256, uint32) external {}
    function challengeSettlement(uint256, uint32, bytes calldata) external {}
    function challengeUpdate(uint256, uint32, uint256, bytes calldata) external {}

    function slash(uint16 share, address owner, uint256 amount) external returns (uint256) {
        _terms[1].challengerShareBps = share;
        _jobs[1].owner = owner;
        return _slash(1, amount);
    }

    function prepare(uint32 rounds, uint32 used, uint128 budget, uint256 escrow) external {
        jobCount = 1;
        _terms[1].rounds = rounds;
        _terms[1].roundBudget = budget;
        _terms[1].deadline = type(uint64).max;
        _jobs[1].owner = msg.sender;
        _jobs[1].used = used;
        _jobs[1].escrow = escrow;
    }
}

contract MoneyProof {
    uint256 private constant ROUNDS = 1 << 32;
    uint256 private constant BUDGETS = 1 << 128;
    Bookkeeping private books = new Bookkeeping();

    /// @dev Of a slash the challenger gets its share rounded down, the owner all the rest; for every amount of 6 bits.
    function check_slash(uint256 share, uint256 amount) external {
        if (share > 10_000 || amount >= 1 << 128) return;
        uint256 reward = books.slash(uint16(share), address(1), amount);
        assert(reward <= amount);
        assert(reward * 10_000 <= amount * share);
        assert((reward + 1) * 10_000 > amount * share);
        assert(books.balanceOf(address(0), address(this)) == reward);
        assert(books.balanceOf(address(0), address(1)) == amount - reward);
    }

    /// @dev An extension that is paid what the rounds to come cost more, and is taken, leaves escrow that covers them.
    function check_extension(uint256 n, uint256 used, uint256 b, uint256 left, uint256 more, uint256 raised) external {
        if (n >= ROUNDS || more >= ROUNDS || b >= BUDGETS || raised >= BUDGETS || left >= 1 << 160) return;
        if (used > n || more < n || raised < b || (more == n && raised == b)) return;
        uint256 escrow = b * (n - used) + left;
        books.prepare(uint32(n), uint32(used), uint128(b), escrow);
        uint256 amount = raised * (more - used) - b * (n - used);
        if (amount > address(this).balance) return;
        books.extendJob{value: amount}(1, uint32(more), uint128(raised), type(uint64).max, "");
        assert(books.job(1).escrow == escrow + amount);
        assert(books.job(1).escrow >= raised * (more - used));
    }
}
