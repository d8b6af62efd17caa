// The stimulus as sound: samples of what a microphone would hear of a score, at the rate and in the chunks of the K1
// firmware.
#pragma once
#include <stdint.h>

const int SOUND_CHUNK = 64;
const int SOUND_RATE_HZ = 12800;

// What sounds in one chunk. Loudness: 0 to 1 each.
struct Score {
    static const int VOICES = 8;
    struct Voice {
        float bin;  // half tones above A#1, 58.27 Hz
        float loudness;
    };

    int voices;
    Voice voice[VOICES];
    float kick;   // a low drum
    float hat;    // noise without its low part
    float noise;  // white
};

class Sound {
public:
    void reset(uint32_t seed);
    // The next SOUND_CHUNK samples, -1 to 1; valid until the next call.
    const float* play(const Score& score);
    // The same of SOUND_CHUNK recorded ones, of which 32768 is full scale.
    const float* play(const int16_t* recorded);

private:
    // A sine that turns by one step per sample.
    struct Rotor {
        float cosine, sine;
        float loudness;  // at the end of the chunk before
    };

    void add_tone(Rotor& rotor, float hz, float loudness);
    float white();

    Rotor voices_[Score::VOICES];
    Rotor drum_;
    uint32_t random_;
    float last_white_;
    float samples_[SOUND_CHUNK];
};
