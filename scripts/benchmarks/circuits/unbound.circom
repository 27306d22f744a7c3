pragma circom 2.0.0;

// The Gram matrix of n private vectors that nothing binds to a commitment: n(n+1)/2 multiplications an entry's place.
template Gram(n, d) {
    signal input updates[n][d];
    signal output gram[n * (n + 1) / 2];
    signal product[n * (n + 1) / 2][d];

    var k = 0;
    for (var i = 0; i < n; i++) {
        for (var j = i; j < n; j++) {
            var sum = 0;
            for (var e = 0; e < d; e++) {
                product[k][e] <== updates[i][e] * updates[j][e];
                sum += product[k][e];
            }
            gram[k] <== sum;
            k++;
        }
    }
}
