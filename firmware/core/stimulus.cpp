#include "stimulus.h"

#include "math/float_math.h"

namespace {

const uint32_t CHUNK_US = 5000u;
const float CHUNK_S = 0.005f;
const float PI_F = 3.14159274f, TWO_PI_F = 6.28318548f;
const float FIRST_BPM = 50.0f;
const float BPM_STEP = 100.0f / (HEARD_TEMPI - 1);
// Bin 0 is A#1; the chromagram begins with C.
const uint32_t PITCH_OF_BIN_0 = 10u;
// Semitones of the minor pentatonic scale and of the chord on its first step.
const uint32_t PENTATONIC[5] = {0, 3, 5, 7, 10};
const uint32_t CHORD[3] = {0, 3, 7};

float clamped(float v) { return v < 0.0f ? 0.0f : (v > 1.0f ? 1.0f : v); }

}  // namespace

void Stimulus::reset(StimulusKind kind, uint32_t seed, const Recording& recording, uint64_t now_us) {
    kind_ = kind;
    recording_ = recording;
    recorded_ = nullptr;
    chunk_ = 0;
    // Seeds that lie close together, 0 included, are spread over all states of the generator but 0.
    random_ = (seed + 0x9E3779B9u) * 0x85EBCA6Bu;
    random_ = (random_ ^ (random_ >> 15)) | 1u;
    chunk_end_us_ = now_us - now_us % CHUNK_US;
    bpm_ = kind == STIMULUS_BEAT || kind == STIMULUS_MUSIC ? 90.0f + __builtin_floorf(random() * 50.0f) : 0.0f;
    sure_ = 0.9f;
    if (kind == STIMULUS_RECORDING) {
        bpm_ = recording.header().bpm;
        sure_ = recording.header().confidence;
    }
    beat_ = 1.0f;  // the first chunk begins a beat
    beats_ = 0;
    on_beat_ = false;
    kick_ = hat_ = vibrato_ = melody_level_ = 0.0f;
    key_ = 12u + static_cast<uint32_t>(random() * 12.0f);
    melody_ = static_cast<float>(key_ + 12u);
    loudest_ = 0.1f;
    for (float& e : energy_) e = 0.0f;
    heard_ = Heard();
    make_chunk();
}

void Stimulus::make_chunk() {
    Heard& audio = heard_;
    for (float& e : energy_) e = 0.0f;
    score_ = Score();
    if (kind_ == STIMULUS_RECORDING) {
        play_recording();
    } else if (bpm_ != 0.0f) {
        follow_beat();
    }
    if (bpm_ != 0.0f) follow_tempo();
    switch (kind_) {
        case STIMULUS_SILENCE: break;
        case STIMULUS_TONE: play_tone(); break;
        case STIMULUS_BEAT: play_beat(); break;
        case STIMULUS_NOISE: play_noise(0.6f); break;
        case STIMULUS_MUSIC: play_music(); break;
        case STIMULUS_RECORDING: break;
    }
    analyse();
    audio.is_silence = recorded_ ? (recorded_->flags & RECORDED_SILENT) != 0 : kind_ == STIMULUS_SILENCE;
    audio.time_us = static_cast<uint32_t>(chunk_end_us_);
    ++audio.update_counter;
    chunk_end_us_ += CHUNK_US;
}

// The next chunk of the recording, with its place in the beat.
void Stimulus::play_recording() {
    recorded_ = &recording_.chunk(chunk_++);
    for (int i = 0; i < HEARD_BINS; ++i) energy_[i] = recorded_->levels[i] * (1.0f / 65535.0f);
    beat_ = recorded_->beat * (1.0f / 65536.0f);
    on_beat_ = (recorded_->flags & RECORDED_ON_BEAT) != 0;
}

// Moves the beat on by one chunk.
void Stimulus::follow_beat() {
    beat_ += bpm_ / 60.0f * CHUNK_S;
    on_beat_ = beat_ >= 1.0f;
    if (on_beat_) {
        beat_ -= __builtin_floorf(beat_);
        ++beats_;
        kick_ = 1.0f;
    }
    kick_ *= 0.955f;  // halves in 75 ms
    const bool off_beat = beat_ >= 0.5f && beat_ - bpm_ / 60.0f * CHUNK_S < 0.5f;
    if (off_beat) hat_ = 1.0f;
    hat_ *= 0.89f;
}

// The tempo part of what is heard, one chunk later.
void Stimulus::follow_tempo() {
    Heard& audio = heard_;
    // The lock firms up over the first two seconds or so.
    audio.tempo_confidence += (sure_ - audio.tempo_confidence) * 0.008f;
    audio.locked_tempo_bpm = bpm_;
    audio.tempo_lock_state = audio.tempo_confidence > 0.6f   ? HEARD_LOCKED
                             : audio.tempo_confidence > 0.2f ? HEARD_LOCKING
                                                             : HEARD_UNLOCKED;
    for (int i = 0; i < HEARD_TEMPI; ++i) {
        const float bpm = FIRST_BPM + BPM_STEP * i;
        const float off = (bpm - bpm_) * 0.25f;
        audio.tempo_magnitude[i] = audio.tempo_confidence / (1.0f + off * off);
        float phase = audio.tempo_phase[i] + bpm * (TWO_PI_F / 60.0f * CHUNK_S);
        if (phase >= PI_F) phase -= TWO_PI_F;
        audio.tempo_phase[i] = phase;
    }
    // The bin of the tempo itself follows the beat and not its own clock.
    const int own = static_cast<int>((bpm_ - FIRST_BPM) / BPM_STEP + 0.5f);
    audio.tempo_phase[own] = (beat_ < 0.5f ? beat_ : beat_ - 1.0f) * TWO_PI_F;
}

void Stimulus::play_tone() {
    vibrato_ += TWO_PI_F * 5.0f * CHUNK_S;
    if (vibrato_ >= TWO_PI_F) vibrato_ -= TWO_PI_F;
    const float bin = static_cast<float>(key_) + 0.3f * float_math::sin(vibrato_);
    add_note(bin, 0.7f);
    add_note(bin + 12.0f, 0.3f);
    add_note(bin + 19.0f, 0.15f);
}

void Stimulus::play_beat() {
    score_.kick = kick_;
    score_.hat = 0.45f * hat_;
    for (int i = 0; i < 9; ++i) energy_[i] += kick_ * (1.0f - 0.09f * i);
    for (int i = 46; i < HEARD_BINS; ++i) energy_[i] += 0.45f * hat_ * (0.6f + 0.4f * random());
}

void Stimulus::play_noise(float loudness) {
    score_.noise = loudness;
    for (float& e : energy_) e += loudness * (0.4f + 0.6f * random());
}

void Stimulus::play_music() {
    play_beat();
    play_noise(0.06f);
    if (on_beat_) {
        // A step of the scale up or down, now and then a rest; the octave moves with the bar.
        const uint32_t octave = 12u * (1u + (beats_ / 8u) % 2u);
        melody_ = static_cast<float>(key_ + octave + PENTATONIC[static_cast<uint32_t>(random() * 5.0f)]);
        melody_level_ = random() < 0.15f ? 0.0f : 0.8f;
    }
    melody_level_ *= 0.992f;
    add_note(melody_, melody_level_);
    add_note(melody_ + 12.0f, 0.3f * melody_level_);
    const uint32_t chord_root = key_ + ((beats_ / 4u) % 2u) * 5u;
    for (uint32_t interval : CHORD) add_note(static_cast<float>(chord_root + interval), 0.3f);
    add_note(static_cast<float>(key_ % 12u), 0.7f * kick_);
}

// From the energies of the chunk to what patterns read.
void Stimulus::analyse() {
    Heard& audio = heard_;
    float peak = 0.0f, total = 0.0f, growth = 0.0f;
    for (float e : energy_) {
        if (e > peak) peak = e;
        total += e;
    }
    // The automatic gain follows a louder sound at once and a softer one over seconds.
    loudest_ = peak > loudest_ ? peak : loudest_ + (peak - loudest_) * 0.002f;
    const float gain = loudest_ > 0.1f ? 1.0f / loudest_ : 10.0f;
    float chroma[12] = {};
    float chroma_peak = 0.0f;
    for (uint32_t i = 0; i < HEARD_BINS; ++i) {
        const float level = clamped(energy_[i] * gain);
        if (level > audio.spectrogram[i]) growth += level - audio.spectrogram[i];
        audio.spectrogram[i] = level;
        audio.spectrogram_smooth[i] += (level - audio.spectrogram_smooth[i]) * 0.25f;
        audio.spectrogram_absolute[i] = 0.5f * energy_[i];
        float& pitch = chroma[(PITCH_OF_BIN_0 + i) % 12u];
        pitch += level;
        if (pitch > chroma_peak) chroma_peak = pitch;
    }
    for (int i = 0; i < 12; ++i) audio.chromagram[i] = chroma_peak > 0.0f ? chroma[i] / chroma_peak : 0.0f;
    audio.novelty_curve = clamped(growth / 16.0f);
    audio.vu_level_raw = clamped(1.5f * __builtin_sqrtf(total / HEARD_BINS));
    audio.vu_level += (audio.vu_level_raw - audio.vu_level) * 0.2f;
}

// A note spreads over the bins next to it.
void Stimulus::add_note(float bin, float loudness) {
    if (score_.voices < Score::VOICES) score_.voice[score_.voices++] = {bin, loudness};
    const int nearest = static_cast<int>(bin + 0.5f);
    for (int i = nearest - 2; i <= nearest + 2; ++i) {
        if (i < 0 || i >= HEARD_BINS) continue;
        const float off = static_cast<float>(i) - bin;
        energy_[i] += loudness / (1.0f + 3.0f * off * off);
    }
}

float Stimulus::random() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    return static_cast<float>(random_ >> 8) * (1.0f / 16777216.0f);
}
