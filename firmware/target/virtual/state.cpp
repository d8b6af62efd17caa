// The memory of the firmware under test: what it was after start, how deep its stack reaches, and whether it wrote
// where it must not.
//
// A pattern may keep state in variables that only a restart of a chip would clear (K1's do, in function-local
// statics). So after start everything that belongs to the firmware under test is copied aside, and put back when a
// run begins: its variables, which the linker script gathers, the heap, and the LED buffers.
#include "../../core/platform.h"
#include "heap.h"
#include "mailbox.h"
#include "panic.h"

extern "C" char __tested_data_start[], __tested_data_end[], __tested_bss_start[], __tested_bss_end[];
extern "C" char __leds_page[], __leds_start[], __leds_end[], __sent_page[], __sent_start[], __sent_end[];
extern "C" char __heap_start[], __heap_end[], __stack_start[], __stack_end[], __saved_start[], __saved_end[];

namespace {

const uint32_t PAINT = 0xA5C3A5C3u;

struct Piece {
    char *start, *end;
};

const Piece VARIABLES[] = {
    {__tested_data_start, __tested_data_end},
    {__tested_bss_start, __tested_bss_end},
    {__leds_start, __leds_end},
    {__sent_start, __sent_end},
};

// The pages that hold the LED buffers may be written whole; what is in front of the buffers has this paint.
const Piece GUARDS[] = {{__leds_page, __leds_start}, {__sent_page, __sent_start}};
const char* const GUARDED[] = {"leds", "fastled_leds"};

char* saved_heap_end;
char* watched_from;  // stack pointer

uint32_t size_of(const Piece& piece) { return static_cast<uint32_t>(piece.end - piece.start); }

void paint(char* from, char* to) {
    for (uint32_t* p = reinterpret_cast<uint32_t*>(from); p + 1 <= reinterpret_cast<uint32_t*>(to); ++p) *p = PAINT;
}

// The first word from `from` on that is not painted any more.
char* first_change(char* from, char* to) {
    uint32_t* p = reinterpret_cast<uint32_t*>(from);
    // Four at once: this is done after every frame, over most of the stack.
    while (p + 4 <= reinterpret_cast<uint32_t*>(to) && ((p[0] ^ PAINT) | (p[1] ^ PAINT) | (p[2] ^ PAINT) | (p[3] ^ PAINT)) == 0) p += 4;
    while (p < reinterpret_cast<uint32_t*>(to) && *p == PAINT) ++p;
    return reinterpret_cast<char*>(p);
}

char* stack_pointer() {
    char* sp;
    __asm__ volatile("mv %0, sp" : "=r"(sp));
    return sp;
}

[[noreturn]] void guard_broken(const char* buffer) {
    MailboxPanic what = MailboxPanic();
    what.reason = PANIC_GUARD;
    describe(what, "the frame wrote in front of ");
    describe(what, buffer);
    panic(what);
}

}  // namespace

namespace platform {

void save_memory() {
    saved_heap_end = heap::used_end();
    uint32_t needed = static_cast<uint32_t>(saved_heap_end - __heap_start);
    for (const Piece& piece : VARIABLES) needed += size_of(piece);
    if (needed > static_cast<uint32_t>(__saved_end - __saved_start)) __builtin_trap();
    char* to = __saved_start;
    for (const Piece& piece : VARIABLES) {
        __builtin_memcpy(to, piece.start, size_of(piece));
        to += size_of(piece);
    }
    __builtin_memcpy(to, __heap_start, static_cast<uint32_t>(saved_heap_end - __heap_start));
    for (const Piece& guard : GUARDS) paint(guard.start, guard.end);
}

void restore_memory() {
    const char* from = __saved_start;
    for (const Piece& piece : VARIABLES) {
        __builtin_memcpy(piece.start, from, size_of(piece));
        from += size_of(piece);
    }
    const uint32_t heap_size = static_cast<uint32_t>(saved_heap_end - __heap_start);
    __builtin_memcpy(__heap_start, from, heap_size);
    // What is allocated later must not hold what the run before left there.
    __builtin_memset(saved_heap_end, 0, static_cast<uint32_t>(__heap_end - saved_heap_end));
}

void watch_stack() {
    watched_from = stack_pointer();
    paint(__stack_start, watched_from);
}

uint32_t stack_used() {
    const char* deepest = first_change(__stack_start, watched_from);
    return static_cast<uint32_t>(watched_from - deepest);
}

void check_guards() {
    for (uint32_t i = 0; i < sizeof GUARDS / sizeof *GUARDS; ++i) {
        if (first_change(GUARDS[i].start, GUARDS[i].end) != GUARDS[i].end) guard_broken(GUARDED[i]);
    }
}

}  // namespace platform
