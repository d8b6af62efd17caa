#include "color_pipeline.h"

#include "math/float_math.h"

namespace {

const float TWO_PI_OVER_100 = 0.0628318531f;  // K1 assumes 100 frames per second here, whatever the real rate
const float CLIP_FROM = 0.75f;
const float GREEN_OF_WARM = 0.4452f, BLUE_OF_WARM = 0.1562f;
const float GREEN_OF_WHITE = 0.9375f, BLUE_OF_WHITE = 0.84f;

// The share of the new frame in the low-pass: cut-off 15 Hz at softness 0, 0.5 Hz at 1.
float share_of_new(float softness) {
    const float cutoff_hz = 0.5f + (1.0f - __builtin_sqrtf(softness)) * 14.5f;
    return 1.0f - float_math::exp(-TWO_PI_OVER_100 * cutoff_hz);
}

float soft_clipped(float v) {
    if (v <= CLIP_FROM) return v;
    return CLIP_FROM + (1.0f - CLIP_FROM) * float_math::tanh((v - CLIP_FROM) / (1.0f - CLIP_FROM));
}

}  // namespace

void ColorPipeline::reset() {
    for (CRGBF& c : last_) c = CRGBF();
}

void ColorPipeline::apply(CRGBF* leds, const PatternParameters& params) {
    const float share = share_of_new(params.softness);
    const float master = 0.3f + 0.7f * params.brightness;
    // Warmth, white balance and master are one factor per channel.
    const float red = master;
    const float green = master * GREEN_OF_WHITE * (1.0f + params.warmth * (GREEN_OF_WARM - 1.0f));
    const float blue = master * BLUE_OF_WHITE * (1.0f + params.warmth * (BLUE_OF_WARM - 1.0f));
    for (int i = 0; i < NUM_LEDS; ++i) {
        CRGBF& last = last_[i];
        last.r += share * (leds[i].r - last.r);
        last.g += share * (leds[i].g - last.g);
        last.b += share * (leds[i].b - last.b);
        const float r = soft_clipped(last.r) * red;
        const float g = soft_clipped(last.g) * green;
        const float b = soft_clipped(last.b) * blue;
        leds[i] = CRGBF(r * r, g * g, b * b);  // gamma 2
    }
}
