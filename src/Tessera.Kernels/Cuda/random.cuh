// Philox4x32-10 (Salmon et al. 2011), the numbers of CounterRandom in C#.
#pragma once

struct RandomWords {
    unsigned word[4];
};

// The four words of block `counter` of a stream.
__device__ __forceinline__ RandomWords random_block(unsigned long long seed, unsigned long long stream, unsigned long long counter) {
    unsigned c0 = (unsigned)counter, c1 = (unsigned)(counter >> 32), c2 = (unsigned)stream, c3 = (unsigned)(stream >> 32);
    unsigned k0 = (unsigned)seed, k1 = (unsigned)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        unsigned low0 = 0xD2511F53u * c0, high0 = __umulhi(0xD2511F53u, c0);
        unsigned low1 = 0xCD9E8D57u * c2, high1 = __umulhi(0xCD9E8D57u, c2);
        c0 = high1 ^ c1 ^ k0, c1 = low1;
        c2 = high0 ^ c3 ^ k1, c3 = low0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    RandomWords words = {{c0, c1, c2, c3}};
    return words;
}
