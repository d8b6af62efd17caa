// The firmware under test as the frame loop sees it: patterns, colour pipeline, quantiser, and perhaps an audio
// analysis. There are two, and the build chooses one: the patterns of generated/ behind our own stages
// (hosts/generated), and a checkout of a user's firmware behind its own (hosts/k1_node1 and others).
#pragma once
#include <stdint.h>

#include "heard.h"
#include "settings.h"

namespace renderer {

struct PatternText {
    const char* id;
    const char* name;
    const char* description;
    bool is_audio_reactive;
};

// Does what the firmware does once after power-on, before its first frame. Called once.
void start();

// Begins anew, as after start(). The target has put back the memory where it can (platform::restore_memory());
// what is left to do is the firmware's.
void reset();

uint32_t pattern_count();  // 1 to 255
PatternText pattern(uint32_t index);

// Draws the pattern from the next frame on, and clears nothing, as K1. `index` is in range.
void select(uint32_t index);

// Brings every setting into its range and applies it.
void set_settings(const Settings& wanted);
Settings settings();

// Whether hear() looks at samples; where it does not, none are made, which saves a good part of the emulation.
extern const bool KEEPS_SAMPLES;
// Takes `heard` for what the firmware's audio analysis found in the next SOUND_CHUNK samples (sound.h), -1 to 1.
void hear(const Heard& heard, const float* samples);

// Whether listen() may be called.
extern const bool CAN_LISTEN;
// Gives the firmware's own audio analysis the next SOUND_CHUNK samples, and lets it work.
void listen(const float* samples);

// Draws one frame, the colour pipeline included. What this takes is measured as `render`.
void draw(uint32_t elapsed_ms);

// Makes the 8-bit R, G, B of each LED, led_count() times 3 bytes, as the firmware would send them. What this takes
// is measured as `quantize`.
void quantize(uint8_t* rgb);

uint32_t led_count();  // 1 to MAX_LEDS

}  // namespace renderer
