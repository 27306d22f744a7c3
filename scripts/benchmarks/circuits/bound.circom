pragma circom 2.0.0;

include "poseidon.circom";
include "bitify.circom";

// Poseidon digest of d entries of b bits, |entry| <= 2^(b-1). As many entries to a field element as fit, 16 elements to
// a permutation: the entries' ranges, which make this packing injective, cost more than the hash itself.
template Digest(d, b) {
    signal input entries[d];
    signal output digest;

    var perWord = 253 \ b;
    var calls = (d + 16 * perWord - 1) \ (16 * perWord);
    component range[d];
    component hash[calls];
    for (var c = 0; c < calls; c++) {
        hash[c] = PoseidonEx(16, 1);
        if (c == 0) {
            hash[c].initialState <== 0;
        } else {
            hash[c].initialState <== hash[c - 1].out[0];
        }
        for (var w = 0; w < 16; w++) {
            var word = 0;
            for (var t = 0; t < perWord; t++) {
                var e = (16 * c + w) * perWord + t;
                if (e < d) {
                    range[e] = Num2Bits(b);
                    range[e].in <== entries[e] + (1 << (b - 1));
                    word += (entries[e] + (1 << (b - 1))) * (1 << (b * t));
                }
            }
            hash[c].inputs[w] <== word;
        }
    }
    digest <== hash[calls - 1].out[0];
}

// The Gram matrix of n vectors bound by their digests, as cheaply as it can be had: the verifier draws lambda after the
// digests are fixed, and sum_ij lambda_i lambda_j G_ij = <a, a> for a = sum_i lambda_i u_i stands for all of G.
template Gram(n, d, b) {
    signal input updates[n][d];
    signal input lambda[n];
    signal output square;
    signal output digest[n];

    component hash[n];
    for (var i = 0; i < n; i++) {
        hash[i] = Digest(d, b);
        for (var e = 0; e < d; e++) {
            hash[i].entries[e] <== updates[i][e];
        }
        digest[i] <== hash[i].digest;
    }
    signal scaled[n][d];
    signal combined[d];
    signal squared[d];
    var total = 0;
    for (var e = 0; e < d; e++) {
        var sum = 0;
        for (var i = 0; i < n; i++) {
            scaled[i][e] <== lambda[i] * updates[i][e];
            sum += scaled[i][e];
        }
        combined[e] <== sum;
        squared[e] <== combined[e] * combined[e];
        total += squared[e];
    }
    square <== total;
}
