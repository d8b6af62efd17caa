// Double precision in whole numbers: what the compiler calls for + - * / < and conversions of a double.
//
// Our own core does without (target/virtual/integer64.cpp), but a checkout's sources use doubles, mostly by a constant
// without its f; an ESP32-S3 computes them in software too. Each operation is rounded once, to nearest, ties to
// even, subnormals included. What uses them is listed by the build (doubles.json).
#include <stdint.h>

namespace {

const uint64_t SIGN = 1ull << 63;
const uint64_t INFINITE = 0x7FFull << 52;
const uint64_t NOT_A_NUMBER = INFINITE | 1ull << 51;
const uint64_t HIDDEN = 1ull << 52;

uint64_t bits_of(double v) {
    uint64_t bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    return bits;
}

double double_of(uint64_t bits) {
    double v;
    __builtin_memcpy(&v, &bits, sizeof v);
    return v;
}

uint64_t magnitude_of(double v) { return bits_of(v) & ~SIGN; }
bool is_nan(uint64_t magnitude) { return magnitude > INFINITE; }

int leading_zeros(uint64_t v) {
    const uint32_t high = static_cast<uint32_t>(v >> 32);
    return high != 0 ? __builtin_clz(high) : 32 + __builtin_clz(static_cast<uint32_t>(v));
}

// A number that is neither zero nor infinite: mantissa * 2^(exponent - 63), with bit 63 of the mantissa set.
struct Number {
    uint64_t mantissa;
    int exponent;
};

Number unpacked(uint64_t magnitude) {
    const int biased = static_cast<int>(magnitude >> 52);
    const uint64_t fraction = magnitude & (HIDDEN - 1);
    if (biased == 0) {
        const int shift = leading_zeros(fraction);
        return {fraction << shift, -1011 - shift};
    }
    return {(fraction | HIDDEN) << 11, biased - 1023};
}

// Shifts right; bits that fall out leave their trace in the lowest one.
uint64_t shifted(uint64_t v, int by) {
    if (by == 0) return v;
    if (by > 63) return v != 0 ? 1u : 0u;
    return v >> by | ((v << (64 - by)) != 0 ? 1u : 0u);
}

double packed(uint64_t sign, Number n) {
    int biased = n.exponent + 1023;
    if (biased >= 0x7FF) return double_of(sign | INFINITE);
    if (biased <= 0) {
        n.mantissa = shifted(n.mantissa, 1 - biased);
        biased = 0;
    } else {
        --biased;  // the mantissa's top bit adds one
    }
    const uint64_t rest = n.mantissa & 0x7FF;
    uint64_t result = (static_cast<uint64_t>(biased) << 52) + (n.mantissa >> 11);
    if (rest > 0x400 || (rest == 0x400 && (result & 1u) != 0)) ++result;
    return double_of(sign | result);
}

// The upper half of the product, with a trace of the lower.
uint64_t product(uint64_t a, uint64_t b) {
    const uint32_t a1 = static_cast<uint32_t>(a >> 32), a0 = static_cast<uint32_t>(a);
    const uint32_t b1 = static_cast<uint32_t>(b >> 32), b0 = static_cast<uint32_t>(b);
    const uint64_t low = static_cast<uint64_t>(a0) * b0;
    const uint64_t cross1 = static_cast<uint64_t>(a1) * b0 + (low >> 32);
    const uint64_t cross2 = static_cast<uint64_t>(a0) * b1 + static_cast<uint32_t>(cross1);
    const uint64_t high = static_cast<uint64_t>(a1) * b1 + (cross1 >> 32) + (cross2 >> 32);
    const bool rest = (static_cast<uint32_t>(low) | static_cast<uint32_t>(cross2)) != 0;
    return high | (rest ? 1u : 0u);
}

double sum(double a, double b) {
    uint64_t ma = magnitude_of(a), mb = magnitude_of(b);
    uint64_t sa = bits_of(a) & SIGN, sb = bits_of(b) & SIGN;
    if (is_nan(ma) || is_nan(mb)) return double_of(NOT_A_NUMBER);
    if (ma == INFINITE) return mb == INFINITE && sa != sb ? double_of(NOT_A_NUMBER) : a;
    if (mb == INFINITE) return b;
    if (mb == 0) return ma == 0 ? double_of(sa & sb) : a;
    if (ma == 0) return b;
    if (ma < mb) {
        const uint64_t m = ma, s = sa;
        ma = mb, sa = sb;
        mb = m, sb = s;
    }
    const Number x = unpacked(ma), y = unpacked(mb);
    // One bit of room for the carry.
    uint64_t m = x.mantissa >> 1;
    const uint64_t other = shifted(y.mantissa >> 1, x.exponent - y.exponent);
    m = sa == sb ? m + other : m - other;
    if (m == 0) return 0.0;
    const int shift = leading_zeros(m);
    return packed(sa, {m << shift, x.exponent + 1 - shift});
}

// -1, 0, 1; 2 if one is not a number.
int order(double a, double b) {
    const uint64_t ma = magnitude_of(a), mb = magnitude_of(b);
    if (is_nan(ma) || is_nan(mb)) return 2;
    if ((ma | mb) == 0) return 0;
    const int64_t x = static_cast<int64_t>(bits_of(a)), y = static_cast<int64_t>(bits_of(b));
    if (x == y) return 0;
    const bool less = x < 0 && y < 0 ? x > y : x < y;
    return less ? -1 : 1;
}

double from_whole(uint64_t sign, uint64_t v) {
    if (v == 0) return 0.0;
    const int shift = leading_zeros(v);
    return packed(sign, {v << shift, 63 - shift});
}

// The whole part of the magnitude; what does not fit is the largest.
uint64_t whole_of(uint64_t magnitude, uint64_t largest) {
    if (is_nan(magnitude)) return 0;
    if (magnitude < 0x3FFull << 52) return 0;
    if (magnitude >= (0x3FFull + 64) << 52) return largest;
    const Number n = unpacked(magnitude);
    const uint64_t v = n.mantissa >> (63 - n.exponent);
    return v > largest ? largest : v;
}

}  // namespace

extern "C" {

double __adddf3(double a, double b) { return sum(a, b); }
double __subdf3(double a, double b) { return sum(a, double_of(bits_of(b) ^ SIGN)); }

double __muldf3(double a, double b) {
    const uint64_t ma = magnitude_of(a), mb = magnitude_of(b), sign = (bits_of(a) ^ bits_of(b)) & SIGN;
    if (is_nan(ma) || is_nan(mb)) return double_of(NOT_A_NUMBER);
    if (ma == INFINITE || mb == INFINITE) return double_of(ma == 0 || mb == 0 ? NOT_A_NUMBER : sign | INFINITE);
    if (ma == 0 || mb == 0) return double_of(sign);
    const Number x = unpacked(ma), y = unpacked(mb);
    const uint64_t m = product(x.mantissa, y.mantissa);
    const int shift = m >> 63 ? 0 : 1;
    return packed(sign, {m << shift, x.exponent + y.exponent + 1 - shift});
}

double __divdf3(double a, double b) {
    const uint64_t ma = magnitude_of(a), mb = magnitude_of(b), sign = (bits_of(a) ^ bits_of(b)) & SIGN;
    if (is_nan(ma) || is_nan(mb)) return double_of(NOT_A_NUMBER);
    if (ma == INFINITE) return double_of(mb == INFINITE ? NOT_A_NUMBER : sign | INFINITE);
    if (mb == INFINITE) return double_of(sign);
    if (mb == 0) return double_of(ma == 0 ? NOT_A_NUMBER : sign | INFINITE);
    if (ma == 0) return double_of(sign);
    const Number x = unpacked(ma), y = unpacked(mb);
    // Schoolbook, one bit at a time, 57 of them: 53, two for rounding, and room for a quotient below one.
    uint64_t rest = x.mantissa >> 11, quotient = 0;
    const uint64_t divisor = y.mantissa >> 11;
    for (int i = 0; i < 57; ++i) {
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1u;
        }
        rest <<= 1;
    }
    quotient = quotient << 7 | (rest != 0 ? 1u : 0u);
    const int shift = quotient >> 63 ? 0 : 1;
    return packed(sign, {quotient << shift, x.exponent - y.exponent - shift});
}

double __negdf2(double a) { return double_of(bits_of(a) ^ SIGN); }

// Below, equal or above zero as the comparison asks; where one is not a number, so that the comparison is false.
int __eqdf2(double a, double b) { return order(a, b); }
int __nedf2(double a, double b) { return order(a, b); }
int __ltdf2(double a, double b) { return order(a, b); }
int __ledf2(double a, double b) { return order(a, b); }
int __gtdf2(double a, double b) {
    const int o = order(a, b);
    return o == 2 ? -1 : o;
}
int __gedf2(double a, double b) {
    const int o = order(a, b);
    return o == 2 ? -1 : o;
}
int __unorddf2(double a, double b) { return order(a, b) == 2 ? 1 : 0; }

double __extendsfdf2(float v) {
    uint32_t bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    const uint64_t sign = static_cast<uint64_t>(bits >> 31) << 63;
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    if (magnitude > 0x7F800000u) return double_of(NOT_A_NUMBER);
    if (magnitude == 0x7F800000u) return double_of(sign | INFINITE);
    if (magnitude >= 0x00800000u) {
        return double_of(sign | ((static_cast<uint64_t>(magnitude) << 29) + (896ull << 52)));
    }
    if (magnitude == 0) return double_of(sign);
    const int shift = __builtin_clz(magnitude);
    return packed(sign, {static_cast<uint64_t>(magnitude) << 32 << shift, -118 - shift});
}

float __truncdfsf2(double v) {
    const uint64_t bits = bits_of(v), magnitude = bits & ~SIGN;
    const uint32_t sign = static_cast<uint32_t>(bits >> 63) << 31;
    uint32_t result;
    if (is_nan(magnitude)) {
        result = 0x7FC00000u;
    } else if (magnitude >= 0x47F0000000000000ull) {  // 2^128, and infinity
        result = sign | 0x7F800000u;
    } else if (magnitude < 0x3680000000000000ull) {  // below half of the smallest
        result = sign;
    } else {
        const int biased = static_cast<int>(magnitude >> 52) - 896;
        uint64_t mantissa = (magnitude & (HIDDEN - 1)) | HIDDEN;
        uint32_t base = 0;
        if (biased <= 0) {
            mantissa = shifted(mantissa, 1 - biased);
        } else {
            base = static_cast<uint32_t>(biased - 1) << 23;
        }
        const uint32_t rest = static_cast<uint32_t>(mantissa) & 0x1FFFFFFFu;
        uint32_t value = base + static_cast<uint32_t>(mantissa >> 29);
        if (rest > 0x10000000u || (rest == 0x10000000u && (value & 1u) != 0)) ++value;
        result = sign | value;
    }
    float f;
    __builtin_memcpy(&f, &result, sizeof f);
    return f;
}

double __floatunsidf(uint32_t v) { return from_whole(0, v); }
double __floatundidf(uint64_t v) { return from_whole(0, v); }
double __floatsidf(int32_t v) {
    return v < 0 ? from_whole(SIGN, 0u - static_cast<uint32_t>(v)) : from_whole(0, static_cast<uint32_t>(v));
}
double __floatdidf(int64_t v) {
    return v < 0 ? from_whole(SIGN, 0u - static_cast<uint64_t>(v)) : from_whole(0, static_cast<uint64_t>(v));
}

uint32_t __fixunsdfsi(double v) {
    return bits_of(v) & SIGN ? 0 : static_cast<uint32_t>(whole_of(magnitude_of(v), 0xFFFFFFFFu));
}
uint64_t __fixunsdfdi(double v) { return bits_of(v) & SIGN ? 0 : whole_of(magnitude_of(v), UINT64_MAX); }
int32_t __fixdfsi(double v) {
    const bool negative = (bits_of(v) & SIGN) != 0;
    const uint32_t m = static_cast<uint32_t>(whole_of(magnitude_of(v), negative ? 0x80000000u : 0x7FFFFFFFu));
    return static_cast<int32_t>(negative ? 0u - m : m);
}
int64_t __fixdfdi(double v) {
    const bool negative = (bits_of(v) & SIGN) != 0;
    const uint64_t m = whole_of(magnitude_of(v), negative ? SIGN : SIGN - 1);
    return static_cast<int64_t>(negative ? 0u - m : m);
}

}
