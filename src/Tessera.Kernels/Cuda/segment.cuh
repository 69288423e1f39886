// AttentionSegment in C#: a sequence of a step, and where its positions lie.
#pragma once

// Positions of a page. Tiles of keys begin at multiples of it, so that a tile lies in one page and sums do not depend on how a
// sequence is cut into steps.
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
