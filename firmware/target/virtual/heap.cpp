#include "heap.h"

#include <stddef.h>

extern "C" char __heap_start[], __heap_end[];

namespace {

// In front of each piece of memory, free or not.
struct Block {
    uint32_t size;  // with this header, a multiple of ALIGNMENT
    uint32_t used;
    Block* next_free;  // by address; of a free block only
    uint32_t padding;
};

const uint32_t ALIGNMENT = 16;
static_assert(sizeof(Block) == ALIGNMENT, "what malloc returns is aligned as the header is long");

Block* first_free;
uint32_t heap_size, bytes_free, least_free;

void join_with_next(Block* block) {
    Block* next = block->next_free;
    if (next && reinterpret_cast<char*>(block) + block->size == reinterpret_cast<char*>(next)) {
        block->size += next->size;
        block->next_free = next->next_free;
    }
}

}  // namespace

// Called before anything else can: constructors of static objects may allocate.
extern "C" void start_heap() {
    first_free = reinterpret_cast<Block*>(__heap_start);
    heap_size = bytes_free = least_free = static_cast<uint32_t>(__heap_end - __heap_start) & ~(ALIGNMENT - 1);
    *first_free = {heap_size, 0, nullptr, 0};
}

namespace heap {

uint32_t total() { return heap_size; }
uint32_t free_now() { return bytes_free; }
uint32_t free_at_least() { return least_free; }

char* used_end() {
    char* end = __heap_start;
    for (char* at = __heap_start; at < __heap_start + heap_size;) {
        const Block* block = reinterpret_cast<const Block*>(at);
        at += block->size;
        if (block->used) end = at;
    }
    return end + sizeof(Block) < __heap_end ? end + sizeof(Block) : __heap_end;
}

}  // namespace heap

extern "C" void* malloc(size_t wanted) {
    if (wanted > heap_size) return nullptr;
    const uint32_t size = (static_cast<uint32_t>(wanted) + sizeof(Block) + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    for (Block** link = &first_free; *link; link = &(*link)->next_free) {
        Block* block = *link;
        if (block->size < size) continue;
        if (block->size >= size + 2 * sizeof(Block)) {
            Block* rest = reinterpret_cast<Block*>(reinterpret_cast<char*>(block) + size);
            *rest = {block->size - size, 0, block->next_free, 0};
            block->size = size;
            *link = rest;
        } else {
            *link = block->next_free;
        }
        block->used = 1;
        bytes_free -= block->size;
        if (bytes_free < least_free) least_free = bytes_free;
        return block + 1;
    }
    return nullptr;
}

extern "C" void free(void* memory) {
    if (!memory) return;
    Block* block = static_cast<Block*>(memory) - 1;
    if (!block->used) __builtin_trap();  // freed twice, or never given out
    block->used = 0;
    bytes_free += block->size;
    Block** link = &first_free;
    Block* before = nullptr;
    while (*link && *link < block) {
        before = *link;
        link = &before->next_free;
    }
    block->next_free = *link;
    *link = block;
    join_with_next(block);
    if (before) join_with_next(before);
}

// Without exceptions there is no way to report a full heap but to stop.
static void* allocate_or_stop(size_t size) {
    void* memory = malloc(size);
    if (!memory) __builtin_trap();
    return memory;
}

void* operator new(size_t size) { return allocate_or_stop(size); }
void* operator new[](size_t size) { return allocate_or_stop(size); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete(void* memory, size_t) noexcept { free(memory); }
void operator delete[](void* memory, size_t) noexcept { free(memory); }
