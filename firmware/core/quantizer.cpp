#include "quantizer.h"

namespace {

// Smaller fractions than this are not carried over: they would flicker once in many frames.
const float DITHER_FROM = 0.055f;

// 0 to 255; what is not a number is dark.
float steps(float value) {
    const float scaled = value * 255.0f;
    if (!(scaled > 0.0f)) return 0.0f;
    return scaled < 255.0f ? scaled : 255.0f;
}

}  // namespace

void Quantizer::reset() {
    for (CRGBF& e : error_) e = CRGBF();
}

void Quantizer::apply(const CRGBF* leds, const PatternParameters& params, uint8_t* rgb) {
    const bool dithering = params.dithering >= 0.5f;
    int source = static_cast<int>(params.led_offset) % NUM_LEDS;
    if (source < 0) source += NUM_LEDS;
    for (int i = 0; i < NUM_LEDS; ++i, rgb += 3) {
        const CRGBF& c = leds[source];
        if (dithering) {
            rgb[0] = dithered(c.r, error_[i].r);
            rgb[1] = dithered(c.g, error_[i].g);
            rgb[2] = dithered(c.b, error_[i].b);
        } else {
            rgb[0] = static_cast<uint8_t>(steps(c.r));
            rgb[1] = static_cast<uint8_t>(steps(c.g));
            rgb[2] = static_cast<uint8_t>(steps(c.b));
        }
        if (++source == NUM_LEDS) source = 0;
    }
}

uint8_t Quantizer::dithered(float value, float& error) {
    const float exact = steps(value);
    uint32_t whole = static_cast<uint32_t>(exact);
    const float fraction = exact - static_cast<float>(whole);
    if (fraction >= DITHER_FROM) error += fraction;
    if (error >= 1.0f) {
        error -= 1.0f;
        if (whole < 255u) ++whole;
    }
    return static_cast<uint8_t>(whole);
}
