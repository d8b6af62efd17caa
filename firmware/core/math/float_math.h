// Single-precision mathematics without a C library: no double, no table larger than 32 bytes, no state.
//
// Why not the compiler's own library: on a CPU with single precision only it works in emulated double precision,
// ten times slower than any chip that a pattern would run on. These functions cost what a chip's would.
//
// Only correctly rounded operations are used (+ - * / and fma, compiled with -ffp-contract=off), so the same
// argument gives the same bits on every machine, and the bounds below, which were measured on a PC, are those of
// the board. They were measured against glibc's double precision at every 7th float, infinities and subnormals
// included; with two arguments at 38 million random pairs of any floats and as many of the ranges named. 1 ulp is
// the distance between neighbouring floats at the result.
//
//     function                      largest error, ulp
//     floor ceil trunc round fmod   0 (exact)
//     sin cos                       1.52
//     tan                           3.12
//     atan                          2.09
//     atan2                         2.36
//     exp                           0.89
//     exp2                          1.07
//     log                           0.83
//     log2                          0.53
//     pow                           1.19 for 0..1 to the power of 0..8; 1.96 anywhere (at results beyond 1e25)
//     tanh                          1.32
//
// Special values follow C99 annex F (NaN, infinities, signed zeros); errno and the exception flags are not set.
#pragma once
#include <stdint.h>

namespace float_math {

// Radians, any magnitude: the argument is reduced exactly, also at 1e30.
float sin(float x);
float cos(float x);
float tan(float x);
float atan(float x);
// The angle of the point (x, y), -pi to pi.
float atan2(float y, float x);

float exp(float x);
float exp2(float x);
float log(float x);
float log2(float x);
float pow(float x, float y);
float tanh(float x);

float floor(float x);
float ceil(float x);
float trunc(float x);
// Halves away from zero.
float round(float x);
// The remainder of x / y with the sign of x.
float fmod(float x, float y);

inline uint32_t bits_of(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float float_of(uint32_t bits) {
    float x;
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

}  // namespace float_math
