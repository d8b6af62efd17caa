// The serial line: what is written goes to the board's log after the frame; nothing is ever received.
#pragma once
#include <stddef.h>
#include <stdint.h>

class Print {
public:
    size_t write(uint8_t byte);
    size_t write(const uint8_t* bytes, size_t size);
    size_t write(const char* text);
    size_t print(const char* text);
    size_t print(char c);
    size_t print(int value);
    size_t print(unsigned value);
    size_t print(long value);
    size_t print(unsigned long value);
    size_t print(double value, int digits = 2);
    size_t println();
    template <typename T>
    size_t println(T value) {
        const size_t written = print(value);
        return written + println();
    }
    size_t printf(const char* format, ...) __attribute__((format(printf, 2, 3)));
};

class HardwareSerial : public Print {
public:
    void begin(unsigned long) {}
    void end() {}
    void flush() {}
    size_t setRxBufferSize(size_t size) { return size; }
    int available() { return 0; }
    int read() { return -1; }
    explicit operator bool() const { return true; }
};

extern HardwareSerial Serial;
