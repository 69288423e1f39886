// AttentionSegment in C#: a sequence of a step, and where its positions lie.
#pragma once

#define PAGE_POSITIONS 64

struct Segment {
    int query_start;
    int query_count;
    int key_count;
    long key_start;
    const int *pages;
};

// The row that holds a position's keys and values.
__device__ __forceinline__ long row_of(const Segment &segment, int position) {
    return segment.pages == 0 ? segment.key_start + position
                              : (long)segment.pages[position / PAGE_POSITIONS] * PAGE_POSITIONS + position % PAGE_POSITIONS;
}
