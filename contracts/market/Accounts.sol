// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMarket} from "../interfaces/IMarket.sol";
import {Assets} from "../libraries/Assets.sol";
import {Books} from "./Books.sol";

/// @title Accounts of the whole market: free balances, which bonds are taken from, and aggregators' keys.
abstract contract Accounts is Books {
    /// @inheritdoc IMarket
    function deposit(address token, uint256 amount, bytes calldata permit) external payable nonReentrant {
        if (amount == 0) revert Market_ZeroAmount();
        address account = _msgSender();
        _credit(token, account, amount);
        emit Deposited(token, account, amount);
        Assets.receiveExact(token, account, amount, permit);
    }

    /// @inheritdoc IMarket
    function withdraw(address token, uint256 amount, address recipient) external nonReentrant {
        if (amount == 0) revert Market_ZeroAmount();
        _requireRecipient(recipient);
        address account = _msgSender();
        _debit(token, account, amount);
        emit Withdrawn(token, account, amount, recipient);
        Assets.pay(token, recipient, amount);
    }

    /// @inheritdoc IMarket
    function publishKey(bytes32 key) external {
        encryptionKeyOf[_msgSender()] = key;
        emit KeyPublished(_msgSender(), key);
    }
}
