// What an audio analysis reports of one chunk of sound. A firmware has its own type for it, with more around it.
#pragma once
#include <stdint.h>

const int HEARD_BINS = 64;
const int HEARD_TEMPI = 192;

enum HeardLock { HEARD_UNLOCKED = 0, HEARD_LOCKING = 1, HEARD_LOCKED = 2, HEARD_DEGRADING = 3 };

struct Heard {
    float spectrogram[HEARD_BINS];           // 0 to 1, scaled to the loudest; half tones from A#1, 58.27 Hz
    float spectrogram_smooth[HEARD_BINS];    // the same, low-passed
    float spectrogram_absolute[HEARD_BINS];  // not scaled to the loudest
    float chromagram[12];                    // C first, 0 to 1
    float vu_level;                          // 0 to 1, smoothed
    float vu_level_raw;
    float novelty_curve;                 // how much the spectrum grew since the last chunk
    float tempo_confidence;              // 0 to 1
    float tempo_magnitude[HEARD_TEMPI];  // 50 to 150 beats per minute
    float tempo_phase[HEARD_TEMPI];      // -pi to pi, 0 on the beat
    float locked_tempo_bpm;
    HeardLock tempo_lock_state;
    uint32_t update_counter;  // counts chunks, from 1
    uint32_t time_us;         // end of the chunk in the time base of the patterns
    bool is_silence;
};
