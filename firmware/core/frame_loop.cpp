#include "frame_loop.h"

#include "platform.h"
#include "time_base.h"

namespace {

const uint32_t NS_PER_MS = 1000000u;

// The scheduler of the K1 firmware wakes tasks on whole milliseconds only.
const uint32_t SCHEDULER_TICK_NS = NS_PER_MS;

// K1 starts with the first pattern that listens.
uint32_t first_pattern() {
    for (uint32_t i = 0; i < renderer::pattern_count(); ++i) {
        if (renderer::pattern(i).is_audio_reactive) return i;
    }
    return 0;
}

}  // namespace

FrameLoop::FrameLoop(const FrameRing& ring)
    : ring_(ring),
      status_(),
      settings_(renderer::settings()),
      idle_({STIMULUS_MUSIC, 1, AUDIO_SNAPSHOT}),
      audio_(idle_),
      heard_until_us_(0) {
    status_.current_pattern = first_pattern();
    begin(idle_);
}

void FrameLoop::select(uint32_t index) {
    status_.current_pattern = index;
    renderer::select(index);
}

void FrameLoop::set_settings(const Settings& wanted) {
    renderer::set_settings(wanted);
    settings_ = renderer::settings();
}

void FrameLoop::set_audio(const Audio& audio) {
    idle_ = audio_ = audio;
    stimulus_.reset(audio.stimulus, audio.seed, recording_, time_base::elapsed_ns() / 1000u);
    sound_.reset(audio.seed);
    hear_first();
}

void FrameLoop::set_recording(const Recording& recording) {
    recording_ = recording;
    if (idle_.stimulus != STIMULUS_RECORDING) return;
    if (!recording.is_there()) idle_.stimulus = STIMULUS_MUSIC;
    set_audio(idle_);
}

void FrameLoop::advance(uint64_t until_ns, uint32_t most) {
    for (; most > 0 && platform::now_ns() < until_ns; --most) draw_frame(0);
}

void FrameLoop::run(const RunPlan& plan) {
    warm_up(plan);
    measure(plan);
}

void FrameLoop::warm_up(const RunPlan& plan) {
    status_.current_pattern = plan.pattern;
    status_.run_id = plan.id;
    status_.run_state = RUN_RUNNING;
    status_.run_first_sequence = status_.next_sequence + plan.warmup;
    status_.run_recorded = 0;
    platform::publish(status_);

    begin(plan.audio);
    for (uint32_t i = 0; i < plan.warmup; ++i) draw_frame(0);
}

void FrameLoop::measure(const RunPlan& plan) {
    for (uint32_t i = 0; i < plan.frames; ++i) draw_frame(plan.id);

    status_.run_state = RUN_DONE;
    begin(idle_);
    platform::publish(status_);
}

// Puts everything that a frame depends on to its beginning; time is 0 from here on.
void FrameLoop::begin(const Audio& audio) {
    platform::restore_memory();
    time_base::begin();
    renderer::reset();
    renderer::select(status_.current_pattern);
    renderer::set_settings(settings_);
    audio_ = audio;
    stimulus_.reset(audio.stimulus, audio.seed, recording_, 0);
    sound_.reset(audio.seed);
    heard_until_us_ = 0;
    hear_first();
    platform::watch_stack();
}

// Makes the sound that became known until `elapsed_us`, and returns the ticks that the firmware's analysis took.
uint32_t FrameLoop::hear_until(uint64_t elapsed_us) {
    uint32_t ticks = 0;
    while (stimulus_.next_us() <= elapsed_us) {
        stimulus_.make_chunk();
        const float* samples = next_samples();
        if (audio_.source == AUDIO_SNAPSHOT) {
            renderer::hear(stimulus_.heard(), samples);
        } else {
            ticks += listen(samples);
        }
        heard_until_us_ = stimulus_.heard().time_us;
    }
    return ticks;
}

// The chunk that the stimulus makes at its beginning; an analysis needs no first one.
void FrameLoop::hear_first() {
    if (audio_.source == AUDIO_SNAPSHOT) renderer::hear(stimulus_.heard(), next_samples());
}

// The samples of the stimulus's present chunk, if anybody looks at them.
const float* FrameLoop::next_samples() {
    const bool wanted = audio_.source != AUDIO_SNAPSHOT || renderer::KEEPS_SAMPLES;
    if (!wanted) return nullptr;
    const RecordedChunk* recorded = stimulus_.recorded();
    return recorded ? sound_.play(recorded->samples) : sound_.play(stimulus_.score());
}

// K1 analyses on a core of its own, so this costs the frames nothing; the result is known at once.
uint32_t FrameLoop::listen(const float* samples) {
    time_base::enter_audio(static_cast<uint64_t>(stimulus_.heard().time_us) * 1000u);
    platform::arm_watchdog();
    const uint32_t start = platform::ticks();
    renderer::listen(samples);
    const uint32_t end = platform::ticks();
    platform::disarm_watchdog();
    time_base::leave_audio();
    return end - start;
}

// The clock is paused when this is called and when it returns, so a frame begins at the very moment at which the
// pacing of the one before it ended.
void FrameLoop::draw_frame(uint32_t run_id) {
    uint8_t* rgb = ring_.picture(status_.next_sequence);
    const uint32_t leds = renderer::led_count();
    const uint64_t elapsed = time_base::elapsed_ns();
    const uint32_t elapsed_ms = static_cast<uint32_t>(elapsed / NS_PER_MS);
    FrameRecord record = FrameRecord();
    record.sequence = status_.next_sequence;
    record.run_id = run_id;
    record.start_ns = platform::now_ns();
    record.audio_ticks = hear_until(elapsed / 1000u);
    record.audio_age_us = static_cast<uint32_t>(elapsed / 1000u) - heard_until_us_;
    platform::arm_watchdog();
    platform::resume_clock();

    const uint32_t start = platform::ticks();
    renderer::draw(elapsed_ms);
    const uint32_t drawn = platform::ticks();
    renderer::quantize(rgb);
    const uint32_t quantized = platform::ticks();
    platform::disarm_watchdog();
    const uint32_t sending = platform::ticks();
    platform::transmit(rgb, leds);
    const uint32_t sent = platform::ticks();

    platform::pause_clock();
    platform::check_guards();
    record.render_ticks = drawn - start;
    record.quantize_ticks = quantized - drawn;
    record.transmit_ticks = sent - sending;
    record.heap_free = platform::heap_free();
    record.stack_used = platform::stack_used();
    record.led_hash = picture_hash(rgb, 3 * leds);
    ring_.put(record);
    ++status_.next_sequence;
    if (run_id != 0) ++status_.run_recorded;
    pace(record.start_ns);
    platform::publish(status_);
}

// Sleeps for what is left of the frame's minimum period, in whole scheduler ticks: a delay of n ticks ends at the
// n-th tick from now, so frames that fit into the period begin on ticks and keep it exactly.
void FrameLoop::pace(uint64_t frame_start_ns) {
    const uint32_t period_us = static_cast<uint32_t>(settings_.frame_min_period_ms * 1000.0f);
    const uint32_t worked_us = static_cast<uint32_t>(platform::now_ns() - frame_start_ns) / 1000u;
    if (worked_us >= period_us) return;
    const uint32_t ticks = (period_us - worked_us + 999u) / 1000u;
    platform::sleep_ns(static_cast<uint64_t>(ticks) * SCHEDULER_TICK_NS - time_base::elapsed_ns() % SCHEDULER_TICK_NS);
}
