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

#include "../../core/frame_record.h"
#include "../../core/settings.h"

#define MAILBOX_ADDRESS 0x80E00000u
#define MAILBOX_MAGIC 0x4C48314Bu  // "K1HL"
#define MAILBOX_PROTOCOL 3u
#define MAILBOX_PATTERNS 255u
#define MAILBOX_LED_FRAMES FRAME_RING_CAPACITY

enum MailboxCommand {
    COMMAND_NONE = 0,
    COMMAND_SELECT = 1,   // arg[0] = pattern index
    COMMAND_PARAMS = 2,   // applies `params`, and writes back what was made of them (limits, not-a-number)
    COMMAND_ADVANCE = 3,  // renders frames until the board's clock reaches arg[0] | arg[1] << 32 (ns), at most arg[2] frames
    COMMAND_RUN = 4,      // a measured run: arg[0] pattern index, [1] seed, [2] warm-up frames, [3] frames (1 to ring_capacity), [4] stimulus, [5] run id (not 0), [6] audio source
    COMMAND_STIMULUS = 5, // arg[0] = stimulus, arg[1] = seed, arg[2] = audio source; for unmeasured rendering
    COMMAND_WARM_UP = 6,  // the first part of COMMAND_RUN, whose arguments it has
    COMMAND_MEASURE = 7,  // the second part, with the same arguments; what follows COMMAND_WARM_UP
    COMMAND_RECORDING = 8, // takes the recording (core/recording.h) of arg[0] bytes at RECORDING_ADDRESS for the stimulus 5
};

// Where the host puts a recording before COMMAND_RECORDING; it reaches up to the mailbox, and the firmware only reads
// it.
#define RECORDING_ADDRESS 0x80800000u
#define RECORDING_LIMIT (MAILBOX_ADDRESS - RECORDING_ADDRESS)

// Longest warm-up of a measured run, frames.
#define RUN_WARMUP_LIMIT 65536u

enum MailboxResult { RESULT_OK = 0, RESULT_BAD_ARGUMENT = 1, RESULT_UNKNOWN_COMMAND = 2 };

// Why the firmware gave up. The firmware fills in the panic record and exits the emulator with PANIC_EXIT_CODE.
enum PanicReason { PANIC_NONE = 0, PANIC_TRAP = 1, PANIC_WATCHDOG = 2, PANIC_ABORT = 3, PANIC_GUARD = 4 };
#define PANIC_EXIT_CODE 66u
// A frame, or a chunk of sound, that takes longer than this is ended by the watchdog.
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
    char text[96];     // what is known beyond that; may be empty
};

struct MailboxPattern {
    char id[64];
    char name[96];
    char description[192];
    uint32_t audio_reactive;
};  // 356 bytes; strings are UTF-8, cut at a character, NUL-terminated

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
    uint32_t can_listen;  // 1: there is an audio analysis for samples
    uint32_t reserved0;

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
    uint32_t arg[7];
    Settings params;

    MailboxPanic panic;
    MailboxPattern patterns[MAILBOX_PATTERNS];
    uint32_t reserved2;
    FrameRecord ring[FRAME_RING_CAPACITY];              // slot = sequence % FRAME_RING_CAPACITY
    uint8_t leds[MAILBOX_LED_FRAMES][3 * MAX_LEDS];          // quantised R, G, B of the same slot
};
