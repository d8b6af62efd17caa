// What the glue uses of a K1.node1 checkout, and what it gives where a commit has not got it.
//
// The glue is compiled against the checkout's own headers, so a change of a type is a change of the glue's object
// too. Files that exist only in some commits are asked for with __has_include.
#pragma once
#include <Arduino.h>
#include <FastLED.h>

#include "../../core/heard.h"

#include "led_driver.h"
#include "parameters.h"
#include "pattern_registry.h"

#include "audio/goertzel.h"

// Before 216c7ae a pattern was given the time and the parameters, and fetched LEDs and audio itself.
#if __has_include("pattern_render_context.h")
#include "pattern_render_context.h"
#define K1_HAS_CONTEXT 1
#else
#define K1_HAS_CONTEXT 0
#endif

#if __has_include("color_pipeline.h")
#include "color_pipeline.h"
#define K1_HAS_COLOR_PIPELINE 1
#else
#define K1_HAS_COLOR_PIPELINE 0
#endif

#if __has_include("shared_pattern_buffers.h")
#include "shared_pattern_buffers.h"
#define K1_HAS_SHARED_BUFFERS 1
#else
#define K1_HAS_SHARED_BUFFERS 0
#endif

#if __has_include("led_tx_events.h")
#include "led_tx_events.h"
#define K1_HAS_LED_TX_EVENTS 1
#else
#define K1_HAS_LED_TX_EVENTS 0
#endif

#if __has_include("beat_events.h")
#include "beat_events.h"
#define K1_HAS_BEAT_EVENTS 1
#else
#define K1_HAS_BEAT_EVENTS 0
#endif

#if __has_include("audio/tempo.h")
#include "audio/tempo.h"
#define K1_HAS_TEMPO 1
#else
#define K1_HAS_TEMPO 0
#endif

// An analysis at another rate or of other chunks than the stimulus sounds in is not offered.
#if K1_HAS_TEMPO && __has_include("audio/microphone.h") && __has_include("audio/vu.h") && __has_include("audio/audio_config.h")
#include "audio/audio_config.h"
#include "audio/microphone.h"
#include "audio/vu.h"
#define K1_CAN_LISTEN (AUDIO_CHUNK_SIZE == 64 && AUDIO_SAMPLE_RATE_HZ == 12800)
#else
#define K1_CAN_LISTEN 0
#endif

namespace k1 {

// snapshot.cpp
void set_audio(const Heard& heard, const float* samples);

// listening.cpp
const bool CAN_LISTEN = K1_CAN_LISTEN;
void start_listening();
void listen(const float* samples);

// What the audio snapshot holds: a payload between two sequence words since 526eaf6, and all in one before.
template <typename Snapshot>
auto payload_of(Snapshot& snapshot, int) -> decltype((snapshot.payload)) {
    return snapshot.payload;
}
template <typename Snapshot>
Snapshot& payload_of(Snapshot& snapshot, long) {
    return snapshot;
}

// Members that only later commits have are written if they are there.
template <typename Payload>
auto set_lock(Payload& payload, float bpm, int state, int) -> decltype(payload.locked_tempo_bpm, void()) {
    payload.locked_tempo_bpm = bpm;
    payload.tempo_lock_state = static_cast<decltype(payload.tempo_lock_state)>(state);
}
template <typename Payload>
void set_lock(Payload&, float, int, long) {}

template <typename Payload>
auto set_silence(Payload& payload, bool silent, int) -> decltype(payload.is_silence, void()) {
    payload.is_silence = silent;
}
template <typename Payload>
void set_silence(Payload&, bool, long) {}

}  // namespace k1
