#include "float_math.h"

namespace float_math {
namespace {

const float INFINITE = __builtin_inff();
const float LN2_HIGH = 0.693145752f;  // 15 bits: times a whole number below 2^9 is exact
const float LN2_LOW = 1.42860682e-06f;
const float LOG2_E = 1.44269502f;
const float ROUNDER = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest whole number in the low bits

float nearest(float x) { return (x + ROUNDER) - ROUNDER; }

// x * 2^n for -300 <= n <= 300, rounded once where the result is subnormal.
float scaled(float x, int32_t n) {
    if (n > 127) {
        x *= float_of(254u << 23);
        n -= 127;
        if (n > 127) n = 127;
    } else if (n < -126) {
        x *= float_of(25u << 23);  // 2^-102: leaves the mantissa whole, so that only the last step rounds
        n += 102;
        if (n < -126) n = -126;
    }
    return x * float_of(static_cast<uint32_t>(n + 127) << 23);
}

// 2^x for |x| <= 1/2; relative error of the polynomial 2^-28.
float exp2_near_zero(float x) {
    return 1.0f + x * (0.693147182f +
                       x * (0.240226477f +
                            x * (0.0555035993f + x * (0.00961850584f + x * (0.00133908063f + x * 0.000153264627f)))));
}

// x = 2^exponent * (1 + fraction), 1 + fraction within sqrt(2) of 1; x positive and finite.
struct Split {
    float exponent;
    float fraction;
};

Split split(float x) {
    uint32_t bits = bits_of(x);
    int32_t exponent = 0;
    if (bits < 0x800000u) {
        bits = bits_of(x * 8388608.0f);
        exponent = -23;
    }
    // 0x3F3504F3 is sqrt(1/2).
    const uint32_t from_root = bits - 0x3F3504F3u;
    exponent += static_cast<int32_t>(from_root) >> 23;
    const float m = float_of((from_root & 0x7FFFFFu) + 0x3F3504F3u);
    return {static_cast<float>(exponent), m - 1.0f};
}

// For s^2 <= 0.0295: (ln((1 + s) / (1 - s)) - 2 s) / s^3; relative error 2^-35 of the whole logarithm.
float atanh_tail(float z) { return 0.666666627f + z * (0.400009722f + z * (0.284987986f + z * 0.242787212f)); }

// A number as an unevaluated sum, the second part far smaller.
struct Pair {
    float high;
    float low;
};

// Exact if |a| >= |b|.
Pair sum(float a, float b) {
    const float s = a + b;
    return {s, b - (s - a)};
}

Pair product(float a, float b) {
    const float p = a * b;
    return {p, __builtin_fmaf(a, b, -p)};
}

// log2 of x, positive and finite, to about 2^-36 of its value.
Pair log2_pair(float x) {
    const Split part = split(x);
    // s = f / (2 + f); the denominator and the quotient with what rounding took from them.
    const Pair denominator = sum(2.0f, part.fraction);
    const float s = part.fraction / denominator.high;
    const float s_low = (__builtin_fmaf(-s, denominator.high, part.fraction) - s * denominator.low) / denominator.high;
    const Pair square = product(s, s);
    // ln = 2 s + s^3 * tail
    const float more = square.high * (0.400009722f + square.high * (0.284987986f + square.high * 0.242787212f));
    const Pair tail = sum(0.666666627f, more);
    const Pair cube_part = product(square.high, tail.high);
    const float cube_low = cube_part.low + square.high * tail.low + square.low * tail.high;
    const Pair factor = sum(2.0f, cube_part.high);
    const Pair head = product(s, factor.high);
    const float head_low = head.low + s * (factor.low + cube_low) + s_low * factor.high;
    // Times log2(e).
    const Pair scaled_head = product(head.high, LOG2_E);
    const float scaled_low = scaled_head.low + head.high * 1.92596303e-8f + head_low * LOG2_E;
    const Pair whole = part.exponent != 0.0f ? sum(part.exponent, scaled_head.high) : Pair{scaled_head.high, 0.0f};
    return {whole.high, whole.low + scaled_low};
}

// 2^(high + low).
float exp2_of(Pair p) {
    if (p.high >= 128.0f) return INFINITE;
    if (p.high < -151.0f) return 0.0f;
    const float n = nearest(p.high);
    return scaled(exp2_near_zero((p.high - n) + p.low), static_cast<int32_t>(n));
}

enum Whole { NOT_WHOLE, EVEN, ODD };

Whole wholeness(float y) {
    const float a = __builtin_fabsf(y);
    if (a >= 16777216.0f) return EVEN;
    const float t = trunc(a);
    if (t != a) return NOT_WHOLE;
    return (static_cast<uint32_t>(t) & 1u) ? ODD : EVEN;
}

}  // namespace

float exp2(float x) {
    if (x != x) return x;
    return exp2_of({x, 0.0f});
}

float exp(float x) {
    if (x != x) return x;
    if (x > 88.7228394f) return INFINITE;
    if (x < -104.0f) return 0.0f;
    const float n = nearest(x * LOG2_E);
    const float high = x - n * LN2_HIGH;
    const float low = n * LN2_LOW;
    const float r = high - low;
    const float lost = (high - r) - low;
    const float p = 0.49999994f + r * (0.166665211f + r * (0.0416682735f + r * (0.00836868584f + r * 0.00138201378f)));
    return scaled(1.0f + (r + (r * r * p + lost)), static_cast<int32_t>(n));
}

float log(float x) {
    if (!(x > 0.0f)) return x == 0.0f ? -INFINITE : (x != x ? x : (x - x) / 0.0f);
    if (x == INFINITE) return x;
    const Split part = split(x);
    const float f = part.fraction;
    const float s = f / (2.0f + f);
    const float z = s * s;
    // 2 s = f - f^2/2 + s f^2/2, which keeps f itself unrounded.
    const float half_square = 0.5f * f * f;
    const float tail = s * (half_square + z * atanh_tail(z)) + part.exponent * LN2_LOW;
    return part.exponent * LN2_HIGH + (f - (half_square - tail));
}

float log2(float x) {
    if (!(x > 0.0f)) return x == 0.0f ? -INFINITE : (x != x ? x : (x - x) / 0.0f);
    if (x == INFINITE) return x;
    const Pair p = log2_pair(x);
    return p.high + p.low;
}

float pow(float x, float y) {
    if (y == 0.0f || x == 1.0f) return 1.0f;
    if (x != x || y != y) return x + y;
    const Whole whole = wholeness(y);
    const float a = __builtin_fabsf(x);
    const bool negative = (bits_of(x) & 0x80000000u) != 0;
    const float sign = negative && whole == ODD ? -1.0f : 1.0f;
    if (a == 0.0f || a == INFINITE) return sign * ((a == 0.0f) == (y > 0.0f) ? 0.0f : INFINITE);
    if (__builtin_fabsf(y) == INFINITE) {
        if (a == 1.0f) return 1.0f;
        return (a > 1.0f) == (y > 0.0f) ? INFINITE : 0.0f;
    }
    if (negative && whole == NOT_WHOLE) return (x - x) / 0.0f;
    const Pair l = log2_pair(a);
    const float rough = y * l.high;
    if (rough > 200.0f) return sign * INFINITE;
    if (rough < -200.0f) return sign * 0.0f;
    const Pair p = product(y, l.high);
    const Pair exponent = sum(p.high, p.low + y * l.low);
    return sign * exp2_of(exponent);
}

float tanh(float x) {
    if (x != x) return x;
    const float a = __builtin_fabsf(x);
    float t;
    if (a < 0.625f) {
        const float z = a * a;
        const float p = -0.333332807f + z * (0.133314058f + z * (-0.0537365153f + z * (0.0206281673f - z * 0.0056922962f)));
        t = a + a * z * p;
    } else if (a < 9.1f) {
        t = 1.0f - 2.0f / (exp(2.0f * a) + 1.0f);
    } else {
        t = 1.0f;
    }
    return float_of(bits_of(t) | (bits_of(x) & 0x80000000u));
}

}  // namespace float_math
