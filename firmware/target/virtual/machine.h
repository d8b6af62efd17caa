// The registers of QEMU's `virt` machine that the firmware uses.
#pragma once
#include <stdint.h>

namespace machine {

inline uint8_t read_byte(uint32_t address) { return *reinterpret_cast<volatile uint8_t*>(address); }
inline uint32_t read_word(uint32_t address) { return *reinterpret_cast<volatile uint32_t*>(address); }
inline void write_byte(uint32_t address, uint8_t value) { *reinterpret_cast<volatile uint8_t*>(address) = value; }
inline void write_word(uint32_t address, uint32_t value) { *reinterpret_cast<volatile uint32_t*>(address) = value; }

// Writing `code << 16 | EXIT_FAIL` ends the emulator with that exit code.
const uint32_t SIFIVE_TEST = 0x00100000u;
const uint32_t EXIT_FAIL = 0x3333u;

// Core-local timer: 10 MHz of the emulator's virtual time.
const uint32_t TIMER_COMPARE = 0x02004000u;
const uint32_t TIMER_NOW = 0x0200BFF8u;
const uint32_t TIMER_TICKS_PER_MS = 10000u;

const uint32_t UART = 0x10000000u;  // 16550
const uint32_t UART_DATA = UART + 0;
const uint32_t UART_INTERRUPT_ENABLE = UART + 1;
const uint32_t UART_LINE_STATUS = UART + 5;
const uint8_t UART_INTERRUPT_RECEIVED = 0x01;
const uint8_t UART_RECEIVED = 0x01;
const uint8_t UART_CAN_SEND = 0x20;

const uint32_t UART_INTERRUPT = 10u;
const uint32_t PLIC = 0x0C000000u;
const uint32_t PLIC_PRIORITY = PLIC + 4 * UART_INTERRUPT;
const uint32_t PLIC_ENABLE = PLIC + 0x2000;
const uint32_t PLIC_CLAIM = PLIC + 0x200004;

// Bits of mie and mip, and the cause of a timer interrupt.
const uint32_t TIMER_BIT = 1u << 7;
const uint32_t EXTERNAL_BIT = 1u << 11;
const uint32_t CAUSE_TIMER = 0x80000007u;
const uint32_t CAUSE_LOAD_FAULT = 5u;
const uint32_t CAUSE_STORE_FAULT = 7u;

}  // namespace machine
