// The heap: all RAM that data, bss and the stack leave. First fit, freed neighbours are joined.
#pragma once
#include <stdint.h>

namespace heap {

uint32_t total();
uint32_t free_now();
uint32_t free_at_least();  // the least that was ever free
char* used_end();          // behind the last piece in use, and the header that follows it

}  // namespace heap
