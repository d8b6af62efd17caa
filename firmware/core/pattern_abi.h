// What a pattern is given and what it gives: the pattern interface of the K1 firmware.
//
// Types, names and member order are those of K1.node1, so that a pattern written for one compiles for the other.
// Nothing here knows of a chip or of a board.
#pragma once
#include <stdint.h>

#include <atomic>

#define NUM_LEDS 160
#define NUM_FREQS 64
#define NUM_TEMPI 192

// A colour in linear light before the colour pipeline; nominal range 0 to 1 each, not clamped.
struct CRGBF {
    float r, g, b;

    CRGBF() : r(0.0f), g(0.0f), b(0.0f) {}
    CRGBF(float red, float green, float blue) : r(red), g(green), b(blue) {}
    // From 8 bits: 255 is 1. Whole-number literals fit neither constructor better: write 0.0f.
    CRGBF(uint8_t red, uint8_t green, uint8_t blue) : r(red / 255.0f), g(green / 255.0f), b(blue / 255.0f) {}

    CRGBF operator+(const CRGBF& other) const { return CRGBF(r + other.r, g + other.g, b + other.b); }
    CRGBF operator*(float factor) const { return CRGBF(r * factor, g * factor, b * factor); }
    CRGBF& operator+=(const CRGBF& other) {
        r += other.r;
        g += other.g;
        b += other.b;
        return *this;
    }
    CRGBF& operator*=(float factor) {
        r *= factor;
        g *= factor;
        b *= factor;
        return *this;
    }
};

// What a person can set while a pattern plays. Ranges and defaults: parameters.cpp.
struct PatternParameters {
    float brightness;
    float softness;
    float color;
    float color_range;
    float saturation;
    float warmth;
    float background;
    float dithering;    // on from 0.5
    float mirror_mode;  // on from 0.5
    float led_offset;   // LEDs
    float speed;
    uint8_t palette_id;
    float custom_param_1;
    float custom_param_2;
    float custom_param_3;
    float beat_threshold;
    float beat_squash_power;
    float audio_responsiveness;
    float audio_sensitivity;
    float bass_treble_balance;
    float color_reactivity;
    float brightness_floor;
    float frame_min_period_ms;
};

enum TempoLockState { TEMPO_UNLOCKED = 0, TEMPO_LOCKING = 1, TEMPO_LOCKED = 2, TEMPO_DEGRADING = 3 };

struct AudioDataPayload {
    float spectrogram[NUM_FREQS];           // 0 to 1, scaled to the loudest; half tones from A#1, 58.27 Hz
    float spectrogram_smooth[NUM_FREQS];    // the same, low-passed
    float spectrogram_absolute[NUM_FREQS];  // not scaled to the loudest
    float chromagram[12];                   // C first, 0 to 1
    float vu_level;                         // 0 to 1, smoothed
    float vu_level_raw;
    float novelty_curve;     // how much the spectrum grew since the last chunk
    float tempo_confidence;  // 0 to 1
    float tempo_magnitude[NUM_TEMPI];  // 50 to 150 beats per minute
    float tempo_phase[NUM_TEMPI];      // -pi to pi, 0 on the beat
    float locked_tempo_bpm;
    TempoLockState tempo_lock_state;
    float fft_smooth[128];  // never filled, as on K1
    uint32_t update_counter;
    uint32_t timestamp_us;  // wraps after 71 minutes, as on K1
    bool is_valid;
    bool is_silence;
};

// A payload between two sequence words, for readers on another core. Not to be copied.
struct AudioDataSnapshot {
    std::atomic<uint32_t> sequence;
    AudioDataPayload payload;
    std::atomic<uint32_t> sequence_end;
};

struct PatternRenderContext {
    CRGBF* const leds;   // keeps the last frame's colours, after the colour pipeline
    const int num_leds;  // NUM_LEDS
    const float time;    // seconds, in whole milliseconds
    const PatternParameters& params;
    const AudioDataSnapshot& audio_snapshot;
};

typedef void (*PatternFunction)(const PatternRenderContext&);

struct PatternInfo {
    const char* name;
    const char* id;
    const char* description;
    PatternFunction draw_fn;
    bool is_audio_reactive;
};

// Sets the state that a pattern keeps between frames to zero, as after a start of the firmware. K1 has no such
// function; a measured run needs it.
typedef void (*PatternReset)();

// Defined by generated/registry.cpp.
extern const PatternInfo g_pattern_registry[];
extern const uint8_t g_num_patterns;
extern const PatternReset g_pattern_resets[];  // in the order of the registry; null: the pattern keeps no state
