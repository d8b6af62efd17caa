#include "parameters.h"

namespace {

struct Limit {
    float PatternParameters::* field;
    float low, high;
    float initial;
    float if_not_a_number;
};

const Limit LIMITS[] = {
    {&PatternParameters::brightness, 0.0f, 1.0f, 1.0f, 1.0f},
    {&PatternParameters::softness, 0.0f, 1.0f, 0.25f, 0.25f},
    {&PatternParameters::color, 0.0f, 1.0f, 0.33f, 0.33f},
    {&PatternParameters::color_range, 0.0f, 1.0f, 0.0f, 0.0f},
    {&PatternParameters::saturation, 0.0f, 1.0f, 0.75f, 0.75f},
    {&PatternParameters::warmth, 0.0f, 1.0f, 0.0f, 0.0f},
    {&PatternParameters::background, 0.0f, 1.0f, 0.0f, 0.0f},
    {&PatternParameters::dithering, 0.0f, 1.0f, 1.0f, 0.0f},
    {&PatternParameters::mirror_mode, 0.0f, 1.0f, 1.0f, 1.0f},
    {&PatternParameters::led_offset, -NUM_LEDS, NUM_LEDS, 0.0f, 0.0f},
    {&PatternParameters::speed, 0.0f, 1.0f, 0.5f, 0.5f},
    {&PatternParameters::custom_param_1, 0.0f, 1.0f, 0.5f, 0.5f},
    {&PatternParameters::custom_param_2, 0.0f, 1.0f, 0.5f, 0.5f},
    {&PatternParameters::custom_param_3, 0.0f, 1.0f, 0.5f, 0.5f},
    {&PatternParameters::beat_threshold, 0.0f, 1.0f, 0.20f, 0.20f},
    {&PatternParameters::beat_squash_power, 0.2f, 1.0f, 0.50f, 0.50f},
    {&PatternParameters::audio_responsiveness, 0.0f, 1.0f, 0.5f, 0.5f},
    {&PatternParameters::audio_sensitivity, 0.1f, 4.0f, 1.0f, 1.0f},
    {&PatternParameters::bass_treble_balance, -1.0f, 1.0f, 0.0f, 0.0f},
    {&PatternParameters::color_reactivity, 0.0f, 1.0f, 0.5f, 0.5f},
    {&PatternParameters::brightness_floor, 0.0f, 0.3f, 0.05f, 0.05f},
    {&PatternParameters::frame_min_period_ms, 4.0f, 20.0f, 6.0f, 6.0f},
};

const uint8_t LAST_PALETTE = 32;

}  // namespace

PatternParameters default_parameters() {
    PatternParameters p = PatternParameters();
    for (const Limit& limit : LIMITS) p.*limit.field = limit.initial;
    return p;
}

PatternParameters sanitized(const PatternParameters& wanted) {
    PatternParameters p = wanted;
    for (const Limit& limit : LIMITS) {
        float& value = p.*limit.field;
        if (value != value) value = limit.if_not_a_number;
        if (value < limit.low) value = limit.low;
        if (value > limit.high) value = limit.high;
    }
    if (p.palette_id > LAST_PALETTE) p.palette_id = LAST_PALETTE;
    return p;
}
