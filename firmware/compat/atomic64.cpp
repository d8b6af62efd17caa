// Atomic numbers of 64 bits on one core, where nothing interrupts but the watchdog: plain ones. A chip takes a lock.
#include <stdint.h>

extern "C" {

uint64_t __atomic_load_8(const volatile void* from, int) { return *static_cast<const volatile uint64_t*>(from); }
void __atomic_store_8(volatile void* to, uint64_t v, int) { *static_cast<volatile uint64_t*>(to) = v; }

uint64_t __atomic_exchange_8(volatile void* at, uint64_t v, int) {
    volatile uint64_t* const p = static_cast<volatile uint64_t*>(at);
    const uint64_t old = *p;
    *p = v;
    return old;
}

uint64_t __atomic_fetch_add_8(volatile void* at, uint64_t v, int) {
    volatile uint64_t* const p = static_cast<volatile uint64_t*>(at);
    const uint64_t old = *p;
    *p = old + v;
    return old;
}

uint64_t __atomic_fetch_sub_8(volatile void* at, uint64_t v, int order) { return __atomic_fetch_add_8(at, 0u - v, order); }

bool __atomic_compare_exchange_8(volatile void* at, void* expected, uint64_t v, bool, int, int) {
    volatile uint64_t* const p = static_cast<volatile uint64_t*>(at);
    uint64_t* const e = static_cast<uint64_t*>(expected);
    if (*p == *e) {
        *p = v;
        return true;
    }
    *e = *p;
    return false;
}

}
