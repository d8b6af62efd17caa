#include "frame_ring.h"

static_assert(sizeof(FrameRecord) == 56, "a frame record is 56 bytes on the wire");

void FrameRing::put(FrameRecord record) const {
    uint32_t words[sizeof(FrameRecord) / 4];
    __builtin_memcpy(words, &record, sizeof words);
    uint32_t seal = FRAME_RECORD_SEAL;
    for (uint32_t i = 0; i + 1 < sizeof words / 4; ++i) seal ^= words[i];
    record.seal = seal;
    records[record.sequence % FRAME_RING_CAPACITY] = record;
}

uint32_t picture_hash(const uint8_t* rgb, uint32_t length) {
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < length; ++i) hash = (hash ^ rgb[i]) * 16777619u;
    return hash;
}
