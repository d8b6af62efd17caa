#include "recording.h"

bool Recording::take(const void* bytes, uint32_t size) {
    *this = Recording();
    const RecordingHeader* header = static_cast<const RecordingHeader*>(bytes);
    if (size < sizeof *header || __builtin_memcmp(header->magic, "K1HS", 4) != 0) return false;
    if (header->version != RECORDING_VERSION || header->header_size != sizeof *header) return false;
    if (header->rate_hz != SOUND_RATE_HZ || header->chunk_size != SOUND_CHUNK || header->half_tones != HEARD_BINS) return false;
    const uint32_t room = (size - static_cast<uint32_t>(sizeof *header)) / sizeof(RecordedChunk);
    if (header->chunk_count == 0 || header->chunk_count > room) return false;
    header_ = header;
    chunks_ = reinterpret_cast<const RecordedChunk*>(header + 1);
    return true;
}
