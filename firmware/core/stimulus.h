// Synthetic audio: what the audio analysis of the firmware would report of a seeded sound, without a microphone.
//
// The analysis works in chunks of 5 ms, as K1's does (64 samples at 12.8 kHz); chunk n becomes known at n * 5 ms of
// the time base. What a pattern hears is a function of kind, seed and chunk number alone.
#pragma once
#include "heard.h"
#include "sound.h"

enum StimulusKind {
    STIMULUS_SILENCE = 0,
    STIMULUS_TONE = 1,   // one note with overtones and vibrato
    STIMULUS_BEAT = 2,   // a kick on each beat, hi-hats between them
    STIMULUS_NOISE = 3,  // all bins, no tempo
    STIMULUS_MUSIC = 4,  // bass on the beat, a moving melody over chords, hi-hats and some noise
};
#define STIMULUS_COUNT 5u

class Stimulus {
public:
    // Begins anew; the first chunk is made at once, for the chunk boundary at or before `now_us`.
    void reset(StimulusKind kind, uint32_t seed, uint64_t now_us);
    // When the next chunk becomes known, µs since the time base began.
    uint64_t next_us() const { return chunk_end_us_; }
    void make_chunk();

    // What an analysis would report of the last chunk, and what sounded in it.
    const Heard& heard() const { return heard_; }
    const Score& score() const { return score_; }

private:
    void play_tone();
    void play_beat();
    void play_noise(float loudness);
    void play_music();
    void follow_beat();
    void analyse();

    float random();  // 0 to 1, 1 excluded
    void add_note(float bin, float loudness);

    StimulusKind kind_;
    uint32_t random_;
    uint64_t chunk_end_us_;
    float bpm_;              // 0: no beat
    float beat_;             // place within the beat, 0 to 1
    uint32_t beats_;         // counts beats
    bool on_beat_;           // the beat began in this chunk
    float kick_, hat_;       // envelopes, 0 to 1
    float vibrato_;          // phase, radians
    float melody_;           // bin of the note that sounds
    float melody_level_;
    uint32_t key_;  // bin of the key's lowest note
    float loudest_;
    float energy_[HEARD_BINS];
    Heard heard_;
    Score score_;
};
