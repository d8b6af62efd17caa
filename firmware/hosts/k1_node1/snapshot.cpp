// The audio snapshot that K1's patterns read, filled with what the stimulus says that an analysis would find.
#include "../../compat/clock.h"
#include "../../core/sound.h"
#include "k1.h"

namespace {

const float FIRST_BPM = 50.0f, LAST_BPM = 150.0f;  // of the stimulus

template <typename T, uint32_t N>
void copy(T (&to)[N], const T (&from)[N]) {
    __builtin_memcpy(to, from, sizeof to);
}

// Commits differ in how many tempi they tell apart, and in which range.
#if K1_HAS_TEMPO
const float LOWEST_BPM = TEMPO_LOW, HIGHEST_BPM = TEMPO_HIGH;
#else
const float LOWEST_BPM = FIRST_BPM, HIGHEST_BPM = LAST_BPM;
#endif

template <uint32_t N>
void copy_tempi(float (&to)[N], const float (&from)[HEARD_TEMPI]) {
    for (uint32_t i = 0; i < N; ++i) {
        const float bpm = LOWEST_BPM + (HIGHEST_BPM - LOWEST_BPM) * static_cast<float>(i) / N;
        const float place = (bpm - FIRST_BPM) / (LAST_BPM - FIRST_BPM) * HEARD_TEMPI + 0.5f;
        to[i] = place < 0.0f || place >= HEARD_TEMPI ? 0.0f : from[static_cast<int>(place)];
    }
}

}  // namespace

namespace k1 {

void set_audio(const Heard& heard, const float* samples) {
    auto& audio = payload_of(audio_back, 0);
    copy(audio.spectrogram, heard.spectrogram);
    copy(audio.spectrogram_smooth, heard.spectrogram_smooth);
    copy(audio.spectrogram_absolute, heard.spectrogram_absolute);
    copy(audio.chromagram, heard.chromagram);
    audio.vu_level = heard.vu_level;
    audio.vu_level_raw = heard.vu_level_raw;
    audio.novelty_curve = heard.novelty_curve;
    audio.tempo_confidence = heard.tempo_confidence;
    copy_tempi(audio.tempo_magnitude, heard.tempo_magnitude);
    copy_tempi(audio.tempo_phase, heard.tempo_phase);
    set_lock(audio, heard.locked_tempo_bpm, heard.tempo_lock_state, 0);
    set_silence(audio, heard.is_silence, 0);
    audio.update_counter = heard.update_counter;
    audio.timestamp_us = static_cast<uint32_t>(compat::BOOT_US) + heard.time_us;
    audio.is_valid = true;
    commit_audio_data();
    // Some patterns read these, without the snapshot.
#if K1_HAS_TEMPO
    tempo_confidence = heard.tempo_confidence;
#endif
    audio_level = heard.vu_level;
    const int kept = SAMPLE_HISTORY_LENGTH - SOUND_CHUNK;
    __builtin_memmove(sample_history, sample_history + SOUND_CHUNK, kept * sizeof(float));
    __builtin_memcpy(sample_history + kept, samples, SOUND_CHUNK * sizeof(float));
}

}  // namespace k1
