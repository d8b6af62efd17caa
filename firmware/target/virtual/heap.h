// The heap: all RAM that data, bss and the stack leave. First fit, freed neighbours are joined.
#pragma once
#include <stdint.h>

namespace heap {

void start();
uint32_t total();
uint32_t free_now();
uint32_t free_at_least();  // the least that was ever free

}  // namespace heap
