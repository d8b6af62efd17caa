#include "clock.h"
#include "esp_heap_caps.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

#include "../target/virtual/heap.h"

extern "C" {

void vTaskDelay(TickType_t ticks) { compat::wait_us(static_cast<uint64_t>(ticks) * 1000u); }
TickType_t xTaskGetTickCount() { return static_cast<TickType_t>(compat::now_us() / 1000u); }
int xPortGetCoreID() { return 1; }

size_t heap_caps_get_free_size(uint32_t caps) { return caps & MALLOC_CAP_SPIRAM ? 0 : heap::free_now(); }
size_t heap_caps_get_total_size(uint32_t caps) { return caps & MALLOC_CAP_SPIRAM ? 0 : heap::total(); }
size_t heap_caps_get_largest_free_block(uint32_t caps) { return heap_caps_get_free_size(caps); }

}
