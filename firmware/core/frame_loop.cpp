#include "frame_loop.h"

#include "parameters.h"
#include "platform.h"

namespace {

const uint32_t NS_PER_MS = 1000000u;

// The scheduler of the K1 firmware wakes tasks on whole milliseconds only.
const uint32_t SCHEDULER_TICK_NS = NS_PER_MS;

// K1 starts with the first pattern that listens.
uint32_t first_pattern() {
    for (uint32_t i = 0; i < g_num_patterns; ++i) {
        if (g_pattern_registry[i].is_audio_reactive) return i;
    }
    return 0;
}

}  // namespace

FrameLoop::FrameLoop(const FrameRing& ring)
    : ring_(ring),
      status_(),
      params_(default_parameters()),
      idle_stimulus_(STIMULUS_MUSIC),
      idle_seed_(1),
      origin_ns_(0) {
    status_.current_pattern = first_pattern();
    begin(idle_stimulus_, idle_seed_);
}

void FrameLoop::select(uint32_t index) { status_.current_pattern = index; }

void FrameLoop::set_parameters(const PatternParameters& wanted) { params_ = sanitized(wanted); }

void FrameLoop::set_stimulus(StimulusKind kind, uint32_t seed) {
    idle_stimulus_ = kind;
    idle_seed_ = seed;
    stimulus_.reset(kind, seed, elapsed_ns() / 1000u);
}

void FrameLoop::advance(uint64_t until_ns, uint32_t most) {
    for (; most > 0 && platform::now_ns() < until_ns; --most) draw_frame(0);
}

void FrameLoop::run(const RunPlan& plan) {
    select(plan.pattern);
    status_.run_id = plan.id;
    status_.run_state = RUN_RUNNING;
    status_.run_first_sequence = status_.next_sequence + plan.warmup;
    status_.run_recorded = 0;
    platform::publish(status_);

    if (g_pattern_resets[plan.pattern]) g_pattern_resets[plan.pattern]();
    pipeline_.reset();
    quantizer_.reset();
    for (CRGBF& led : leds_) led = CRGBF();
    begin(plan.stimulus, plan.seed);

    for (uint32_t i = 0; i < plan.warmup; ++i) draw_frame(0);
    for (uint32_t i = 0; i < plan.frames; ++i) draw_frame(plan.id);

    status_.run_state = RUN_DONE;
    begin(idle_stimulus_, idle_seed_);
    platform::publish(status_);
}

// Starts the time base of patterns and audio at 0, now.
void FrameLoop::begin(StimulusKind kind, uint32_t seed) {
    stimulus_.reset(kind, seed, 0);
    origin_ns_ = platform::now_ns();
}

uint64_t FrameLoop::elapsed_ns() const { return platform::now_ns() - origin_ns_; }

// The clock is paused when this is called and when it returns, so a frame begins at the very moment at which the
// pacing of the one before it ended.
void FrameLoop::draw_frame(uint32_t run_id) {
    uint8_t* rgb = ring_.picture(status_.next_sequence);
    const uint64_t elapsed = elapsed_ns();
    const uint32_t elapsed_ms = static_cast<uint32_t>(elapsed / NS_PER_MS);
    stimulus_.advance_to(elapsed / 1000u);
    const PatternFunction draw = g_pattern_registry[status_.current_pattern].draw_fn;
    FrameRecord record = FrameRecord();
    record.sequence = status_.next_sequence;
    record.run_id = run_id;
    record.start_ns = platform::now_ns();
    record.audio_age_us = static_cast<uint32_t>(elapsed / 1000u) - stimulus_.snapshot().payload.timestamp_us;
    platform::arm_watchdog();
    platform::resume_clock();

    const uint32_t start = platform::ticks();
    const PatternRenderContext context = {leds_, NUM_LEDS, static_cast<float>(elapsed_ms) / 1000.0f, params_,
                                          stimulus_.snapshot()};
    draw(context);
    pipeline_.apply(leds_, params_);
    const uint32_t drawn = platform::ticks();
    quantizer_.apply(leds_, params_, rgb);
    const uint32_t quantized = platform::ticks();
    platform::disarm_watchdog();
    const uint32_t sending = platform::ticks();
    platform::transmit(rgb, NUM_LEDS);
    const uint32_t sent = platform::ticks();

    platform::pause_clock();
    record.render_ticks = drawn - start;
    record.quantize_ticks = quantized - drawn;
    record.transmit_ticks = sent - sending;
    record.heap_free = platform::heap_free();
    record.led_hash = picture_hash(rgb, 3 * NUM_LEDS);
    ring_.put(record);
    ++status_.next_sequence;
    if (run_id != 0) ++status_.run_recorded;
    pace(record.start_ns);
    platform::publish(status_);
}

// Sleeps for what is left of the frame's minimum period, in whole scheduler ticks: a delay of n ticks ends at the
// n-th tick from now, so frames that fit into the period begin on ticks and keep it exactly.
void FrameLoop::pace(uint64_t frame_start_ns) {
    const uint32_t period_us = static_cast<uint32_t>(params_.frame_min_period_ms * 1000.0f);
    const uint32_t worked_us = static_cast<uint32_t>(platform::now_ns() - frame_start_ns) / 1000u;
    if (worked_us >= period_us) return;
    const uint32_t ticks = (period_us - worked_us + 999u) / 1000u;
    platform::sleep_ns(static_cast<uint64_t>(ticks) * SCHEDULER_TICK_NS - elapsed_ns() % SCHEDULER_TICK_NS);
}
