// The virtual board's mailbox: how the board's host process and the firmware on its emulated CPU talk.
//
// The emulated RAM is a file that the host maps too, so a record costs a store and not a UART byte.
// The mailbox lies at a fixed place in it; harness/vboard/mailbox.rs is its mirror in Rust. All numbers are
// little endian. A change of layout raises MAILBOX_PROTOCOL; the host refuses an image with another one.
//
// Doorbell: the host writes `command`, then raises `command_number` (one aligned store; it is never 0), then sends
// one byte over the UART, and nothing more until the reply. The
// firmware sleeps (wfi) until a byte comes, does the command to its end without reading any input, writes the
// status, sets `reply_number = command_number`, and prints the line "@<reply_number>\n". Lines that do not
// begin with '@' are the board's log. After boot, once the first part is filled in, it prints "@0".
#pragma once
#include <stdint.h>

#include "frame_record.h"

#define MAILBOX_ADDRESS 0x80E00000u
#define MAILBOX_MAGIC 0x4C48314Bu  // "K1HL"
#define MAILBOX_PROTOCOL 1u
#define MAILBOX_PATTERNS 255u
#define MAILBOX_LED_FRAMES FRAME_RING_CAPACITY

enum MailboxCommand {
    COMMAND_NONE = 0,
    COMMAND_SELECT = 1,   // arg[0] = pattern index
    COMMAND_PARAMS = 2,   // applies `params`, and writes back what was made of them (limits, not-a-number)
    COMMAND_ADVANCE = 3,  // renders frames until the board's clock reaches arg[0] | arg[1] << 32 (ns), at most arg[2] frames
    COMMAND_RUN = 4,      // a measured run: arg[0] pattern index, [1] seed, [2] warm-up frames, [3] frames (1 to ring_capacity), [4] stimulus, [5] run id (not 0)
    COMMAND_STIMULUS = 5, // arg[0] = stimulus, arg[1] = seed; for unmeasured rendering
};

// Longest warm-up of a measured run, frames.
#define RUN_WARMUP_LIMIT 65536u

enum MailboxResult { RESULT_OK = 0, RESULT_BAD_ARGUMENT = 1, RESULT_UNKNOWN_COMMAND = 2 };

// Why the firmware gave up. The firmware fills in the panic record and exits the emulator with PANIC_EXIT_CODE.
enum PanicReason { PANIC_NONE = 0, PANIC_TRAP = 1, PANIC_WATCHDOG = 2, PANIC_ABORT = 3 };
#define PANIC_EXIT_CODE 66u
// A frame that takes longer than this in board time is ended by the watchdog.
#define WATCHDOG_MS 1000u

struct MailboxPanic {
    uint32_t reason;  // PanicReason
    uint32_t cause;   // mcause
    uint32_t pc;      // mepc
    uint32_t value;   // mtval
    uint32_t ra;
    uint32_t sp;
    uint32_t frame;    // sequence number the frame would have had
    uint32_t pattern;  // index
};

struct MailboxPattern {
    char id[64];
    char name[96];
    char description[192];
    uint32_t audio_reactive;
};  // 356 bytes; strings are UTF-8, cut at a character, NUL-terminated

// PatternParameters in the order of the K1 firmware (core/pattern_abi.h).
struct MailboxParams {
    float brightness, softness, color, color_range, saturation, warmth, background, dithering, mirror_mode, led_offset, speed;
    uint32_t palette_id;
    float custom_param_1, custom_param_2, custom_param_3;
    float beat_threshold, beat_squash_power, audio_responsiveness, audio_sensitivity, bass_treble_balance;
    float color_reactivity, brightness_floor, frame_min_period_ms;
};  // 23 words

struct Mailbox {
    // Filled in at boot.
    uint32_t magic;          // MAILBOX_MAGIC, written last
    uint32_t protocol;       // MAILBOX_PROTOCOL
    uint32_t tick_hz;        // ticks of FrameRecord per second of board time
    uint32_t led_count;      // LEDs per frame
    uint32_t ring_capacity;  // FRAME_RING_CAPACITY
    uint32_t record_size;    // sizeof(FrameRecord)
    uint32_t pattern_count;
    uint32_t heap_total;  // bytes

    // Status: written by the firmware after each command; next_sequence and run_recorded also during a run.
    uint32_t reply_number;
    uint32_t result;          // MailboxResult
    uint32_t current_pattern;
    uint32_t next_sequence;   // sequence number of the next frame to be recorded
    uint32_t run_id;          // 0: no run since boot
    uint32_t run_state;       // 0 none, 1 running, 2 done
    uint32_t run_first_sequence;
    uint32_t run_recorded;    // frames of this run recorded so far
    uint64_t now_ns;          // board time since boot
    uint32_t heap_free;
    uint32_t heap_min_free;

    // Command: written by the host. At boot the firmware fills `params` with the defaults.
    uint32_t command_number;
    uint32_t command;
    uint32_t arg[6];
    MailboxParams params;

    uint32_t reserved;  // keeps what follows on a multiple of 8
    MailboxPanic panic;
    MailboxPattern patterns[MAILBOX_PATTERNS];
    uint32_t reserved2;
    FrameRecord ring[FRAME_RING_CAPACITY];              // slot = sequence % FRAME_RING_CAPACITY
    uint8_t leds[MAILBOX_LED_FRAMES][3 * 160];          // quantised R, G, B of the same slot
};
