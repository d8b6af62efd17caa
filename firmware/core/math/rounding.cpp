#include "float_math.h"

namespace float_math {
namespace {

const uint32_t SIGN = 0x80000000u;
// From here on every float is a whole number.
const float WHOLE = 8388608.0f;

bool has_fraction(float x) { return __builtin_fabsf(x) < WHOLE; }

float with_sign_of(float magnitude, float x) { return float_of((bits_of(magnitude) & ~SIGN) | (bits_of(x) & SIGN)); }

// A float as mantissa * 2^(exponent - 150); the mantissa has its top bit at 23, also for subnormals.
struct Parts {
    uint32_t mantissa;
    int32_t exponent;
};

Parts parts_of(uint32_t magnitude) {
    Parts p = {magnitude & 0x7FFFFFu, static_cast<int32_t>(magnitude >> 23)};
    if (p.exponent != 0) {
        p.mantissa |= 0x800000u;
        return p;
    }
    const int shift = __builtin_clz(p.mantissa) - 8;
    p.mantissa <<= shift;
    p.exponent = 1 - shift;
    return p;
}

float joined(uint32_t mantissa, int32_t exponent, uint32_t sign) {
    if (mantissa == 0) return float_of(sign);
    const int shift = __builtin_clz(mantissa) - 8;
    mantissa <<= shift;
    exponent -= shift;
    // The result of fmod is a whole multiple of the smallest step, so nothing is shifted out here.
    if (exponent <= 0) return float_of(sign | (mantissa >> (1 - exponent)));
    return float_of(sign | (mantissa & 0x7FFFFFu) | (static_cast<uint32_t>(exponent) << 23));
}

}  // namespace

float trunc(float x) {
    if (!has_fraction(x)) return x;
    return with_sign_of(static_cast<float>(static_cast<int32_t>(x)), x);
}

float floor(float x) {
    if (!has_fraction(x)) return x;
    const float t = static_cast<float>(static_cast<int32_t>(x));
    return with_sign_of(t > x ? t - 1.0f : t, x);
}

float ceil(float x) {
    if (!has_fraction(x)) return x;
    const float t = static_cast<float>(static_cast<int32_t>(x));
    return with_sign_of(t < x ? t + 1.0f : t, x);
}

float round(float x) {
    if (!has_fraction(x)) return x;
    const float t = static_cast<float>(static_cast<int32_t>(x));
    const float away = __builtin_fabsf(x - t) >= 0.5f ? 1.0f : 0.0f;
    return with_sign_of(__builtin_fabsf(t) + away, x);
}

float fmod(float x, float y) {
    const uint32_t sign = bits_of(x) & SIGN;
    const uint32_t a = bits_of(x) & ~SIGN;
    const uint32_t b = bits_of(y) & ~SIGN;
    if (a >= 0x7F800000u || b > 0x7F800000u || b == 0) return (x * y) / (x * y);
    if (a < b) return x;
    const Parts dividend = parts_of(a);
    const Parts divisor = parts_of(b);
    uint32_t rest = dividend.mantissa % divisor.mantissa;
    // Long division, 8 bits of the quotient at a time: rest < 2^24, so the shifted rest fits.
    int32_t left = dividend.exponent - divisor.exponent;
    for (; left >= 8; left -= 8) rest = (rest << 8) % divisor.mantissa;
    rest = (rest << left) % divisor.mantissa;
    return joined(rest, divisor.exponent, sign);
}

}  // namespace float_math
