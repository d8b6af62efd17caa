// One measured frame, as the probe hands it out: 56 bytes, little endian, no padding.
#pragma once
#include <stdint.h>

#define FRAME_RING_CAPACITY 2048u
#define FRAME_RECORD_SEAL 0x4B314846u
#define MAX_LEDS 192u  // commits of K1 had 160 and 180

struct FrameRecord {
    uint32_t sequence;        // counts frames since boot, from 0
    uint32_t run_id;          // 0: not part of a measured run
    uint64_t start_ns;        // board time at which rendering began
    uint32_t render_ticks;    // pattern and colour pipeline
    uint32_t quantize_ticks;  // float to 8 bit
    uint32_t wait_ticks;      // waiting for the LED driver
    uint32_t transmit_ticks;  // on the wire
    uint32_t audio_ticks;     // the firmware's own audio analysis since the frame before, on another core
    uint32_t heap_free;       // bytes, after the frame
    uint32_t stack_used;      // deepest since the run began, bytes
    uint32_t audio_age_us;    // age of the audio snapshot at start_ns
    uint32_t led_hash;        // FNV-1a (32 bit) of the quantised R, G, B bytes sent to the strip
    uint32_t seal;            // XOR of the thirteen words before it and FRAME_RECORD_SEAL: tells a torn record
};
