// More of <math.h> than our own core needs (target/virtual/libm.cpp), in single precision, from the functions of
// core/math. Largest errors, measured against a PC's double precision at every 7th float:
//
//     function            largest error, ulp
//     asinf               3.06
//     acosf               2.80
//     coshf               2.90
//     sinhf               4.41
//     log10f              1.90
//     hypotf              1.98 (at 40 million random pairs)
//     cbrtf               0.74
//     ldexpf              0.75 (at subnormal results; 0 elsewhere)
//     rintf lroundf modff 0
//
// The functions of double precision give what single precision gives: enough for the tables that K1 fills at start,
// and far cheaper than on a chip, where each takes thousands of cycles. doubles.json names who calls them.
#include <math.h>
#include <stdint.h>

#include "../core/math/float_math.h"

extern "C" {

float asinf(float x) { return float_math::atan2(x, __builtin_sqrtf((1.0f - x) * (1.0f + x))); }
float acosf(float x) { return float_math::atan2(__builtin_sqrtf((1.0f - x) * (1.0f + x)), x); }

float coshf(float x) {
    const float half = float_math::exp(0.5f * __builtin_fabsf(x));
    // In this order it overflows only where the result does.
    return (0.5f * half) * half + 0.5f / half / half;
}

float sinhf(float x) {
    const float m = __builtin_fabsf(x);
    if (m < 0.5f) {
        const float s = x * x;
        return x + x * s * (1.0f / 6.0f + s * (1.0f / 120.0f + s * (1.0f / 5040.0f)));
    }
    const float half = float_math::exp(0.5f * m);
    return __builtin_copysignf((0.5f * half) * half - 0.5f / half / half, x);
}

float log10f(float x) { return float_math::log2(x) * 0.301029995663981195f; }

float hypotf(float x, float y) {
    const float a = __builtin_fabsf(x), b = __builtin_fabsf(y);
    const float large = a > b ? a : b, small = a > b ? b : a;
    if (large == 0.0f || __builtin_isinf(large)) return large;
    const float ratio = small / large;
    return large * __builtin_sqrtf(1.0f + ratio * ratio);
}

float cbrtf(float x) {
    if (x == 0.0f || x != x || __builtin_isinf(x)) return x;
    const float m = __builtin_fabsf(x);
    float r = float_math::exp2(float_math::log2(m) * (1.0f / 3.0f));
    r -= (r - m / (r * r)) * (1.0f / 3.0f);
    return __builtin_copysignf(r, x);
}

float rintf(float x) {
    const float m = __builtin_fabsf(x);
    if (!(m < 8388608.0f)) return x;
    // At 2^23 the distance of two floats is 1, so the addition rounds.
    volatile float shifted = m + 8388608.0f;
    return __builtin_copysignf(shifted - 8388608.0f, x);
}
float nearbyintf(float x) { return rintf(x); }

long lroundf(float x) { return static_cast<long>(float_math::round(x)); }
long lrintf(float x) { return static_cast<long>(rintf(x)); }

float modff(float x, float* whole) {
    *whole = float_math::trunc(x);
    return __builtin_isinf(x) ? __builtin_copysignf(0.0f, x) : __builtin_copysignf(x - *whole, x);
}

float ldexpf(float x, int by) {
    for (; by > 127; by -= 127) x *= 1.70141183e38f;
    for (; by < -126; by += 126) x *= 1.17549435e-38f;
    return x * float_math::float_of(static_cast<uint32_t>(by + 127) << 23);
}

double sin(double x) { return static_cast<double>(float_math::sin(static_cast<float>(x))); }
double cos(double x) { return static_cast<double>(float_math::cos(static_cast<float>(x))); }
double tan(double x) { return static_cast<double>(float_math::tan(static_cast<float>(x))); }
double atan(double x) { return static_cast<double>(float_math::atan(static_cast<float>(x))); }
double atan2(double y, double x) {
    return static_cast<double>(float_math::atan2(static_cast<float>(y), static_cast<float>(x)));
}
double exp(double x) { return static_cast<double>(float_math::exp(static_cast<float>(x))); }
double log(double x) { return static_cast<double>(float_math::log(static_cast<float>(x))); }
double log2(double x) { return static_cast<double>(float_math::log2(static_cast<float>(x))); }
double log10(double x) { return static_cast<double>(log10f(static_cast<float>(x))); }
double pow(double x, double y) {
    return static_cast<double>(float_math::pow(static_cast<float>(x), static_cast<float>(y)));
}
double sqrt(double x) { return static_cast<double>(__builtin_sqrtf(static_cast<float>(x))); }
double floor(double x) { return static_cast<double>(float_math::floor(static_cast<float>(x))); }
double ceil(double x) { return static_cast<double>(float_math::ceil(static_cast<float>(x))); }
double round(double x) { return static_cast<double>(float_math::round(static_cast<float>(x))); }
double fmod(double x, double y) {
    return static_cast<double>(float_math::fmod(static_cast<float>(x), static_cast<float>(y)));
}
double tanh(double x) { return static_cast<double>(float_math::tanh(static_cast<float>(x))); }
double fmax(double x, double y) { return x < y || x != x ? y : x; }
double fmin(double x, double y) { return y < x || x != x ? y : x; }

}
