// A recording: sound from a file, and what an analysis on the host found in it, chunk by chunk. The bytes are those of
// harness/audio/format.rs, checked there; they lie where the board keeps them and are only read.
#pragma once
#include "heard.h"
#include "sound.h"

struct RecordingHeader {
    char magic[4];          // "K1HS"
    uint16_t version;       // RECORDING_VERSION
    uint16_t header_size;   // of this structure
    uint32_t rate_hz;       // SOUND_RATE_HZ
    uint16_t chunk_size;    // samples: SOUND_CHUNK
    uint16_t half_tones;    // HEARD_BINS
    uint32_t chunk_count;   // at least 1
    float bpm;              // 50 to 150; 0: no beat
    float confidence;       // 0 to 1
    float gain;             // what the file's samples were multiplied with
    uint32_t reserved[4];
};
#define RECORDING_VERSION 1u

struct RecordedChunk {
    int16_t samples[SOUND_CHUNK];  // 32768 is full scale
    uint16_t levels[HEARD_BINS];   // loudness of each half tone, 65535 is 1
    uint16_t beat;                 // place within the beat at the chunk's end, 65536 is 1
    uint16_t flags;
};
enum RecordedFlags { RECORDED_ON_BEAT = 1, RECORDED_SILENT = 2 };

static_assert(sizeof(RecordingHeader) == 48 && sizeof(RecordedChunk) == 260, "as the host writes them");

// A recording that is kept somewhere. It begins again behind its end.
class Recording {
public:
    Recording() : header_(nullptr), chunks_(nullptr) {}

    // Takes the recording in the `size` bytes at `bytes`, or none if they are none. Whether they are one.
    bool take(const void* bytes, uint32_t size);

    bool is_there() const { return header_ != nullptr; }
    const RecordingHeader& header() const { return *header_; }
    const RecordedChunk& chunk(uint32_t number) const { return chunks_[number % header_->chunk_count]; }

private:
    const RecordingHeader* header_;
    const RecordedChunk* chunks_;
};
