// What the patterns hear without a microphone: what an audio analysis would report of a seeded synthetic sound, or of a
// recording.
//
// The analysis works in chunks of 5 ms, as K1's does (64 samples at 12.8 kHz); chunk n becomes known at n * 5 ms of
// the time base. What a pattern hears is a function of kind, seed (or recording) and chunk number alone.
#pragma once
#include "heard.h"
#include "recording.h"
#include "sound.h"

enum StimulusKind {
    STIMULUS_SILENCE = 0,
    STIMULUS_TONE = 1,   // one note with overtones and vibrato
    STIMULUS_BEAT = 2,   // a kick on each beat, hi-hats between them
    STIMULUS_NOISE = 3,  // all bins, no tempo
    STIMULUS_MUSIC = 4,  // bass on the beat, a moving melody over chords, hi-hats and some noise
    STIMULUS_RECORDING = 5,  // from its beginning
};
#define STIMULUS_COUNT 6u

class Stimulus {
public:
    // Begins anew; the first chunk is made at once, for the chunk boundary at or before `now_us`. A recording must be
    // there if it is the kind.
    void reset(StimulusKind kind, uint32_t seed, const Recording& recording, uint64_t now_us);
    // When the next chunk becomes known, µs since the time base began.
    uint64_t next_us() const { return chunk_end_us_; }
    void make_chunk();

    // What an analysis would report of the last chunk, and what sounded in it: a score, or of a recording the chunk.
    const Heard& heard() const { return heard_; }
    const Score& score() const { return score_; }
    const RecordedChunk* recorded() const { return recorded_; }

private:
    void play_tone();
    void play_beat();
    void play_noise(float loudness);
    void play_music();
    void play_recording();
    void follow_beat();
    void follow_tempo();
    void analyse();

    float random();  // 0 to 1, 1 excluded
    void add_note(float bin, float loudness);

    StimulusKind kind_;
    Recording recording_;
    const RecordedChunk* recorded_;  // null: synthetic
    uint32_t chunk_;                 // number of the next one
    uint32_t random_;
    uint64_t chunk_end_us_;
    float bpm_;              // 0: no beat
    float sure_;             // what the tempo's confidence grows to
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
