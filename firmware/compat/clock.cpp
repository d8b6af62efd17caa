#include "clock.h"

#include "../core/time_base.h"

namespace {

bool sending;

}  // namespace

namespace compat {

uint64_t now_us() { return BOOT_US + time_base::elapsed_ns() / 1000u; }

void wait_us(uint64_t us) {
    if (!sending) time_base::sleep_ns(us * 1000u);
}

void begin_sending() { sending = true; }
void end_sending() { sending = false; }

}  // namespace compat
