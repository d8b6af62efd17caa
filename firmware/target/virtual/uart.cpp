#include "uart.h"

#include "machine.h"

namespace uart {

void start() {
    using namespace machine;
    // The receive queue stays off: with it the emulator runs a timer in virtual time for every byte.
    write_byte(UART_INTERRUPT_ENABLE, UART_INTERRUPT_RECEIVED);
    write_word(PLIC_PRIORITY, 1);
    write_word(PLIC_ENABLE, 1u << UART_INTERRUPT);
}

void write(const char* text) {
    for (; *text; ++text) {
        while (!(machine::read_byte(machine::UART_LINE_STATUS) & machine::UART_CAN_SEND)) {
        }
        machine::write_byte(machine::UART_DATA, static_cast<uint8_t>(*text));
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
    while (!(read_byte(UART_LINE_STATUS) & UART_RECEIVED)) __asm__ volatile("wfi");
    __asm__ volatile("csrc mie, %0" ::"r"(EXTERNAL_BIT));
    (void)read_byte(UART_DATA);
    const uint32_t claimed = read_word(PLIC_CLAIM);
    if (claimed != 0) write_word(PLIC_CLAIM, claimed);
}

}  // namespace uart
