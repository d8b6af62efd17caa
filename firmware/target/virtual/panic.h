// The end of a firmware that cannot go on.
#pragma once
#include <stdint.h>

#include "mailbox.h"

// Fills in the panic record, prints it as one line of the log, and ends the emulator with PANIC_EXIT_CODE.
[[noreturn]] void panic(const MailboxPanic& what);

// Adds to `what.text`, cut to its size.
void describe(MailboxPanic& what, const char* text);
void describe(MailboxPanic& what, uint32_t number);

extern "C" [[noreturn]] void abort();
