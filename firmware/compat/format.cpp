// snprintf and vsnprintf: %d i u x X o c s p % and %f F (also for e and g), with flags, width, precision and the
// lengths hh h l ll z t j. A floating-point number is printed from its bits, without arithmetic in double precision:
// exact to the 19th decimal, halves to even; beyond 2^63 as "ovf".
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

namespace {

class Text {
public:
    Text(char* to, size_t size) : to_(to), size_(size), length_(0) {}
    void add(char c) {
        if (length_ + 1 < size_) to_[length_] = c;
        ++length_;
    }
    int finish() {
        if (size_ > 0) to_[length_ < size_ ? length_ : size_ - 1] = '\0';
        return static_cast<int>(length_);
    }

private:
    char* to_;
    size_t size_, length_;
};

struct Field {
    bool left, plus, space, alternate, zero;
    int width;
    int precision;  // below 0: none
};

const int LONGEST_NUMBER = 48;
const int MOST_DECIMALS = 19;

void pad(Text& out, char c, int count) {
    for (; count > 0; --count) out.add(c);
}

// `digits` behind `sign`, as wide as wanted; zeros stand between the two.
void add_number(Text& out, const Field& field, const char* sign, const char* digits, int count, bool zeros) {
    const int signs = static_cast<int>(strlen(sign));
    const int fill = field.width - signs - count;
    const bool with_zeros = zeros && field.zero && !field.left;
    if (!field.left && !with_zeros) pad(out, ' ', fill);
    while (*sign) out.add(*sign++);
    if (with_zeros) pad(out, '0', fill);
    for (int i = 0; i < count; ++i) out.add(digits[i]);
    if (field.left) pad(out, ' ', fill);
}

// Writes the digits of `value` so that they end at `end`, and returns where they begin.
char* put_digits(char* end, uint64_t value, unsigned base, bool upper) {
    const char* const letters = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    do {
        // Most numbers are short; a division of 64 bits is a long loop.
        if (value >> 32 == 0) {
            *--end = letters[static_cast<uint32_t>(value) % base];
            value = static_cast<uint32_t>(value) / base;
        } else {
            *--end = letters[value % base];
            value /= base;
        }
    } while (value != 0);
    return end;
}

const char* sign_of(const Field& field, bool negative) {
    return negative ? "-" : field.plus ? "+" : field.space ? " " : "";
}

void add_integer(Text& out, const Field& field, uint64_t value, const char* sign, unsigned base, bool upper) {
    char text[LONGEST_NUMBER];
    char* const end = text + sizeof text;
    char* begin = put_digits(end, value, base, upper);
    if (field.precision == 0 && value == 0) begin = end;
    while (end - begin < field.precision && begin > text) *--begin = '0';
    if (field.alternate && base == 16 && value != 0) sign = upper ? "0X" : "0x";
    add_number(out, field, sign, begin, static_cast<int>(end - begin), field.precision < 0);
}

// A fraction of 2^-64ths times ten: the digit in front of the point.
unsigned next_digit(uint64_t& fraction) {
    const uint64_t low = (fraction & 0xFFFFFFFFu) * 10u;
    const uint64_t high = (fraction >> 32) * 10u + (low >> 32);
    fraction = high << 32 | (low & 0xFFFFFFFFu);
    return static_cast<unsigned>(high >> 32);
}

// The whole part and the 2^-64ths of the magnitude with these bits; false: too large.
bool split(uint64_t bits, uint64_t& whole, uint64_t& fraction) {
    const int exponent = static_cast<int>(bits >> 52 & 0x7FF) - 1075;
    const uint64_t mantissa = (bits & 0xFFFFFFFFFFFFFull) | (exponent > -1075 ? 1ull << 52 : 0);
    whole = fraction = 0;
    if (exponent > 10) return false;
    if (exponent >= 0) {
        whole = mantissa << exponent;
    } else if (exponent > -64) {
        whole = mantissa >> -exponent;
        fraction = mantissa << (64 + exponent);
    } else if (exponent > -128) {
        fraction = mantissa >> (-64 - exponent);
    }
    return true;
}

void add_float(Text& out, const Field& field, double value) {
    uint64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    const char* const sign = sign_of(field, bits >> 63 != 0);
    bits &= ~(1ull << 63);
    if (bits >= 0x7FF0000000000000ull) {
        add_number(out, field, sign, bits == 0x7FF0000000000000ull ? "inf" : "nan", 3, false);
        return;
    }
    uint64_t whole, fraction;
    if (!split(bits, whole, fraction)) {
        add_number(out, field, sign, "ovf", 3, false);
        return;
    }
    int decimals = field.precision < 0 ? 6 : field.precision;
    if (decimals > MOST_DECIMALS) decimals = MOST_DECIMALS;
    uint64_t decimal = 0, scale = 1;
    for (int i = 0; i < decimals; ++i) {
        decimal = decimal * 10u + next_digit(fraction);
        scale *= 10u;
    }
    const bool odd = ((decimals > 0 ? decimal : whole) & 1u) != 0;
    const uint64_t half = 1ull << 63;
    if (fraction > half || (fraction == half && odd)) ++decimal;
    if (decimal == scale) {
        decimal = 0;
        ++whole;
    }
    char text[LONGEST_NUMBER];
    char* const end = text + sizeof text;
    char* begin = end;
    if (decimals > 0) {
        begin = put_digits(end, decimal, 10, false);
        while (end - begin < decimals) *--begin = '0';
        *--begin = '.';
    }
    begin = put_digits(begin, whole, 10, false);
    add_number(out, field, sign, begin, static_cast<int>(end - begin), true);
}

void add_text(Text& out, const Field& field, const char* text) {
    if (!text) text = "(null)";
    int length = 0;
    while ((field.precision < 0 || length < field.precision) && text[length]) ++length;
    if (!field.left) pad(out, ' ', field.width - length);
    for (int i = 0; i < length; ++i) out.add(text[i]);
    if (field.left) pad(out, ' ', field.width - length);
}

int read_number(const char*& format) {
    int value = 0;
    for (; *format >= '0' && *format <= '9'; ++format) value = value * 10 + (*format - '0');
    return value;
}

Field read_flags(const char*& format) {
    Field field = {false, false, false, false, false, 0, -1};
    for (;; ++format) {
        switch (*format) {
            case '-': field.left = true; break;
            case '+': field.plus = true; break;
            case ' ': field.space = true; break;
            case '#': field.alternate = true; break;
            case '0': field.zero = true; break;
            default: return field;
        }
    }
}

// How many bytes an integer argument has.
int read_length(const char*& format) {
    int size = 4;
    for (;; ++format) {
        switch (*format) {
            case 'h': size = size == 2 ? 1 : 2; break;
            case 'l': size = format[1] == 'l' ? 8 : size; break;
            case 'j': size = 8; break;
            case 'z':
            case 't': break;
            default: return size;
        }
    }
}

int64_t as_signed(uint64_t value, int size) {
    switch (size) {
        case 1: return static_cast<int8_t>(value);
        case 2: return static_cast<int16_t>(value);
        case 4: return static_cast<int32_t>(value);
        default: return static_cast<int64_t>(value);
    }
}

uint64_t as_unsigned(uint64_t value, int size) {
    return size == 8 ? value : value & ((1ull << (8 * size)) - 1u);
}

}  // namespace

extern "C" int vsnprintf(char* to, size_t size, const char* format, va_list arguments) {
    Text out(to, size);
    while (*format) {
        if (*format != '%') {
            out.add(*format++);
            continue;
        }
        ++format;
        Field field = read_flags(format);
        if (*format == '*') {
            field.width = va_arg(arguments, int);
            if (field.width < 0) {
                field.left = true;
                field.width = -field.width;
            }
            ++format;
        } else {
            field.width = read_number(format);
        }
        if (*format == '.') {
            ++format;
            if (*format == '*') {
                field.precision = va_arg(arguments, int);
                ++format;
            } else {
                field.precision = read_number(format);
            }
        }
        const int length = read_length(format);
        const char conversion = *format;
        if (!conversion) break;
        ++format;
        switch (conversion) {
            case 'd':
            case 'i': {
                const uint64_t raw = length == 8 ? va_arg(arguments, uint64_t) : va_arg(arguments, uint32_t);
                const int64_t value = as_signed(raw, length);
                const uint64_t magnitude = value < 0 ? 0u - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
                add_integer(out, field, magnitude, sign_of(field, value < 0), 10, false);
                break;
            }
            case 'u':
            case 'o':
            case 'x':
            case 'X': {
                const uint64_t raw = length == 8 ? va_arg(arguments, uint64_t) : va_arg(arguments, uint32_t);
                const unsigned base = conversion == 'u' ? 10u : conversion == 'o' ? 8u : 16u;
                add_integer(out, field, as_unsigned(raw, length), "", base, conversion == 'X');
                break;
            }
            case 'p': {
                field.alternate = true;
                add_integer(out, field, va_arg(arguments, uint32_t), "", 16, false);
                break;
            }
            case 'f':
            case 'F':
            case 'e':
            case 'E':
            case 'g':
            case 'G': add_float(out, field, va_arg(arguments, double)); break;
            case 'c': {
                const char text[2] = {static_cast<char>(va_arg(arguments, int)), '\0'};
                add_text(out, field, text);
                break;
            }
            case 's': add_text(out, field, va_arg(arguments, const char*)); break;
            case '%': out.add('%'); break;
            default:
                out.add('%');
                out.add(conversion);
        }
    }
    return out.finish();
}

extern "C" int snprintf(char* to, size_t size, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    return length;
}

extern "C" int sprintf(char* to, const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(to, static_cast<size_t>(-1) / 2, format, arguments);
    va_end(arguments);
    return length;
}
