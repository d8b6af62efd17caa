// K1's own audio analysis on the sound of the stimulus, called as its audio task does, once per chunk. Its microphone
// reads the chunk from the I2S driver.
#include "../../core/sound.h"
#include "k1.h"

#if K1_CAN_LISTEN

static_assert(AUDIO_CHUNK_SIZE == SOUND_CHUNK && AUDIO_SAMPLE_RATE_HZ == SOUND_RATE_HZ, "as the stimulus sounds");

namespace {

// SPH0645: 18 bits in the upper part of the word; the offset is the one that K1's microphone.cpp takes away.
const float FULL_SCALE = 131072.0f;
const int32_t OFFSET = 7000 - 360;

const float* chunk;  // to be read by the driver
bool was_silent = true;
uint32_t last_phase_us;

void forget_tempo() {
    tempo_confidence = 0.0f;
    for (int i = 0; i < NUM_TEMPI; ++i) {
        tempi[i].magnitude = 0.0f;
        tempi[i].magnitude_full_scale = 0.0f;
        tempi_smooth[i] = 0.0f;
    }
    tempi_power_sum = 0.0f;
}

void follow_tempo() {
    update_tempo();
    if (last_phase_us == 0) last_phase_us = t_now_us;
    const float delta = static_cast<float>(t_now_us - last_phase_us) * (static_cast<float>(REFERENCE_FPS) / 1000000.0f);
    last_phase_us = t_now_us;
    update_tempi_phase(delta > 5.0f ? 5.0f : delta);
}

}  // namespace

namespace k1 {

// In the order of K1's setup().
void start_listening() {
    init_window_lookup();
    init_goertzel_constants_musical();
    init_vu();
    init_tempo_goertzel_constants();
}

void listen(const float* samples) {
    chunk = samples;
    acquire_sample_chunk();
    calculate_magnitudes();
    get_chromagram();
    t_now_us = micros();
    t_now_ms = millis();
    run_vu();
    update_novelty();

    const bool silent = !audio_input_is_active();
    if (silent || was_silent) forget_tempo();
    was_silent = silent;
    if (silent) {
        last_phase_us = t_now_us;
    } else {
        follow_tempo();
    }

    auto& audio = payload_of(audio_back, 0);
    audio.tempo_confidence = tempo_confidence;
    audio.is_valid = true;
    set_silence(audio, silent, 0);
    set_lock(audio, tempo_lock_tracker.locked_tempo_bpm, tempo_lock_tracker.state, 0);
    for (int i = 0; i < NUM_TEMPI; ++i) {
        audio.tempo_magnitude[i] = tempi_smooth[i];
        audio.tempo_phase[i] = tempi[i].phase;
    }
    finish_audio_frame();
}

}  // namespace k1

#include <driver/i2s.h>

extern "C" esp_err_t i2s_read(i2s_port_t, void* to, size_t size, size_t* read, TickType_t) {
    int32_t* words = static_cast<int32_t*>(to);
    const size_t count = size / sizeof *words;
    for (size_t i = 0; i < count; ++i) {
        float sample = i < static_cast<size_t>(SOUND_CHUNK) && chunk ? chunk[i] : 0.0f;
        sample = sample < -0.9f ? -0.9f : (sample > 0.9f ? 0.9f : sample);
        words[i] = static_cast<int32_t>(static_cast<uint32_t>(static_cast<int32_t>(sample * FULL_SCALE) - OFFSET) << 14);
    }
    *read = size;
    return ESP_OK;
}

#else

void k1::start_listening() {}
void k1::listen(const float*) {}

#endif
