// The names of C's <math.h> for code that is compiled for every target: on a chip its C library has them.
#include "../../core/math/float_math.h"

extern "C" {
float sinf(float x) { return float_math::sin(x); }
float cosf(float x) { return float_math::cos(x); }
float tanf(float x) { return float_math::tan(x); }
float atanf(float x) { return float_math::atan(x); }
float atan2f(float y, float x) { return float_math::atan2(y, x); }
float expf(float x) { return float_math::exp(x); }
float exp2f(float x) { return float_math::exp2(x); }
float logf(float x) { return float_math::log(x); }
float log2f(float x) { return float_math::log2(x); }
float powf(float x, float y) { return float_math::pow(x, y); }
float tanhf(float x) { return float_math::tanh(x); }
float floorf(float x) { return float_math::floor(x); }
float ceilf(float x) { return float_math::ceil(x); }
float truncf(float x) { return float_math::trunc(x); }
float roundf(float x) { return float_math::round(x); }
float fmodf(float x, float y) { return float_math::fmod(x, y); }
// The CPU has an instruction for each of these.
float sqrtf(float x) { return __builtin_sqrtf(x); }
float fabsf(float x) { return __builtin_fabsf(x); }
float fminf(float x, float y) { return __builtin_fminf(x, y); }
float fmaxf(float x, float y) { return __builtin_fmaxf(x, y); }
}
