// What a person can set while a pattern plays: the parameters of the K1 firmware under their names and in their
// order. A firmware has its own type for them; this one stands between it and the host.
#pragma once
#include <stdint.h>

struct Settings {
    float brightness, softness, color, color_range, saturation, warmth, background, dithering, mirror_mode, led_offset, speed;
    uint32_t palette_id;
    float custom_param_1, custom_param_2, custom_param_3;
    float beat_threshold, beat_squash_power, audio_responsiveness, audio_sensitivity, bass_treble_balance;
    float color_reactivity, brightness_floor, frame_min_period_ms;
};  // 23 words
