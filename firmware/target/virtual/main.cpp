// The board's main loop: fills in the mailbox, then does what the host writes into it.
#include "../../core/frame_loop.h"
#include "../../core/platform.h"
#include "../../core/renderer.h"
#include "../../core/version.h"
#include "clock.h"
#include "guest_log.h"
#include "heap.h"
#include "identity.h"
#include "machine.h"
#include "shared_mailbox.h"
#include "uart.h"

__attribute__((section(".mailbox"))) Mailbox mailbox;

static_assert(sizeof(FrameStatus) == 6 * 4, "copied word by word");

namespace {

// What the host reads must be complete before the word that says so.
void finish_writing() { __asm__ volatile("fence rw, rw" ::: "memory"); }

// Copies `text`, shortened at the beginning of a UTF-8 character.
void copy_text(char* to, uint32_t size, const char* text) {
    uint32_t length = __builtin_strlen(text);
    if (length >= size) {
        length = size - 1;
        while (length > 0 && (text[length] & 0xC0) == 0x80) --length;
    }
    __builtin_memcpy(to, text, length);
    to[length] = '\0';
}

bool advance(FrameLoop& loop) {
    const uint64_t until_ns = static_cast<uint64_t>(mailbox.arg[1]) << 32 | mailbox.arg[0];
    const uint32_t most = mailbox.arg[2];
    loop.advance(until_ns, most);
    return true;
}

// Whether `audio` was good.
bool read_audio(const FrameLoop& loop, uint32_t stimulus, uint32_t seed, uint32_t source, Audio& audio) {
    if (stimulus == STIMULUS_RECORDING && !loop.recording().is_there()) return false;
    if (stimulus >= STIMULUS_COUNT || source >= AUDIO_SOURCE_COUNT) return false;
    if (source == AUDIO_SAMPLES && !renderer::CAN_LISTEN) return false;
    audio = {static_cast<StimulusKind>(stimulus), seed, static_cast<AudioSource>(source)};
    return true;
}

// Whether the plan was good.
bool read_plan(const FrameLoop& loop, RunPlan& plan) {
    plan.pattern = mailbox.arg[0];
    plan.warmup = mailbox.arg[2];
    plan.frames = mailbox.arg[3];
    plan.id = mailbox.arg[5];
    if (!read_audio(loop, mailbox.arg[4], mailbox.arg[1], mailbox.arg[6], plan.audio)) return false;
    if (plan.pattern >= renderer::pattern_count() || plan.id == 0) return false;
    if (plan.frames == 0 || plan.frames > FRAME_RING_CAPACITY || plan.warmup > RUN_WARMUP_LIMIT) return false;
    return true;
}

bool run(FrameLoop& loop, void (FrameLoop::*what)(const RunPlan&)) {
    RunPlan plan = RunPlan();
    if (!read_plan(loop, plan)) return false;
    (loop.*what)(plan);
    return true;
}

bool measure(FrameLoop& loop) {
    const FrameStatus& status = loop.status();
    if (status.run_state != RUN_RUNNING || status.run_id != mailbox.arg[5]) return false;
    return run(loop, &FrameLoop::measure);
}

bool change_audio(FrameLoop& loop) {
    Audio audio;
    if (!read_audio(loop, mailbox.arg[0], mailbox.arg[1], mailbox.arg[2], audio)) return false;
    loop.set_audio(audio);
    return true;
}

bool keep_recording(FrameLoop& loop) {
    Recording recording;
    const bool good = mailbox.arg[0] <= RECORDING_LIMIT && recording.take(reinterpret_cast<const void*>(RECORDING_ADDRESS), mailbox.arg[0]);
    loop.set_recording(recording);
    return good;
}

// Whether the arguments were good.
bool obey(FrameLoop& loop) {
    switch (mailbox.command) {
        case COMMAND_SELECT:
            if (mailbox.arg[0] >= renderer::pattern_count()) return false;
            loop.select(mailbox.arg[0]);
            return true;
        case COMMAND_PARAMS:
            loop.set_settings(mailbox.params);
            mailbox.params = loop.settings();
            return true;
        case COMMAND_STIMULUS: return change_audio(loop);
        case COMMAND_ADVANCE: return advance(loop);
        case COMMAND_RUN: return run(loop, &FrameLoop::run);
        case COMMAND_WARM_UP: return run(loop, &FrameLoop::warm_up);
        case COMMAND_MEASURE: return measure(loop);
        case COMMAND_RECORDING: return keep_recording(loop);
        default: return true;
    }
}

void introduce(const FrameLoop& loop) {
    mailbox.protocol = MAILBOX_PROTOCOL;
    mailbox.tick_hz = platform::TICK_HZ;
    mailbox.led_count = renderer::led_count();
    mailbox.ring_capacity = FRAME_RING_CAPACITY;
    mailbox.record_size = sizeof(FrameRecord);
    mailbox.pattern_count = renderer::pattern_count();
    mailbox.heap_total = heap::total();
    mailbox.can_listen = renderer::CAN_LISTEN ? 1u : 0u;
    mailbox.params = loop.settings();
    for (uint32_t i = 0; i < renderer::pattern_count(); ++i) {
        const renderer::PatternText from = renderer::pattern(i);
        MailboxPattern& to = mailbox.patterns[i];
        copy_text(to.id, sizeof to.id, from.id);
        copy_text(to.name, sizeof to.name, from.name);
        copy_text(to.description, sizeof to.description, from.description);
        to.audio_reactive = from.is_audio_reactive ? 1u : 0u;
    }
    platform::publish(loop.status());
    finish_writing();
    mailbox.magic = MAILBOX_MAGIC;
    finish_writing();
}

void say_hello() {
    uart::write("k1-hil-core " K1_HIL_CORE_VERSION " protocol ");
    uart::write_decimal(MAILBOX_PROTOCOL);
    uart::write(" elf ");
    for (uint32_t i = 0; i < 8; i += 4) {
        uint32_t word = 0;
        for (uint32_t k = 0; k < 4; ++k) word = word << 8 | app_descriptor.app_elf_sha256[i + k];
        uart::write_hex(word);
    }
    uart::write("\n");
}

void reply(uint32_t number) {
    finish_writing();
    mailbox.reply_number = number;
    finish_writing();
    uart::write("@");
    uart::write_decimal(number);
    uart::write("\n");
}

}  // namespace

namespace platform {

void transmit(const uint8_t*, uint32_t led_count) {
    // WS2812B: 24 bits of 1.25 µs per LED, then 50 µs of silence. Both strips are sent at the same time.
    sleep_ns(led_count * 24u * 1250u + 50000u);
}

uint32_t heap_free() { return heap::free_now(); }

void publish(const FrameStatus& status) {
    guest_log::flush();
    finish_writing();
    mailbox.current_pattern = status.current_pattern;
    mailbox.next_sequence = status.next_sequence;
    mailbox.run_id = status.run_id;
    mailbox.run_state = status.run_state;
    mailbox.run_first_sequence = status.run_first_sequence;
    mailbox.run_recorded = status.run_recorded;
    mailbox.now_ns = now_ns();
    mailbox.heap_free = heap::free_now();
    mailbox.heap_min_free = heap::free_at_least();
}

}  // namespace platform

int main() {
    board_clock::start_paused();
    uart::start();
    say_hello();
    __builtin_memset(&mailbox, 0, __builtin_offsetof(Mailbox, leds));
    renderer::start();
    platform::save_memory();
    const FrameRing ring = {mailbox.ring, mailbox.leds};
    static FrameLoop loop(ring);
    introduce(loop);
    reply(0);
    for (;;) {
        uart::wait_for_byte();
        finish_writing();
        const uint32_t number = mailbox.command_number;
        if (number == mailbox.reply_number) continue;
        const uint32_t command = mailbox.command;
        if (command > COMMAND_RECORDING) {
            mailbox.result = RESULT_UNKNOWN_COMMAND;
        } else {
            mailbox.result = obey(loop) ? RESULT_OK : RESULT_BAD_ARGUMENT;
        }
        platform::publish(loop.status());
        reply(number);
    }
}
