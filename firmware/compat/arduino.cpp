#include "Arduino.h"

#include "../core/platform.h"
#include "../target/virtual/heap.h"
#include "clock.h"

EspClass ESP;

namespace {

uint32_t random_state = 1u;

uint32_t next_random() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

}  // namespace

unsigned long millis() { return static_cast<unsigned long>(compat::now_us() / 1000u); }
unsigned long micros() { return static_cast<unsigned long>(compat::now_us()); }
void delay(uint32_t ms) { compat::wait_us(static_cast<uint64_t>(ms) * 1000u); }
void delayMicroseconds(uint32_t us) { compat::wait_us(us); }
void yield() {}
extern "C" void esp_rom_delay_us(uint32_t us) { compat::wait_us(us); }

extern "C" int64_t esp_timer_get_time() { return static_cast<int64_t>(compat::now_us()); }

// A chip's random numbers are of its noise; here they are the same in every run.
long random(long end) { return end <= 0 ? 0 : static_cast<long>(next_random() % static_cast<uint32_t>(end)); }
long random(long begin, long end) { return begin >= end ? begin : begin + random(end - begin); }
void randomSeed(unsigned long seed) { random_state = static_cast<uint32_t>(seed) | 1u; }
extern "C" uint32_t esp_random() { return next_random(); }

long map(long x, long in_low, long in_high, long out_low, long out_high) {
    if (in_high == in_low) return -1;
    return (x - in_low) * (out_high - out_low) / (in_high - in_low) + out_low;
}

uint32_t EspClass::getFreeHeap() { return heap::free_now(); }
uint32_t EspClass::getHeapSize() { return heap::total(); }
uint32_t EspClass::getMinFreeHeap() { return heap::free_at_least(); }
uint32_t EspClass::getMaxAllocHeap() { return heap::free_now(); }

// A restart is the end of a run.
void EspClass::restart() { abort(); }
