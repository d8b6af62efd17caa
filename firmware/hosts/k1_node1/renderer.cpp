// A K1.node1 checkout as a renderer: its patterns, colour pipeline and quantiser, called as its render task would.
#include "../../core/renderer.h"

#include "../../compat/clock.h"
#include "k1.h"

// The bytes to be sent: in CRGB of FastLED, or before 4196261 as R, G, B here.
extern uint8_t rgb8_data[NUM_LEDS * 3] __attribute__((weak));

namespace {

uint32_t current;

// Not in PatternParameters before 110eb37.
template <typename From, typename To>
auto copy_placement(const From& from, To& to, int) -> decltype(from.led_offset, to.led_offset, void()) {
    to.mirror_mode = from.mirror_mode;
    to.led_offset = from.led_offset;
}
template <typename From, typename To>
void copy_placement(const From&, To&, long) {}

// Settings and PatternParameters have the same names in the same order; only the palette's type differs.
template <typename From, typename To>
void copy_settings(const From& from, To& to) {
    to.brightness = from.brightness;
    to.softness = from.softness;
    to.color = from.color;
    to.color_range = from.color_range;
    to.saturation = from.saturation;
    to.warmth = from.warmth;
    to.background = from.background;
    to.dithering = from.dithering;
    copy_placement(from, to, 0);
    to.speed = from.speed;
    to.palette_id = from.palette_id > 255u ? 255u : from.palette_id;
    to.custom_param_1 = from.custom_param_1;
    to.custom_param_2 = from.custom_param_2;
    to.custom_param_3 = from.custom_param_3;
    to.beat_threshold = from.beat_threshold;
    to.beat_squash_power = from.beat_squash_power;
    to.audio_responsiveness = from.audio_responsiveness;
    to.audio_sensitivity = from.audio_sensitivity;
    to.bass_treble_balance = from.bass_treble_balance;
    to.color_reactivity = from.color_reactivity;
    to.brightness_floor = from.brightness_floor;
    to.frame_min_period_ms = from.frame_min_period_ms;
}

#if K1_HAS_CONTEXT
void draw_pattern(float seconds, const PatternParameters& params) {
    AudioDataSnapshot audio;
    get_audio_snapshot(&audio);
    const PatternRenderContext context(leds, NUM_LEDS, seconds, params, audio);
    g_pattern_registry[current].draw_fn(context);
}
#else
void draw_pattern(float seconds, const PatternParameters& params) { g_pattern_registry[current].draw_fn(seconds, params); }
#endif

// What the stage after the pattern is, at this commit.
void apply_pipeline(const PatternParameters& params) {
#if K1_HAS_COLOR_PIPELINE
    apply_color_pipeline(params);
#else
    (void)params;
#endif
}

}  // namespace

namespace renderer {

// In the order of K1's setup().
void start() {
    init_rmt_driver();
#if K1_HAS_LED_TX_EVENTS
    led_tx_events_init(256);
#endif
    init_audio_stubs();
    init_audio_data_sync();
    k1::start_listening();
#if K1_HAS_BEAT_EVENTS
    beat_events_init(128);
#endif
    init_params();
#if K1_HAS_SHARED_BUFFERS
    init_shared_pattern_buffers();
#endif
}

// Everything was put back with the memory.
void reset() {}

uint32_t pattern_count() { return g_num_patterns; }

PatternText pattern(uint32_t index) {
    const PatternInfo& info = g_pattern_registry[index];
    return {info.id, info.name, info.description, info.is_audio_reactive};
}

void select(uint32_t index) {
    current = index;
    g_current_pattern_index = static_cast<uint8_t>(index);
}

void set_settings(const Settings& wanted) {
    PatternParameters params = get_params();
    copy_settings(wanted, params);
    update_params_safe(params);
}

Settings settings() {
    Settings settings = {};
    copy_settings(get_params(), settings);
    return settings;
}

void hear(const Heard& heard, const float* samples) { k1::set_audio(heard, samples); }

const bool CAN_LISTEN = k1::CAN_LISTEN;
const bool KEEPS_SAMPLES = true;
void listen(const float* samples) { k1::listen(samples); }

void draw(uint32_t elapsed_ms) {
    const PatternParameters& params = get_params();
    // K1's brightness is in the colour pipeline, and before there was one in the driver's own scale.
    global_brightness = K1_HAS_COLOR_PIPELINE ? 1.0f : params.brightness;
    draw_pattern(static_cast<float>(elapsed_ms) / 1000.0f, params);
    apply_pipeline(params);
}

void quantize(uint8_t* rgb) {
    compat::begin_sending();
    transmit_leds();
    compat::end_sending();
    if (const CRGB* sent = FastLED.leds()) {
        __builtin_memcpy(rgb, sent, 3 * NUM_LEDS);
    } else if (rgb8_data) {
        __builtin_memcpy(rgb, rgb8_data, 3 * NUM_LEDS);
    }
}

uint32_t led_count() { return NUM_LEDS; }

}  // namespace renderer
