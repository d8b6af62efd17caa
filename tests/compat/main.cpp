// Compares the C library of firmware/compat with this machine's. It is compiled with the library's names changed.
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

extern "C" {
int our_snprintf(char*, size_t, const char*, ...);
long our_strtol(const char*, char**, int);
void our_qsort(void*, size_t, size_t, int (*)(const void*, const void*));
float our_asinf(float);
float our_acosf(float);
float our_coshf(float);
float our_sinhf(float);
float our_log10f(float);
float our_cbrtf(float);
float our_rintf(float);
double our_adddf3(double, double);
double our_subdf3(double, double);
double our_muldf3(double, double);
double our_divdf3(double, double);
int our_ltdf2(double, double);
int our_gedf2(double, double);
double our_extendsfdf2(float);
float our_truncdfsf2(double);
int32_t our_fixdfsi(double);
double our_floatdidf(int64_t);
}

namespace {

int faults;

// `more`: what it is about.
void fault(const char* what, const char* more = "") {
    if (++faults <= 20) std::printf("%s %s\n", what, more);
}

uint64_t state = 88172645463325252ull;
uint64_t random64() {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

template <typename To, typename From>
To with_bits(From bits) {
    To v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}

bool same(double a, double b) { return (a != a && b != b) || std::memcmp(&a, &b, sizeof a) == 0; }

template <typename... Arguments>
void prints(const char* format, Arguments... arguments) {
    char ours[128], theirs[128];
    const int n = our_snprintf(ours, sizeof ours, format, arguments...);
    const int m = std::snprintf(theirs, sizeof theirs, format, arguments...);
    if (n != m || std::strcmp(ours, theirs) != 0) fault(format, ours);
}

void printing() {
    for (const char* format : {"%d", "%5d|", "%-5d|", "%05d", "%+d", "% d", "%x", "%#X", "%o", "%.3d", "%u"}) {
        for (int v : {0, 1, -1, 42, -1234567, 2147483647}) prints(format, v);
    }
    for (const char* format : {"%f", "%.0f", "%.1f", "%.3f", "%8.2f|", "%-8.2f|", "%08.2f", "%+.2f", "%.9f"}) {
        for (double v : {0.0, -0.0, 0.5, 1.5, 0.1, 3.14159265, -2.7, 1e9, 123456.789, 0.000012345, 99.996}) prints(format, v);
    }
    prints("%s|%10s|%-10s|%.2s|%c|%%", "text", "right", "left", "cut", 'x');
    prints("%lld %llu %hhu %hd", -5ll, 18446744073709551615ull, 300, 70000);
    prints("%*d %.*f", 6, 42, 2, 1.0);
    prints("%f %f", INFINITY, -INFINITY);
    char small[4];
    if (our_snprintf(small, sizeof small, "%d", 123456) != 6 || std::strcmp(small, "123") != 0) fault("cut");
    if (our_snprintf(nullptr, 0, "%d", 123456) != 6) fault("count only");
}

void doubles() {
    for (int i = 0; i < 500000; ++i) {
        const uint64_t x = random64();
        uint64_t y = random64();
        // Half of them near each other, where sums cancel.
        if (i & 1) y = (y & ~(0x7FFull << 52)) | ((x + ((y % 120) << 52)) & (0x7FFull << 52));
        const double a = with_bits<double>(x), b = with_bits<double>(y);
        if (!same(our_adddf3(a, b), a + b) || !same(our_subdf3(a, b), a - b)) fault("sum");
        if (!same(our_muldf3(a, b), a * b) || !same(our_divdf3(a, b), a / b)) fault("product");
        if ((our_ltdf2(a, b) < 0) != (a < b) || (our_gedf2(a, b) >= 0) != (a >= b)) fault("order");
        const float f = with_bits<float>(static_cast<uint32_t>(x));
        if (!same(our_extendsfdf2(f), static_cast<double>(f))) fault("to double");
        if (!same(our_truncdfsf2(a), static_cast<float>(a))) fault("to float");
        const double whole = std::fmod(a, 2e9);
        if (whole == whole && our_fixdfsi(whole) != static_cast<int32_t>(whole)) fault("to int");
        const int64_t n = static_cast<int64_t>(x);
        if (!same(our_floatdidf(n), static_cast<double>(n))) fault("from int64");
    }
}

// In units of the last place of the exact result.
double error(float got, double exact) {
    const float rounded = static_cast<float>(exact);
    if (exact != exact) return got != got ? 0 : 1e9;
    if (std::isinf(rounded)) return got == rounded ? 0 : 1e9;
    int exponent;
    std::frexp(exact, &exponent);
    const double unit = std::fabs(exact) < 1.17549435e-38 ? 1.4e-45 : std::ldexp(1.0, exponent - 24);
    return std::fabs(static_cast<double>(got) - exact) / unit;
}

void within(const char* name, float x, float got, double exact, double bound) {
    char at[32];
    std::snprintf(at, sizeof at, "at %a", static_cast<double>(x));
    if (!(error(got, exact) <= bound)) fault(name, at);
}

void mathematics() {
    for (uint64_t bits = 0; bits < 1ull << 32; bits += 16411) {
        const float x = with_bits<float>(static_cast<uint32_t>(bits));
        const double d = x;
        within("asinf", x, our_asinf(x), std::asin(d), 3.06);
        within("acosf", x, our_acosf(x), std::acos(d), 2.80);
        within("coshf", x, our_coshf(x), std::cosh(d), 2.90);
        within("sinhf", x, our_sinhf(x), std::sinh(d), 4.41);
        within("log10f", x, our_log10f(x), std::log10(d), 1.90);
        within("cbrtf", x, our_cbrtf(x), std::cbrt(d), 0.74);
        within("rintf", x, our_rintf(x), std::rint(d), 0);
    }
}

void the_rest() {
    for (const char* text : {"0", "  42z", "-17", "+8", "0x1F", "0x", "077", "2147483648", "-2147483649", "", "-"}) {
        for (int base : {0, 10, 16}) {
            char *a, *b;
            long ours = our_strtol(text, &a, base);
            // The board's long has 32 bits.
            long theirs = std::strtol(text, &b, base);
            theirs = theirs > 2147483647l ? 2147483647l : theirs < -2147483648l ? -2147483648l : theirs;
            if (static_cast<int32_t>(ours) != static_cast<int32_t>(theirs) || a != b) fault("strtol", text);
        }
    }
    int numbers[501];
    for (int& n : numbers) n = static_cast<int>(random64() % 1000);
    our_qsort(numbers, 501, sizeof *numbers, [](const void* a, const void* b) {
        return *static_cast<const int*>(a) - *static_cast<const int*>(b);
    });
    for (int i = 1; i < 501; ++i) {
        if (numbers[i - 1] > numbers[i]) fault("qsort");
    }
}

}  // namespace

int main() {
    printing();
    doubles();
    mathematics();
    the_rest();
    std::printf("%d faults\n", faults);
    return faults == 0 ? 0 : 1;
}
