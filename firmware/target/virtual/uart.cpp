#include "uart.h"

#include "machine.h"

namespace uart {

void start() {
    using namespace machine;
    // The receive queue stays off: with it the emulator runs a timer in virtual time for every byte.
    byte_at(UART_INTERRUPT_ENABLE) = UART_INTERRUPT_RECEIVED;
    word_at(PLIC_PRIORITY) = 1;
    word_at(PLIC_ENABLE) = 1u << UART_INTERRUPT;
}

void write(const char* text) {
    for (; *text; ++text) {
        while (!(machine::byte_at(machine::UART_LINE_STATUS) & machine::UART_CAN_SEND)) {
        }
        machine::byte_at(machine::UART_DATA) = static_cast<uint8_t>(*text);
    }
}

void write_decimal(uint32_t value) {
    char digits[11];
    char* p = digits + sizeof digits;
    *--p = '\0';
    do {
        *--p = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    write(p);
}

void write_hex(uint32_t value) {
    char digits[9] = {};
    for (int i = 7; i >= 0; --i, value >>= 4) digits[i] = "0123456789abcdef"[value & 15u];
    write(digits);
}

void wait_for_byte() {
    using namespace machine;
    // mstatus.MIE is off: the interrupt wakes the CPU but is not taken. It is enabled here only, so that a byte
    // that comes while a frame is drawn changes nothing.
    __asm__ volatile("csrs mie, %0" ::"r"(EXTERNAL_BIT));
    while (!(byte_at(UART_LINE_STATUS) & UART_RECEIVED)) __asm__ volatile("wfi");
    __asm__ volatile("csrc mie, %0" ::"r"(EXTERNAL_BIT));
    (void)byte_at(UART_DATA);
    const uint32_t claimed = word_at(PLIC_CLAIM);
    if (claimed != 0) word_at(PLIC_CLAIM) = claimed;
}

}  // namespace uart
