// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @title Calls of the market that their senders sign and somebody else pays for (ERC-2771, EIP-712).
/// @dev OpenZeppelin's forwarder, which takes signatures of keys, and those of contract wallets besides (ERC-1271). Anybody
/// may relay a request, once, until its deadline. The forwarder holds nothing and has no administrator.
contract Forwarder is ERC2771Forwarder {
    constructor() ERC2771Forwarder("Gramercy") {}

    /// @notice Spends the caller's nonce: what it signed for that nonce, and nobody has relayed yet, is void.
    function cancel() external {
        _useNonce(msg.sender);
    }

    /// @dev A valid request whose call fails reverts, in a batch too, and keeps its nonce: else anybody could relay another's
    /// where it must fail, such as inside of a call of the market, and so void it. Invalid ones are still passed over.
    function _execute(ForwardRequestData calldata request, bool requireValidRequest)
        internal
        override
        returns (bool success)
    {
        uint256 nonce = nonces(request.from);
        success = super._execute(request, requireValidRequest);
        if (!success && nonces(request.from) != nonce) revert Errors.FailedCall();
    }

    function _recoverForwardRequestSigner(ForwardRequestData calldata request)
        internal
        view
        override
        returns (bool isValid, address signer)
    {
        (isValid, signer) = super._recoverForwardRequestSigner(request);
        if (isValid && signer == request.from) return (isValid, signer);
        bytes32 digest = _hashTypedDataV4(
            keccak256(
                abi.encode(
                    FORWARD_REQUEST_TYPEHASH,
                    request.from,
                    request.to,
                    request.value,
                    request.gas,
                    nonces(request.from),
                    request.deadline,
                    keccak256(request.data)
                )
            )
        );
        if (SignatureChecker.isValidERC1271SignatureNowCalldata(request.from, digest, request.signature)) {
            return (true, request.from);
        }
    }
}
