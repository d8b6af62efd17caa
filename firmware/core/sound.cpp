#include "sound.h"

#include "math/float_math.h"

namespace {

const float LOWEST_HZ = 58.27047f;
const float KICK_HZ = 65.0f;
const float TWO_PI_F = 6.28318548f;
// Music of several loud voices just fills the range.
const float HEADROOM = 0.2f;

}  // namespace

void Sound::reset(uint32_t seed) {
    for (Rotor& rotor : voices_) rotor = {1.0f, 0.0f, 0.0f};
    drum_ = {1.0f, 0.0f, 0.0f};
    random_ = (seed ^ 0xA511E9B3u) * 0x9E3779B1u | 1u;
    last_white_ = 0.0f;
}

const float* Sound::play(const Score& score) {
    for (float& sample : samples_) {
        const float noise = white();
        sample = score.noise * noise + score.hat * 0.5f * (noise - last_white_);
        last_white_ = noise;
    }
    for (int i = 0; i < Score::VOICES; ++i) {
        const bool sounds = i < score.voices;
        const float hz = LOWEST_HZ * float_math::exp2((sounds ? score.voice[i].bin : 0.0f) / 12.0f);
        add_tone(voices_[i], hz, sounds ? score.voice[i].loudness : 0.0f);
    }
    add_tone(drum_, KICK_HZ, 2.0f * score.kick);
    for (float& sample : samples_) sample *= HEADROOM;
    return samples_;
}

const float* Sound::play(const int16_t* recorded) {
    for (int i = 0; i < SOUND_CHUNK; ++i) samples_[i] = recorded[i] * (1.0f / 32768.0f);
    return samples_;
}

// The loudness moves evenly from that of the chunk before: a jump would be a click in all bins.
void Sound::add_tone(Rotor& rotor, float hz, float loudness) {
    const float step = TWO_PI_F * hz / SOUND_RATE_HZ;
    const float c = float_math::cos(step), s = float_math::sin(step);
    const float slope = (loudness - rotor.loudness) / SOUND_CHUNK;
    float x = rotor.cosine, y = rotor.sine, level = rotor.loudness;
    for (float& sample : samples_) {
        sample += level * y;
        level += slope;
        const float turned = x * c - y * s;
        y = x * s + y * c;
        x = turned;
    }
    // Rounding makes the circle a spiral; this keeps its radius.
    const float grown = 1.5f - 0.5f * (x * x + y * y);
    rotor = {x * grown, y * grown, loudness};
}

// -1 to 1.
float Sound::white() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    return static_cast<float>(static_cast<int32_t>(random_)) * (1.0f / 2147483648.0f);
}
