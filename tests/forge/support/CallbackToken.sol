// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that calls back whenever it is moved, and keeps what it was answered.
contract CallbackToken is ERC20 {
    address private _target;
    bytes private _data;
    bool public called;
    bytes4 public answer;

    constructor() ERC20("Callback", "CB") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function callBack(address target, bytes calldata data) external {
        (_target, _data, called, answer) = (target, data, false, 0);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (_target == address(0)) return;
        address target = _target;
        _target = address(0);
        (bool done, bytes memory answered) = target.call(_data);
        called = true;
        if (!done) answer = bytes4(answered);
    }
}
