#include "panic.h"

#include "machine.h"
#include "shared_mailbox.h"
#include "uart.h"

extern "C" char __leds_page[], __leds_end[], __sent_page[], __sent_end[];
extern "C" char __guard_start[], __guard_end[];

namespace {

const char* const REASONS[] = {"none", "trap", "watchdog", "abort", "guard"};

// A write this near behind a buffer was meant for it.
const uint32_t NEAR = 0x8000u;

void write_field(const char* name, uint32_t value) {
    uart::write(name);
    uart::write_hex(value);
}

uint32_t address_of(const char* place) { return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(place)); }

// Whether `what` happened near the buffer; if so, says where.
bool is_near(MailboxPanic& what, const char* name, const char* page, const char* end) {
    const uint32_t first = address_of(page), behind = address_of(end);
    if (what.value < first - NEAR || what.value >= behind + NEAR) return false;
    const bool is_behind = what.value >= behind;
    describe(what, what.cause == machine::CAUSE_STORE_FAULT ? "a write " : "a read ");
    describe(what, is_behind ? what.value - behind : first - what.value);
    describe(what, is_behind ? " bytes behind the end of " : " bytes and more in front of ");
    describe(what, name);
    return true;
}

// Says what lies where the firmware must not go.
void explain_address(MailboxPanic& what) {
    if (is_near(what, "leds", __leds_page, __leds_end)) return;
    if (is_near(what, "fastled_leds", __sent_page, __sent_end)) return;
    if (what.value >= address_of(__guard_start) && what.value < address_of(__guard_end)) {
        describe(what, "the stack is full");
    }
}

}  // namespace

void describe(MailboxPanic& what, const char* text) {
    char* const end = what.text + sizeof what.text - 1;
    char* to = what.text + __builtin_strlen(what.text);
    while (*text && to < end) *to++ = *text++;
    *to = '\0';
}

void describe(MailboxPanic& what, uint32_t number) {
    char digits[11];
    char* p = digits + sizeof digits - 1;
    *p = '\0';
    do *--p = static_cast<char>('0' + number % 10);
    while ((number /= 10) != 0);
    describe(what, p);
}

void panic(const MailboxPanic& what) {
    mailbox.panic = what;
    mailbox.panic.frame = mailbox.next_sequence;
    mailbox.panic.pattern = mailbox.current_pattern;
    uart::write("panic: ");
    uart::write(REASONS[what.reason]);
    if (what.text[0]) {
        uart::write(": ");
        uart::write(what.text);
    }
    write_field(" cause ", what.cause);
    write_field(" pc ", what.pc);
    write_field(" value ", what.value);
    write_field(" ra ", what.ra);
    write_field(" sp ", what.sp);
    uart::write(" frame ");
    uart::write_decimal(mailbox.panic.frame);
    uart::write(" pattern ");
    uart::write_decimal(mailbox.panic.pattern);
    uart::write("\n");
    for (;;) machine::write_word(machine::SIFIVE_TEST, (PANIC_EXIT_CODE << 16) | machine::EXIT_FAIL);
}

// Called by trap_entry on a stack of its own.
extern "C" void on_trap(uint32_t cause, uint32_t pc, uint32_t value, uint32_t ra, uint32_t sp) {
    MailboxPanic what = {cause == machine::CAUSE_TIMER ? PANIC_WATCHDOG : PANIC_TRAP, cause, pc, value, ra, sp, 0, 0, ""};
    if (cause == machine::CAUSE_LOAD_FAULT || cause == machine::CAUSE_STORE_FAULT) explain_address(what);
    panic(what);
}

extern "C" void abort() {
    const uint32_t caller = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
    const uint32_t frame = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)));
    panic({PANIC_ABORT, 0, caller, 0, caller, frame, 0, 0, ""});
}

// What a virtual function without a body calls.
extern "C" void __cxa_pure_virtual() { abort(); }

// Objects of static storage are never destroyed: the firmware does not end.
extern "C" int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
void* __dso_handle = nullptr;
