// What the C++ of a pattern graph calls: a function for each node that is more than an operator.
//
// Generated code uses this header and the pattern ABI, nothing else. Names begin with k1g_ and a capital letter;
// ids of patterns and nodes have no capitals, so that they never meet. GNU++11, float only, no heap. Meanings of
// the nodes: harness/graph/catalogue.
#pragma once
#include <math.h>
#include <stdint.h>

#include "pattern_abi.h"

static_assert(NUM_LEDS == 160, "generated patterns are laid out for 160 LEDs");
static_assert(NUM_FREQS == 64, "generated patterns read a spectrum of 64 bins");

// Buffers for what one loop over the LEDs leaves to a later one of the same frame. All patterns share them: only
// one draws at a time. A program has as many as its most demanding pattern uses.
template <int Number>
struct k1g_FloatScratch {
    static float leds[NUM_LEDS];
};
template <int Number>
float k1g_FloatScratch<Number>::leds[NUM_LEDS];

template <int Number>
struct k1g_ColorScratch {
    static CRGBF leds[NUM_LEDS];
};
template <int Number>
CRGBF k1g_ColorScratch<Number>::leds[NUM_LEDS];

// Written so that what is not a number becomes the lower bound.
inline float k1g_Clamp(float x, float min, float max) {
    return x > min ? (x < max ? x : max) : min;
}

inline float k1g_Clamp01(float x) {
    return k1g_Clamp(x, 0.0f, 1.0f);
}

inline CRGBF k1g_Clamp01(const CRGBF& c) {
    return CRGBF(k1g_Clamp01(c.r), k1g_Clamp01(c.g), k1g_Clamp01(c.b));
}

inline CRGBF k1g_Gray(float x) {
    return CRGBF(x, x, x);
}

// 0 instead of what would stay broken for ever in a state: infinities, what is not a number, and what is beyond
// all sense.
inline float k1g_Sane(float x) {
    return x > -1.0e6f && x < 1.0e6f ? x : 0.0f;
}

// ---- Maths ----

inline CRGBF k1g_Mul(const CRGBF& a, const CRGBF& b) {
    return CRGBF(a.r * b.r, a.g * b.g, a.b * b.b);
}

inline float k1g_Mix(float a, float b, float t) {
    return a * (1.0f - t) + b * t;
}

inline float k1g_Lerp(float a, float b, float t) {
    return a + t * (b - a);
}

inline CRGBF k1g_Lerp(const CRGBF& a, const CRGBF& b, float t) {
    return CRGBF(k1g_Lerp(a.r, b.r, t), k1g_Lerp(a.g, b.g, t), k1g_Lerp(a.b, b.b, t));
}

inline float k1g_Pow(float base, float exponent) {
    const float power = powf(base, exponent);
    return power == power ? power : 0.0f;
}

inline float k1g_Sqrt(float x) {
    return x > 0.0f ? sqrtf(x) : 0.0f;
}

inline float k1g_Contrast(float x, float contrast) {
    return k1g_Clamp01((x - 0.5f) * contrast + 0.5f);
}

inline float k1g_LowPass(float& last, float signal, float alpha) {
    last = alpha * k1g_Sane(signal) + (1.0f - alpha) * last;
    return last;
}

// ---- Noise ----

// A slope from -1 to 1 for a place of the lattice.
inline float k1g_NoiseSlope(int32_t place, uint32_t seed) {
    uint32_t bits = static_cast<uint32_t>(place) * 0x9E3779B1u ^ seed * 0x85EBCA77u;
    bits = (bits ^ bits >> 15) * 0x2C1B3C6Du;
    bits = (bits ^ bits >> 12) * 0x297A2D39u;
    bits ^= bits >> 15;
    return static_cast<float>(bits >> 8) * (2.0f / 16777216.0f) - 1.0f;
}

// Gradient noise, each octave of double pitch and half the height. From 0 to 1, 0.5 on average.
inline float k1g_PerlinNoise(float x, uint32_t seed, int octaves) {
    float place = k1g_Sane(x);
    float height = 1.0f, sum = 0.0f, most = 0.0f;
    for (int octave = 0; octave < octaves; ++octave) {
        const float cell = floorf(place);
        const float t = place - cell;
        const int32_t left = static_cast<int32_t>(cell);
        const float from = k1g_NoiseSlope(left, seed) * t;
        const float to = k1g_NoiseSlope(left + 1, seed) * (t - 1.0f);
        sum += height * k1g_Lerp(from, to, t * t * t * (t * (t * 6.0f - 15.0f) + 10.0f));
        most += height;
        height *= 0.5f;
        place *= 2.0f;
        seed += 1u;
    }
    // One octave reaches from -0.5 to 0.5.
    return k1g_Clamp01(sum / most + 0.5f);
}

// ---- Colour ----

// The hue wraps at 1; saturation and value are clamped.
inline CRGBF k1g_Hsv(float hue, float saturation, float value) {
    const float sector = (hue - floorf(hue)) * 6.0f;
    const float s = k1g_Clamp01(saturation);
    const float v = k1g_Clamp01(value);
    const float r = k1g_Clamp01(fabsf(sector - 3.0f) - 1.0f);
    const float g = k1g_Clamp01(2.0f - fabsf(sector - 2.0f));
    const float b = k1g_Clamp01(2.0f - fabsf(sector - 4.0f));
    return CRGBF(v * (1.0f - s + s * r), v * (1.0f - s + s * g), v * (1.0f - s + s * b));
}

inline CRGBF k1g_HueShift(float x) {
    return k1g_Hsv(x, 1.0f, x);
}

// Linear between `count` colours at equal distances; index 0 is the first, 1 the last.
inline CRGBF k1g_Gradient(const float (*colors)[3], int count, float index) {
    const float place = k1g_Clamp01(index) * static_cast<float>(count - 1);
    int lower = static_cast<int>(place);
    if (lower > count - 2) lower = count - 2;
    const float t = place - static_cast<float>(lower);
    const float* const a = colors[lower];
    const float* const b = colors[lower + 1];
    return CRGBF(k1g_Lerp(a[0], b[0], t), k1g_Lerp(a[1], b[1], t), k1g_Lerp(a[2], b[2], t));
}

// Dark violet, blue, green, yellow: even steps of brightness, rounded to what LEDs can show.
inline CRGBF k1g_Viridis(float index) {
    static const float colors[7][3] = {{0.27f, 0.0f, 0.33f},  {0.26f, 0.23f, 0.51f}, {0.19f, 0.4f, 0.56f}, {0.13f, 0.57f, 0.55f},
                                       {0.23f, 0.72f, 0.46f}, {0.58f, 0.84f, 0.26f}, {0.99f, 0.9f, 0.14f}};
    return k1g_Gradient(colors, 7, index);
}

// Deep blue, purple, coral, yellow.
inline CRGBF k1g_Plasma(float index) {
    static const float colors[7][3] = {{0.05f, 0.03f, 0.53f}, {0.36f, 0.0f, 0.65f},  {0.61f, 0.09f, 0.62f}, {0.8f, 0.28f, 0.47f},
                                       {0.93f, 0.47f, 0.33f}, {0.99f, 0.7f, 0.19f}, {0.94f, 0.97f, 0.13f}};
    return k1g_Gradient(colors, 7, index);
}

// Black, red, yellow, white.
inline CRGBF k1g_Hot(float index) {
    const float x = k1g_Clamp01(index) * 8.0f;
    return k1g_Clamp01(CRGBF(x * (1.0f / 3.0f), (x - 3.0f) * (1.0f / 3.0f), (x - 6.0f) * 0.5f));
}

// Cyan to magenta.
inline CRGBF k1g_Cool(float index) {
    const float x = k1g_Clamp01(index);
    return CRGBF(x, 1.0f - x, 1.0f);
}

// Red round to magenta, so that both ends differ.
inline CRGBF k1g_Rainbow(float index) {
    return k1g_Hsv(k1g_Clamp01(index) * (5.0f / 6.0f), 1.0f, 1.0f);
}

#ifdef K1G_PALETTE
// A colour of the palettes of the firmware that draws; its function takes 1 for 0.
inline CRGBF k1g_Palette(int palette, float index) {
    return K1G_PALETTE(static_cast<uint8_t>(palette), k1g_Clamp(index, 0.0f, 0.999f), 1.0f);
}
#else
// Stands for the palettes 0 to 32 of the K1 firmware: each has a hue of its own, far from its neighbours', goes
// from dark to bright, and turns by a sixth of the colour circle at most.
inline CRGBF k1g_Palette(int palette, float index) {
    const float x = k1g_Clamp01(index);
    const float number = static_cast<float>(palette);
    const float turn = (palette & 1) != 0 ? 0.16f : -0.12f;
    return k1g_Hsv(0.03f + 0.618034f * number + turn * (x - 0.5f), 0.96f - 0.3f * x * x, 0.12f + 0.88f * x);
}
#endif

// ---- Buffers ----

// The bins first to first + count - 1 of a spectrum, smoothed and amplified; the last one stands twice, because
// k1g_Along may round past the end.
inline void k1g_BandShape(float* band, const float* spectrum, int first, int count, float smoothing, float gain) {
    const float side = gain * smoothing * (1.0f / 3.0f);
    const float middle = gain - 2.0f * side;
    for (int bin = 0; bin < count; ++bin) {
        const int at = first + bin;
        const float below = spectrum[at > 0 ? at - 1 : 0];
        const float above = spectrum[at < NUM_FREQS - 1 ? at + 1 : NUM_FREQS - 1];
        band[bin] = middle * spectrum[at] + side * (below + above);
    }
    band[count] = band[count - 1];
}

// Linear between the bins of a band.
inline float k1g_Along(const float* band, float place) {
    const int lower = static_cast<int>(place);
    return k1g_Lerp(band[lower], band[lower + 1], place - static_cast<float>(lower));
}

inline float k1g_BufferPersist(float& last, float x, float decay) {
    last = decay * last + (1.0f - decay) * k1g_Sane(x);
    return last;
}

inline CRGBF k1g_BufferPersist(CRGBF& last, const CRGBF& x, float decay) {
    k1g_BufferPersist(last.r, x.r, decay);
    k1g_BufferPersist(last.g, x.g, decay);
    k1g_BufferPersist(last.b, x.b, decay);
    return last;
}

// For indices below 2 * NUM_LEDS.
inline int k1g_Wrapped(int index) {
    return index < NUM_LEDS ? index : index - NUM_LEDS;
}

// The distance from the centre, between LEDs NUM_LEDS / 2 - 1 and NUM_LEDS / 2.
inline int k1g_FromCenter(int i) {
    return i < NUM_LEDS / 2 ? NUM_LEDS / 2 - 1 - i : i - NUM_LEDS / 2;
}

inline CRGBF k1g_Blur(const CRGBF* leds, int i, int radius) {
    CRGBF sum(0.0f, 0.0f, 0.0f);
    for (int offset = -radius; offset <= radius; ++offset) sum += leds[k1g_Wrapped(i + offset < 0 ? i + offset + NUM_LEDS : i + offset)];
    return sum * (1.0f / static_cast<float>(2 * radius + 1));
}

inline bool k1g_Bit(const uint32_t* bits, int i) {
    return (bits[i >> 5] >> (i & 31) & 1u) != 0u;
}

inline CRGBF k1g_DotAdd(const CRGBF& base, bool on, const CRGBF& color) {
    return on ? k1g_Clamp01(base + color) : base;
}

inline CRGBF k1g_DotReplace(const CRGBF& base, bool on, const CRGBF& color) {
    return on ? color : base;
}

inline CRGBF k1g_DotMultiply(const CRGBF& base, bool on, const CRGBF& color) {
    return on ? k1g_Mul(base, color) : base;
}

inline CRGBF k1g_ComposeAdd(const CRGBF& base, const CRGBF& over, float opacity) {
    const CRGBF sum = base + over;
    return k1g_Lerp(base, CRGBF(sum.r < 1.0f ? sum.r : 1.0f, sum.g < 1.0f ? sum.g : 1.0f, sum.b < 1.0f ? sum.b : 1.0f), opacity);
}

inline CRGBF k1g_ComposeMultiply(const CRGBF& base, const CRGBF& over, float opacity) {
    return k1g_Lerp(base, k1g_Mul(base, over), opacity);
}

inline float k1g_Screen(float base, float over) {
    return 1.0f - (1.0f - base) * (1.0f - over);
}

inline CRGBF k1g_ComposeScreen(const CRGBF& base, const CRGBF& over, float opacity) {
    return k1g_Lerp(base, CRGBF(k1g_Screen(base.r, over.r), k1g_Screen(base.g, over.g), k1g_Screen(base.b, over.b)), opacity);
}

inline float k1g_Overlay(float base, float over) {
    return base < 0.5f ? 2.0f * base * over : 1.0f - 2.0f * (1.0f - base) * (1.0f - over);
}

inline CRGBF k1g_ComposeOverlay(const CRGBF& base, const CRGBF& over, float opacity) {
    return k1g_Lerp(base, CRGBF(k1g_Overlay(base.r, over.r), k1g_Overlay(base.g, over.g), k1g_Overlay(base.b, over.b)), opacity);
}
