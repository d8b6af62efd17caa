#include "panic.h"

#include "machine.h"
#include "shared_mailbox.h"
#include "uart.h"

namespace {

const char* const REASONS[] = {"none", "trap", "watchdog", "abort"};

void write_field(const char* name, uint32_t value) {
    uart::write(name);
    uart::write_hex(value);
}

}  // namespace

void panic(const MailboxPanic& what) {
    mailbox.panic = what;
    mailbox.panic.frame = mailbox.next_sequence;
    mailbox.panic.pattern = mailbox.current_pattern;
    uart::write("panic: ");
    uart::write(REASONS[what.reason]);
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
    const uint32_t reason = cause == machine::CAUSE_TIMER ? PANIC_WATCHDOG : PANIC_TRAP;
    panic({reason, cause, pc, value, ra, sp, 0, 0});
}

extern "C" void abort() {
    const uint32_t caller = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__builtin_return_address(0)));
    const uint32_t frame = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(__builtin_frame_address(0)));
    panic({PANIC_ABORT, 0, caller, 0, caller, frame, 0, 0});
}

// What a virtual function without a body calls.
extern "C" void __cxa_pure_virtual() { abort(); }

// Objects of static storage are never destroyed: the firmware does not end.
extern "C" int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
void* __dso_handle = nullptr;
