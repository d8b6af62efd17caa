// The board's main loop: fills in the mailbox, then does what the host writes into it.
#include "../../core/frame_loop.h"
#include "../../core/parameters.h"
#include "../../core/platform.h"
#include "../../core/version.h"
#include "clock.h"
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

PatternParameters from_mailbox(const MailboxParams& m) {
    PatternParameters p;
    p.brightness = m.brightness;
    p.softness = m.softness;
    p.color = m.color;
    p.color_range = m.color_range;
    p.saturation = m.saturation;
    p.warmth = m.warmth;
    p.background = m.background;
    p.dithering = m.dithering;
    p.mirror_mode = m.mirror_mode;
    p.led_offset = m.led_offset;
    p.speed = m.speed;
    p.palette_id = static_cast<uint8_t>(m.palette_id > 255u ? 255u : m.palette_id);
    p.custom_param_1 = m.custom_param_1;
    p.custom_param_2 = m.custom_param_2;
    p.custom_param_3 = m.custom_param_3;
    p.beat_threshold = m.beat_threshold;
    p.beat_squash_power = m.beat_squash_power;
    p.audio_responsiveness = m.audio_responsiveness;
    p.audio_sensitivity = m.audio_sensitivity;
    p.bass_treble_balance = m.bass_treble_balance;
    p.color_reactivity = m.color_reactivity;
    p.brightness_floor = m.brightness_floor;
    p.frame_min_period_ms = m.frame_min_period_ms;
    return p;
}

MailboxParams to_mailbox(const PatternParameters& p) {
    return {p.brightness,         p.softness,       p.color,
            p.color_range,        p.saturation,     p.warmth,
            p.background,         p.dithering,      p.mirror_mode,
            p.led_offset,         p.speed,          p.palette_id,
            p.custom_param_1,     p.custom_param_2, p.custom_param_3,
            p.beat_threshold,     p.beat_squash_power, p.audio_responsiveness,
            p.audio_sensitivity,  p.bass_treble_balance, p.color_reactivity,
            p.brightness_floor,   p.frame_min_period_ms};
}

bool advance(FrameLoop& loop) {
    const uint64_t until_ns = static_cast<uint64_t>(mailbox.arg[1]) << 32 | mailbox.arg[0];
    const uint32_t most = mailbox.arg[2];
    loop.advance(until_ns, most);
    return true;
}

bool run(FrameLoop& loop) {
    const RunPlan plan = {mailbox.arg[0], mailbox.arg[1], mailbox.arg[2], mailbox.arg[3],
                          static_cast<StimulusKind>(mailbox.arg[4]), mailbox.arg[5]};
    if (plan.pattern >= g_num_patterns || mailbox.arg[4] >= STIMULUS_COUNT || plan.id == 0) return false;
    if (plan.frames == 0 || plan.frames > FRAME_RING_CAPACITY || plan.warmup > RUN_WARMUP_LIMIT) return false;
    loop.run(plan);
    return true;
}

// Whether the arguments were good.
bool obey(FrameLoop& loop) {
    switch (mailbox.command) {
        case COMMAND_SELECT:
            if (mailbox.arg[0] >= g_num_patterns) return false;
            loop.select(mailbox.arg[0]);
            return true;
        case COMMAND_PARAMS:
            loop.set_parameters(from_mailbox(mailbox.params));
            mailbox.params = to_mailbox(loop.parameters());
            return true;
        case COMMAND_STIMULUS:
            if (mailbox.arg[0] >= STIMULUS_COUNT) return false;
            loop.set_stimulus(static_cast<StimulusKind>(mailbox.arg[0]), mailbox.arg[1]);
            return true;
        case COMMAND_ADVANCE: return advance(loop);
        case COMMAND_RUN: return run(loop);
        default: return true;
    }
}

void introduce(const FrameLoop& loop) {
    mailbox.protocol = MAILBOX_PROTOCOL;
    mailbox.tick_hz = platform::TICK_HZ;
    mailbox.led_count = NUM_LEDS;
    mailbox.ring_capacity = FRAME_RING_CAPACITY;
    mailbox.record_size = sizeof(FrameRecord);
    mailbox.pattern_count = g_num_patterns;
    mailbox.heap_total = heap::total();
    mailbox.params = to_mailbox(loop.parameters());
    for (uint32_t i = 0; i < g_num_patterns; ++i) {
        const PatternInfo& from = g_pattern_registry[i];
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

void arm_watchdog() {
    using namespace machine;
    uint32_t high, low;
    do {
        high = read_word(TIMER_NOW + 4);
        low = read_word(TIMER_NOW);
    } while (high != read_word(TIMER_NOW + 4));
    const uint64_t limit = (static_cast<uint64_t>(high) << 32 | low) + WATCHDOG_MS * TIMER_TICKS_PER_MS;
    write_word(TIMER_COMPARE, static_cast<uint32_t>(limit));
    write_word(TIMER_COMPARE + 4, static_cast<uint32_t>(limit >> 32));
    __asm__ volatile("csrs mie, %0\n\tcsrsi mstatus, 8" ::"r"(TIMER_BIT));
}

// The timer goes on, but nobody listens: setting it to "never" would make the emulator, whose time jumps to the next
// timer when the CPU sleeps, jump to the end of time.
void disarm_watchdog() { __asm__ volatile("csrci mstatus, 8\n\tcsrc mie, %0" ::"r"(machine::TIMER_BIT)); }

void publish(const FrameStatus& status) {
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
    heap::start();
    __builtin_memset(&mailbox, 0, __builtin_offsetof(Mailbox, leds));
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
        if (command > COMMAND_STIMULUS) {
            mailbox.result = RESULT_UNKNOWN_COMMAND;
        } else {
            mailbox.result = obey(loop) ? RESULT_OK : RESULT_BAD_ARGUMENT;
        }
        platform::publish(loop.status());
        reply(number);
    }
}
