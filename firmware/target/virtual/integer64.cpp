// 64-bit whole numbers on a 32-bit CPU: what the compiler calls for / % << >> and conversions from and to float.
//
// The compiler's own run-time library is not linked, because it also holds double precision. So code that uses a
// double does not link: "undefined symbol: __muldf3" means that somewhere a constant lacks its f.
#include <stdint.h>

namespace {

struct Divided {
    uint64_t quotient, rest;
};

// Schoolbook division in base 2; by 32 bits in one hardware division where both numbers fit.
Divided divided(uint64_t dividend, uint64_t divisor) {
    const uint32_t dividend_high = static_cast<uint32_t>(dividend >> 32);
    const uint32_t divisor_high = static_cast<uint32_t>(divisor >> 32);
    if (dividend_high == 0 && divisor_high == 0) {
        const uint32_t a = static_cast<uint32_t>(dividend), b = static_cast<uint32_t>(divisor);
        return {a / b, a % b};
    }
    if (divisor > dividend) return {0, dividend};
    uint64_t quotient = 0, rest = 0;
    int bit = 63;
    if (divisor_high == 0) {
        // The upper half divides in hardware; the loop does the lower.
        const uint32_t b = static_cast<uint32_t>(divisor);
        quotient = dividend_high / b;
        rest = dividend_high % b;
        bit = 31;
    }
    for (; bit >= 0; --bit) {
        rest = rest << 1 | ((dividend >> bit) & 1u);
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1u;
        }
    }
    return {quotient, rest};
}

uint64_t magnitude(int64_t v) { return v < 0 ? 0u - static_cast<uint64_t>(v) : static_cast<uint64_t>(v); }

int64_t with_sign(uint64_t v, bool negative) { return static_cast<int64_t>(negative ? 0u - v : v); }

union Halves {
    uint64_t whole;
    struct {
        uint32_t low, high;
    } half;
};

}  // namespace

extern "C" uint64_t __udivdi3(uint64_t a, uint64_t b) { return divided(a, b).quotient; }
extern "C" uint64_t __umoddi3(uint64_t a, uint64_t b) { return divided(a, b).rest; }
extern "C" int64_t __divdi3(int64_t a, int64_t b) {
    return with_sign(divided(magnitude(a), magnitude(b)).quotient, (a < 0) != (b < 0));
}
extern "C" int64_t __moddi3(int64_t a, int64_t b) { return with_sign(divided(magnitude(a), magnitude(b)).rest, a < 0); }

// Shifts by halves, which the compiler does in line: it must not call these functions for their own bodies.
extern "C" uint64_t __ashldi3(uint64_t v, int by) {
    Halves h = {v};
    if (by == 0) return v;
    if (by >= 32) {
        h.half.high = h.half.low << (by - 32);
        h.half.low = 0;
    } else {
        h.half.high = h.half.high << by | h.half.low >> (32 - by);
        h.half.low <<= by;
    }
    return h.whole;
}

extern "C" uint64_t __lshrdi3(uint64_t v, int by) {
    Halves h = {v};
    if (by == 0) return v;
    if (by >= 32) {
        h.half.low = h.half.high >> (by - 32);
        h.half.high = 0;
    } else {
        h.half.low = h.half.low >> by | h.half.high << (32 - by);
        h.half.high >>= by;
    }
    return h.whole;
}

extern "C" int64_t __ashrdi3(int64_t v, int by) {
    Halves h = {static_cast<uint64_t>(v)};
    const uint32_t sign = v < 0 ? 0xFFFFFFFFu : 0u;
    if (by == 0) return v;
    if (by >= 32) {
        const uint32_t high = h.half.high;
        h.half.low = by == 32 ? high : (high >> (by - 32) | sign << (64 - by));
        h.half.high = sign;
    } else {
        h.half.low = h.half.low >> by | h.half.high << (32 - by);
        h.half.high = h.half.high >> by | sign << (32 - by);
    }
    return static_cast<int64_t>(h.whole);
}

// To float, rounded once: bits that fall below a 32-bit number are kept as one sticky bit.
extern "C" float __floatundisf(uint64_t v) {
    Halves h = {v};
    if (h.half.high == 0) return static_cast<float>(h.half.low);
    const int shift = __builtin_clz(h.half.high);
    const uint64_t top = __ashldi3(v, shift);
    Halves t = {top};
    const uint32_t rounded = t.half.high | (t.half.low != 0 ? 1u : 0u);
    float scale;
    const uint32_t scale_bits = static_cast<uint32_t>(127 + 32 - shift) << 23;
    __builtin_memcpy(&scale, &scale_bits, sizeof scale);
    return static_cast<float>(rounded) * scale;
}

extern "C" float __floatdisf(int64_t v) {
    const float m = __floatundisf(magnitude(v));
    return v < 0 ? -m : m;
}

// Out of range: the nearest number that fits; not a number: 0.
extern "C" uint64_t __fixunssfdi(float v) {
    if (!(v >= 1.0f)) return 0;
    if (v >= 18446744073709551616.0f) return UINT64_MAX;
    uint32_t bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    const int exponent = static_cast<int>(bits >> 23) - 150;
    const uint64_t mantissa = (bits & 0x7FFFFFu) | 0x800000u;
    return exponent >= 0 ? __ashldi3(mantissa, exponent) : __lshrdi3(mantissa, -exponent);
}

extern "C" int64_t __fixsfdi(float v) {
    if (v >= 9223372036854775808.0f) return INT64_MAX;
    if (v <= -9223372036854775808.0f) return INT64_MIN;
    return with_sign(__fixunssfdi(v < 0.0f ? -v : v), v < 0.0f);
}
