// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../../../contracts/interfaces/IMarket.sol";
import {IProofVerifier} from "../../../contracts/interfaces/IProofVerifier.sol";
import {Cids} from "../../../contracts/libraries/Cids.sol";
import {Scene} from "../support/Scene.sol";

contract CommitUpdateTest is Scene {
    uint256 internal id;

    function setUp() external {
        _deploy();
        id = create(usualTerms());
        joinAll(id, 5);
        open(id);
    }

    function test_WhenTheJobIsUnknown() external {
        _refused(2, 1, 0, update(1, 0), abi.encodeWithSelector(IMarket.Market_UnknownJob.selector, 2));
    }

    function test_GivenTheCallerHasNotJoined() external {
        bytes memory reason = abi.encodeWithSelector(IMarket.Market_NotTrainer.selector, id, trainer(5));
        _refused(id, 1, 5, update(1, 5), reason);
    }

    function test_GivenTheRoundIsNotOpen() external {
        _refusedPhase(2, IMarket.Phase.None);
        vm.warp(market.round(id, 1).commitEnd);
        _refusedPhase(1, IMarket.Phase.Settling);
        toVoid(id, 1);
        _refusedPhase(1, IMarket.Phase.Void);
    }

    function test_GivenItHasCommitted() external {
        commit(id, 1, 0);
        bytes memory reason = abi.encodeWithSelector(IMarket.Market_AlreadyCommitted.selector, id, 1, trainer(0));
        _refused(id, 1, 0, update(1, 1), reason);
    }

    function test_WhenTheCommitmentIsNoPoint() external {
        bytes memory reason = abi.encodeWithSelector(IMarket.Market_InvalidCommitment.selector, 2, 1);
        _refused(id, 1, 0, IProofVerifier.Point(2, 1), reason);
    }

    function test_WhenAnotherHasCommittedTheSame() external {
        commit(id, 1, 0);
        bytes32 word = compressed(update(1, 0));
        bytes memory reason = abi.encodeWithSelector(IMarket.Market_DuplicateCommitment.selector, id, 1, word);
        _refused(id, 1, 1, update(1, 0), reason);
    }

    function test_WhenTheFileIsNoCID() external {
        IProofVerifier.Point memory p = update(1, 0);
        vm.expectRevert(abi.encodeWithSelector(Cids.Cids_Invalid.selector, bytes("x")));
        vm.prank(trainer(0));
        market.commitUpdate(id, 1, p, "x", 77);
    }

    function test_GivenTheRoundIsOpen() external {
        vm.warp(market.round(id, 1).commitEnd - 1);
        commit(id, 1, 3);
        IProofVerifier.Point memory p = update(1, 1);
        vm.expectEmit(address(market));
        emit IMarket.UpdateCommitted(id, 1, trainer(1), 1, compressed(p), CID, 77);
        vm.prank(trainer(1));
        market.commitUpdate(id, 1, p, CID, 77);
        address[] memory all = market.committed(id, 1);
        vm.assertEq(all.length, 2, "count");
        vm.assertEq(all[0], trainer(3), "first");
        vm.assertEq(all[1], trainer(1), "second");
        vm.assertEq(market.commitmentOf(id, 1, trainer(1)), compressed(p), "commitment");
        vm.assertEq(market.round(id, 1).commits, 2, "commits");
    }

    function test_WhenTheSameIsCommittedInAnotherRound() external {
        commit(id, 1, 0);
        toVoid(id, 1);
        open(id);
        IProofVerifier.Point memory p = update(1, 0);
        vm.prank(trainer(0));
        market.commitUpdate(id, 2, p, CID, 77);
        vm.assertEq(market.commitmentOf(id, 2, trainer(0)), compressed(p), "commitment");
    }

    function _refusedPhase(uint32 number, IMarket.Phase phase) private {
        bytes memory reason = abi.encodeWithSelector(IMarket.Market_WrongPhase.selector, id, number, phase);
        _refused(id, number, 0, update(1, 0), reason);
    }

    function _refused(uint256 job, uint32 number, uint256 i, IProofVerifier.Point memory p, bytes memory reason)
        private
    {
        vm.expectRevert(reason);
        vm.prank(trainer(i));
        market.commitUpdate(job, number, p, CID, 77);
    }
}
