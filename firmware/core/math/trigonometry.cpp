#include "float_math.h"

namespace float_math {
namespace {

const float QUARTER_PI = 0.785398185f;
const float HALF_PI = 1.57079637f;
const float HALF_PI_REST = -4.37113883e-8f;
const float PI_HIGH = 3.14159274f;
const float PI_REST = -8.74227766e-8f;

// x = quadrant * pi/2 + angle, angle within pi/4 of 0; the quadrant modulo 4.
struct Reduced {
    uint32_t quadrant;
    float angle;
};

// 2/pi in binary, behind 26 zero bits.
const uint32_t TWO_OVER_PI[8] = {0x00000028u, 0xBE60DB93u, 0x91054A7Fu, 0x09D5F47Du,
                                 0x4D377036u, 0xD8A5664Fu, 0x10E4107Fu, 0x9458EAF7u};

uint32_t two_over_pi_from(uint32_t bit) {
    const uint32_t word = bit >> 5;
    const uint32_t shift = bit & 31u;
    return (TWO_OVER_PI[word] << shift) | ((TWO_OVER_PI[word + 1] >> 1) >> (31u - shift));
}

// Reduction after Payne and Hanek: the mantissa is multiplied by just those 96 bits of 2/pi that decide the
// quadrant and the fraction; bits above them only add whole turns. One path for all magnitudes from 0.5 on, so a
// pattern does not become slower or coarser as its clock grows.
Reduced reduce(float x) {
    const uint32_t bits = bits_of(x);
    const uint32_t mantissa = (bits & 0x7FFFFFu) | 0x800000u;
    const uint32_t first = ((bits >> 23) & 0xFFu) - 126u;
    const uint32_t high = two_over_pi_from(first);
    const uint32_t middle = two_over_pi_from(first + 32);
    const uint32_t low = two_over_pi_from(first + 64);
    const uint64_t tail = static_cast<uint64_t>(mantissa) * middle + ((static_cast<uint64_t>(mantissa) * low) >> 32);
    const uint32_t top = mantissa * high + static_cast<uint32_t>(tail >> 32);
    // `top` and the low half of `tail`: turns of pi/2, 2 bits of whole turns and 62 bits of fraction.
    uint32_t quadrant = (top + 0x20000000u) >> 30;
    uint32_t upper = (top << 2) | (static_cast<uint32_t>(tail) >> 30);
    uint32_t lower = static_cast<uint32_t>(tail) << 2;
    uint32_t sign = upper & 0x80000000u;
    if (sign) {
        lower = 0u - lower;
        upper = ~upper + (lower == 0 ? 1u : 0u);
    }
    // The fraction, at most one half, with its top bit at 31; then times pi/2 in fixed point, rounded once.
    uint32_t scale = 127u - 31u;
    if (upper < 0x8000u) {
        if (upper == 0 && lower == 0) return {quadrant & 3u, 0.0f};
        upper = (upper << 16) | (lower >> 16);
        lower <<= 16;
        scale -= 16;
    }
    if (upper == 0) {
        upper = lower;
        lower = 0;
        scale -= 32;
    }
    const int shift = __builtin_clz(upper);
    upper = (upper << shift) | ((lower >> 1) >> (31 - shift));
    const uint32_t product = static_cast<uint32_t>((static_cast<uint64_t>(upper) * 0xC90FDAA2u) >> 32);
    // product = fraction * 2^shift * (pi/2) * 2^31 / 2^... : one binary place was spent on pi/2 being above 1.
    const float angle = static_cast<float>(product) * float_of((scale - static_cast<uint32_t>(shift)) << 23);
    if (bits & 0x80000000u) {
        quadrant = 0u - quadrant;
        sign ^= 0x80000000u;
    }
    return {quadrant & 3u, float_of(bits_of(angle) | sign)};
}

// |x| <= pi/4; relative error of the polynomial 2^-32.
float sin_near_zero(float x) {
    const float z = x * x;
    const float p = -0.166666672f + z * (0.0083333794f + z * (-0.000198530732f + z * 2.83272493e-06f));
    return x + x * z * p;
}

// |x| <= pi/4; relative error of the polynomial 2^-33.
float cos_near_zero(float x) {
    const float z = x * x;
    const float half = 0.5f * z;
    const float head = 1.0f - half;
    // (1 - head) - half is what rounding took from the head.
    return head + (((1.0f - head) - half) + z * z * (0.0416666456f + z * (-0.00138873106f + z * 2.44325529e-05f)));
}

bool is_small(float x) { return __builtin_fabsf(x) <= QUARTER_PI; }

bool is_finite(float x) { return (bits_of(x) & 0x7F800000u) != 0x7F800000u; }

float sin_of(const Reduced& r) {
    const float magnitude = (r.quadrant & 1u) ? cos_near_zero(r.angle) : sin_near_zero(r.angle);
    return (r.quadrant & 2u) ? -magnitude : magnitude;
}

}  // namespace

float sin(float x) {
    if (is_small(x)) return sin_near_zero(x);
    if (!is_finite(x)) return x - x;
    return sin_of(reduce(x));
}

float cos(float x) {
    if (is_small(x)) return cos_near_zero(x);
    if (!is_finite(x)) return x - x;
    Reduced r = reduce(x);
    ++r.quadrant;
    return sin_of(r);
}

float tan(float x) {
    if (is_small(x)) return sin_near_zero(x) / cos_near_zero(x);
    if (!is_finite(x)) return x - x;
    const Reduced r = reduce(x);
    const float s = sin_near_zero(r.angle);
    const float c = cos_near_zero(r.angle);
    return (r.quadrant & 1u) ? -(c / s) : s / c;
}

float atan(float x) {
    const float a = __builtin_fabsf(x);
    // Brought below tan(pi/8) by atan a = base + atan t; the base in two parts.
    float t = a, base = 0.0f, rest = 0.0f;
    if (a > 2.41421366f) {
        t = -1.0f / a;
        base = HALF_PI;
        rest = HALF_PI_REST;
    } else if (a > 0.414213568f) {
        t = (a - 1.0f) / (a + 1.0f);
        base = QUARTER_PI;
        rest = 0.5f * HALF_PI_REST;
    }
    const float z = t * t;
    const float p = -0.333329469f + z * (0.199776173f + z * (-0.138766229f + z * 0.0805016533f));
    const float angle = base + (t + (t * z * p + rest));
    return float_of((bits_of(angle) & 0x7FFFFFFFu) | (bits_of(x) & 0x80000000u));
}

float atan2(float y, float x) {
    if (x != x || y != y) return x + y;
    const uint32_t sign = bits_of(y) & 0x80000000u;
    const bool left = (bits_of(x) & 0x80000000u) != 0;
    const float ay = __builtin_fabsf(y);
    const float ax = __builtin_fabsf(x);
    float angle;
    if (ay == 0.0f) {
        angle = 0.0f;
    } else if (!is_finite(ax) && !is_finite(ay)) {
        angle = QUARTER_PI;
    } else {
        angle = atan(ay / ax);
    }
    if (left) angle = PI_HIGH - (angle - PI_REST);
    return float_of(bits_of(angle) | sign);
}

}  // namespace float_math
