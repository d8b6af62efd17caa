// Draws the patterns of generated/ with our own colour pipeline and quantiser.
#include "../../core/renderer.h"

#include "../../core/color_pipeline.h"
#include "../../core/parameters.h"
#include "../../core/pattern_abi.h"
#include "../../core/quantizer.h"

// A name of its own in the object file: the target puts it where a write behind it ends in a fault.
CRGBF leds[NUM_LEDS];

static_assert(HEARD_BINS == NUM_FREQS && HEARD_TEMPI == NUM_TEMPI, "what is heard is copied array by array");
static_assert(static_cast<int>(HEARD_DEGRADING) == static_cast<int>(TEMPO_DEGRADING), "and state by state");

namespace {

uint32_t current;
PatternParameters params = default_parameters();
ColorPipeline pipeline;
Quantizer quantizer;
AudioDataSnapshot snapshot;

template <typename T, uint32_t N>
void copy(T (&to)[N], const T (&from)[N]) {
    __builtin_memcpy(to, from, sizeof to);
}

PatternParameters to_parameters(const Settings& s) {
    PatternParameters p;
    p.brightness = s.brightness;
    p.softness = s.softness;
    p.color = s.color;
    p.color_range = s.color_range;
    p.saturation = s.saturation;
    p.warmth = s.warmth;
    p.background = s.background;
    p.dithering = s.dithering;
    p.mirror_mode = s.mirror_mode;
    p.led_offset = s.led_offset;
    p.speed = s.speed;
    p.palette_id = static_cast<uint8_t>(s.palette_id > 255u ? 255u : s.palette_id);
    p.custom_param_1 = s.custom_param_1;
    p.custom_param_2 = s.custom_param_2;
    p.custom_param_3 = s.custom_param_3;
    p.beat_threshold = s.beat_threshold;
    p.beat_squash_power = s.beat_squash_power;
    p.audio_responsiveness = s.audio_responsiveness;
    p.audio_sensitivity = s.audio_sensitivity;
    p.bass_treble_balance = s.bass_treble_balance;
    p.color_reactivity = s.color_reactivity;
    p.brightness_floor = s.brightness_floor;
    p.frame_min_period_ms = s.frame_min_period_ms;
    return p;
}

}  // namespace

namespace renderer {

void start() {}

void reset() {
    for (uint32_t i = 0; i < g_num_patterns; ++i) {
        if (g_pattern_resets[i]) g_pattern_resets[i]();
    }
    pipeline.reset();
    quantizer.reset();
    for (CRGBF& led : leds) led = CRGBF();
}

uint32_t pattern_count() { return g_num_patterns; }

PatternText pattern(uint32_t index) {
    const PatternInfo& info = g_pattern_registry[index];
    return {info.id, info.name, info.description, info.is_audio_reactive};
}

void select(uint32_t index) { current = index; }

void set_settings(const Settings& wanted) { params = sanitized(to_parameters(wanted)); }

Settings settings() {
    const PatternParameters& p = params;
    return {p.brightness,         p.softness,       p.color,
            p.color_range,        p.saturation,     p.warmth,
            p.background,         p.dithering,      p.mirror_mode,
            p.led_offset,         p.speed,          p.palette_id,
            p.custom_param_1,     p.custom_param_2, p.custom_param_3,
            p.beat_threshold,     p.beat_squash_power, p.audio_responsiveness,
            p.audio_sensitivity,  p.bass_treble_balance, p.color_reactivity,
            p.brightness_floor,   p.frame_min_period_ms};
}

void hear(const Heard& heard, const float*) {
    AudioDataPayload& audio = snapshot.payload;
    copy(audio.spectrogram, heard.spectrogram);
    copy(audio.spectrogram_smooth, heard.spectrogram_smooth);
    copy(audio.spectrogram_absolute, heard.spectrogram_absolute);
    copy(audio.chromagram, heard.chromagram);
    audio.vu_level = heard.vu_level;
    audio.vu_level_raw = heard.vu_level_raw;
    audio.novelty_curve = heard.novelty_curve;
    audio.tempo_confidence = heard.tempo_confidence;
    copy(audio.tempo_magnitude, heard.tempo_magnitude);
    copy(audio.tempo_phase, heard.tempo_phase);
    audio.locked_tempo_bpm = heard.locked_tempo_bpm;
    audio.tempo_lock_state = static_cast<TempoLockState>(heard.tempo_lock_state);
    audio.update_counter = heard.update_counter;
    audio.timestamp_us = heard.time_us;
    audio.is_valid = true;
    audio.is_silence = heard.is_silence;
    const uint32_t even = 2u * heard.update_counter;
    snapshot.sequence.store(even);
    snapshot.sequence_end.store(even);
}

// There is no analysis in it.
const bool CAN_LISTEN = false;
const bool KEEPS_SAMPLES = false;
void listen(const float*) {}

void draw(uint32_t elapsed_ms) {
    const PatternRenderContext context = {leds, NUM_LEDS, static_cast<float>(elapsed_ms) / 1000.0f, params, snapshot};
    g_pattern_registry[current].draw_fn(context);
    pipeline.apply(leds, params);
}

void quantize(uint8_t* rgb) { quantizer.apply(leds, params, rgb); }

uint32_t led_count() { return NUM_LEDS; }

}  // namespace renderer
