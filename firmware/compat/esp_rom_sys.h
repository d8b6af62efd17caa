// Part of Arduino.h and FreeRTOS.h on the chip.
#pragma once
#include <stdint.h>

extern "C" void esp_rom_delay_us(uint32_t us);
