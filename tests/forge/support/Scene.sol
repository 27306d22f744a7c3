// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Token} from "./Token.sol";
import {Verifier} from "./Verifier.sol";
import {Vm} from "./Vm.sol";

/// @title A market with actors, and the moves of a job that tests begin with.
abstract contract Scene {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    uint256 internal constant P = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 internal constant REFERENCE_BIT = 1 << 255;
    uint256 internal constant TRAINERS = 8;
    bytes internal constant CID = hex"01551220000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    bytes internal constant PROOF = "proof";
    bytes internal constant EVIDENCE = "evidence";

    IMarket internal market;
    Verifier internal verifier;
    Token internal token;
    address internal owner = address(0x1001);
    address internal aggregator = address(0x2001);
    address internal second = address(0x2002);
    address internal third = address(0x2003);
    address internal challenger = address(0x3001);
    address internal outsider = address(0x4001);
    address internal recipient = address(0x5001);

    function _deploy() internal {
        market = IMarket(_make(_marketCode()));
        verifier = new Verifier();
        token = new Token();
    }

    /// @dev What is published; of GRAMERCY_FORGE_MARKET, if set: another artifact, or "compiled": what forge compiled.
    function _marketCode() private view returns (bytes memory) {
        return _codeOf(vm.envOr("GRAMERCY_FORGE_MARKET", "contracts/artifacts/Market.json"), "Market.sol:Market");
    }

    function _codeOf(string memory path, string memory compiled) internal view returns (bytes memory) {
        if (keccak256(bytes(path)) == keccak256("compiled")) return vm.getCode(compiled);
        return vm.parseJsonBytes(vm.readFile(path), ".bytecode");
    }

    function _make(bytes memory code) internal returns (address made) {
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        require(made != address(0), "the contract was not made");
    }

    function trainer(uint256 i) internal pure returns (address) {
        return address(uint160(0x6000 + i));
    }

    /*//////////////////////////////////////////////////////////////
                                 TERMS
    //////////////////////////////////////////////////////////////*/

    function usualTerms() internal view returns (IMarket.JobTerms memory t) {
        t.verifier = verifier;
        t.roundBudget = 1_000;
        t.rounds = 3;
        t.stakeMin = 10;
        t.stakeMax = 100;
        t.aggregatorBond = 51;
        t.challengerShareBps = 2_500;
        t.minTrainers = 5;
        t.maxTrainers = 8;
        t.byzantine = 1;
        t.dimension = 1_000;
        t.bits = 8;
        t.headroomBits = 2;
        t.scaleExponent = -3;
        t.commitSeconds = 100;
        t.settleSeconds = 200;
        t.challengeSeconds = 300;
        t.deadline = uint64(block.timestamp + 100_000);
        t.rule = "mean";
        t.score = "shapley";
        t.floorBps = 5_000;
        t.capBps = 20_000;
    }

    function named() internal view returns (address[] memory aggregators) {
        aggregators = new address[](2);
        (aggregators[0], aggregators[1]) = (aggregator, second);
    }

    /*//////////////////////////////////////////////////////////////
                                 MOVES
    //////////////////////////////////////////////////////////////*/

    /// @dev Gives an account what it is to pay in, and the market leave to take it; returns the value to send.
    function fund(address token_, address account, uint256 amount) internal returns (uint256 value) {
        if (token_ == address(0)) {
            vm.deal(account, account.balance + amount);
            return amount;
        }
        Token(token_).mint(account, amount);
        vm.prank(account);
        Token(token_).approve(address(market), amount);
    }

    function holding(address token_, address account) internal view returns (uint256) {
        return token_ == address(0) ? account.balance : Token(token_).balanceOf(account);
    }

    function create(IMarket.JobTerms memory t) internal returns (uint256 id) {
        uint256 value = fund(t.token, owner, uint256(t.roundBudget) * t.rounds);
        address[] memory aggregators = named();
        vm.prank(owner);
        return market.createJob{value: value}(t, aggregators, CID, "");
    }

    function stakeOf(uint256 i) internal pure returns (uint256) {
        return 20 + i;
    }

    function join(uint256 id, uint256 i) internal {
        address token_ = market.terms(id).token;
        uint256 value = fund(token_, trainer(i), stakeOf(i));
        vm.prank(trainer(i));
        market.joinJob{value: value}(id, stakeOf(i), "");
    }

    function joinAll(uint256 id, uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            join(id, i);
        }
    }

    function open(uint256 id) internal returns (uint32) {
        return market.openRound(id);
    }

    function commit(uint256 id, uint32 number, uint256 i) internal {
        IProofVerifier.Point memory commitment = update(number, i);
        vm.prank(trainer(i));
        market.commitUpdate(id, number, commitment, CID, 77);
    }

    function openAndCommit(uint256 id, uint256 count) internal returns (uint32 number) {
        number = open(id);
        for (uint256 i = 0; i < count; ++i) {
            commit(id, number, i);
        }
    }

    function putDown(uint256 id, address account) internal {
        IMarket.JobTerms memory t = market.terms(id);
        if (t.aggregatorBond == 0) return;
        uint256 value = fund(t.token, account, t.aggregatorBond);
        vm.prank(account);
        market.deposit{value: value}(t.token, t.aggregatorBond, "");
    }

    function settle(uint256 id, uint32 number, uint256 included, address by) internal {
        putDown(id, by);
        IMarket.Settlement memory s = settlement(id, number, included);
        vm.prank(by);
        market.settleRound(id, number, s, PROOF);
    }

    /// @dev A job with a settled round 1 of five trainers, all included, paid 101 to 105.
    function settledJob(IMarket.JobTerms memory t) internal returns (uint256 id) {
        id = committedJob(t);
        settle(id, 1, 31, aggregator);
    }

    /// @dev A job whose round 1 waits for its settlement, with five commitments.
    function committedJob(IMarket.JobTerms memory t) internal returns (uint256 id) {
        id = create(t);
        joinAll(id, 5);
        openAndCommit(id, 5);
        vm.warp(market.round(id, 1).commitEnd);
    }

    function toFinal(uint256 id, uint32 number) internal {
        vm.warp(market.round(id, number).challengeEnd);
    }

    function toVoid(uint256 id, uint32 number) internal {
        vm.warp(market.round(id, number).settleEnd);
    }

    function overturn(uint256 id, uint32 number) internal {
        vm.prank(challenger);
        market.challengeSettlement(id, number, EVIDENCE);
    }

    /*//////////////////////////////////////////////////////////////
                                FIGURES
    //////////////////////////////////////////////////////////////*/

    /// @dev k times the generator, k > 0.
    function point(uint256 k) internal view returns (IProofVerifier.Point memory p) {
        (bool ok, bytes memory out) = address(7).staticcall(abi.encode(uint256(1), uint256(2), k));
        require(ok, "ecMul");
        (p.x, p.y) = abi.decode(out, (uint256, uint256));
    }

    function compressed(IProofVerifier.Point memory p) internal pure returns (bytes32) {
        return bytes32(p.x | (p.y > P / 2 ? uint256(3) << 254 : uint256(2) << 254));
    }

    function update(uint32 number, uint256 i) internal view returns (IProofVerifier.Point memory) {
        return point(uint256(number) * 1_000 + i + 1);
    }

    /// @dev Pays the i-th commitment of those included 101 + i; weights 7 + i.
    function settlement(uint256 id, uint32 number, uint256 included)
        internal
        view
        returns (IMarket.Settlement memory s)
    {
        s.included = included;
        _addFigures(s, id, number);
        s.gram = hex"0102";
        s.nextScaleExponent = -2;
        s.nextMemoryDigest = keccak256(abi.encode(id, number));
        s.aggregateCommitment = compressed(aggregateOf(number));
        s.aggregateRoot = keccak256("root");
        s.aggregateCid = CID;
        s.aggregateBytes = 99;
        s.witness.carried = hex"03";
        s.witness.ruleHints = hex"04";
        s.witness.scoreHints = hex"05";
        s.witness.floorHints = hex"06";
    }

    function aggregateOf(uint32 number) internal view returns (IProofVerifier.Point memory) {
        return point(uint256(number) * 1_000 + 500);
    }

    function referenceOf(uint32 number) internal view returns (IProofVerifier.Point memory) {
        return point(uint256(number) * 1_000 + 400);
    }

    function _addFigures(IMarket.Settlement memory s, uint256 id, uint32 number) private view {
        address[] memory all = market.committed(id, number);
        uint256 count = 0;
        for (uint256 i = 0; i < all.length; ++i) {
            count += (s.included >> i) & 1;
        }
        (s.weights, s.scores, s.payouts) = (new uint64[](count), new int256[](count), new uint128[](count));
        uint32 previous = market.round(id, number).previousSettled;
        bool hasReference = s.included & REFERENCE_BIT != 0;
        s.commitmentYs = new uint256[](count + (hasReference ? 1 : 0) + (previous != 0 ? 1 : 0));
        uint256 k = 0;
        for (uint256 i = 0; i < all.length; ++i) {
            if ((s.included >> i) & 1 == 0) continue;
            uint256 who = uint160(all[i]) - 0x6000;
            (s.weights[k], s.scores[k], s.payouts[k]) = (uint64(7 + who), int256(who) - 2, uint128(101 + who));
            s.commitmentYs[k++] = update(number, who).y;
        }
        if (hasReference) s.commitmentYs[k++] = referenceOf(number).y;
        if (previous != 0) s.commitmentYs[k++] = aggregateOf(previous).y;
    }
}
