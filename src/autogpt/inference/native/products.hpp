// Quantized matrix products: activations to 8 bits in groups of 32, sums of products in integers,
// one multiplication with both scales for each group.
//
// A token's result is the same, bit by bit, whatever tokens are computed beside it: sums inside a
// group are integers, and groups are added in order.
#pragma once
#include "decoder.hpp"
#include "vectors.hpp"

namespace {

constexpr int GROUP = 32;

inline long blocks_of(long rows) { return (rows + LANES - 1) / LANES; }
inline long groups_of(long cols) { return (cols + GROUP - 1) / GROUP; }
inline long padded(long size) { return groups_of(size) * GROUP; }

// The tokens of tile number i, as tiles of 12, 8, 4, 2 and 1: few kernels serve any number.
inline int tile_width(long tokens_left) {
    for (int width : {TILE, 8, 4, 2})
        if (width <= TILE && tokens_left >= width) return width;
    return 1;
}

// Activations of N tokens, quantized. A tile of T tokens lies together, so that a product finds
// all it needs of a group in one place: [groups][8][T] four bytes, [groups][T] scales and sums.
struct Activations {
    int32_t* quads;
    float* scales;         // one step of the 8 bits
    int32_t* corrections;  // -128 * sum of the 8-bit values, see begin8
    float* sums;           // scale * sum of the 8-bit values, for matrices with minimums

    void quantize(const float* x, long group, long first, long token, int width, long groups) {
        Floats a = load(x), b = load(x + LANES);
        float largest = max_lanes(max(abs(a), abs(b)));
        float inverse = largest > 0 ? 127.0f / largest : 0.0f;
        int8_t bytes[GROUP];
        store_bytes(bytes, round(a * splat(inverse)));
        store_bytes(bytes + LANES, round(b * splat(inverse)));
        int32_t sum = 0;
        for (int8_t value : bytes) sum += value;
        long place = first * groups + group * width + token;
        scales[place] = largest / 127.0f;
        corrections[place] = -128 * sum;
        sums[place] = largest / 127.0f * float(sum);
        int32_t four[GROUP / 4];
        std::memcpy(four, bytes, GROUP);
        int32_t* target = quads + (first * groups + group * width) * (GROUP / 4) + token;
        for (int j = 0; j < GROUP / 4; ++j) target[j * width] = four[j];
    }
};

// One block of 16 rows times T tokens: out[t][lane].
template <int BITS, int T>
void multiply_tile(const Matrix& m, long block, const Activations& x, long first, float* out) {
    const long groups = groups_of(m.cols);
    const uint8_t* w = m.values + block * groups * BITS * 64;
    const uint16_t* scales = m.scales + block * groups * LANES;
    const uint16_t* mins = m.mins + block * groups * LANES;
    const int32_t* quads = x.quads + first * groups * (GROUP / 4);
    long place = first * groups;
    Floats total[T];
    for (int t = 0; t < T; ++t) total[t] = splat(0.0f);
    for (long g = 0; g < groups; ++g) {
        Ints sum[T];
        for (int t = 0; t < T; ++t) sum[t] = BITS == 8 ? begin8(x.corrections[place + t]) : zero();
#pragma GCC unroll 8
        for (int j = 0; j < BITS; ++j) {
            Bytes stored = load_bytes(w + j * 64);
            if (BITS == 8) {
                for (int t = 0; t < T; ++t) sum[t] = dot8(sum[t], stored, quads[j * T + t]);
            } else {
                Bytes low = low_nibbles(stored), high = high_nibbles(stored);
                for (int t = 0; t < T; ++t) {
                    sum[t] = dot4(sum[t], low, quads[j * T + t]);
                    sum[t] = dot4(sum[t], high, quads[(j + 4) * T + t]);
                }
            }
        }
        Floats scale = halves(scales + g * LANES);
        for (int t = 0; t < T; ++t)
            total[t] = fma(to_floats(sum[t]), scale * splat(x.scales[place + t]), total[t]);
        if (BITS == 4) {
            Floats least = halves(mins + g * LANES);
            for (int t = 0; t < T; ++t)
                total[t] = fma(least, splat(x.sums[place + t]), total[t]);
        }
        w += BITS * 64, quads += T * (GROUP / 4), place += T;
    }
    for (int t = 0; t < T; ++t) {
        if (m.bias) total[t] = total[t] + load(m.bias + block * LANES);
        store(out + t * LANES, total[t]);
    }
}

template <int BITS>
void multiply_width(const Matrix& m, long block, const Activations& x, long first, int width,
                    float* out) {
    switch (width) {
        case 1: return multiply_tile<BITS, 1>(m, block, x, first, out);
        case 2: return multiply_tile<BITS, 2>(m, block, x, first, out);
        case 4: return multiply_tile<BITS, 4>(m, block, x, first, out);
#if defined(__AVX512VNNI__)
        case 8: return multiply_tile<BITS, 8>(m, block, x, first, out);
        default: return multiply_tile<BITS, TILE>(m, block, x, first, out);
#endif
    }
}

inline void multiply(const Matrix& m, long block, const Activations& x, long first, int width,
                     float* out) {
    if (m.bits == 8) multiply_width<8>(m, block, x, first, width, out);
    else multiply_width<4>(m, block, x, first, width, out);
}

// Row `row` of a matrix of 8 bits, as numbers: how a token's embedding is read.
inline void read_row(const Matrix& m, long row, float* out) {
    const long groups = groups_of(m.cols), block = row / LANES, lane = row % LANES;
    for (long g = 0; g < groups; ++g) {
        const uint8_t* w = m.values + (block * groups + g) * 8 * 64 + lane * 4;
        float scales[LANES];
        store(scales, halves(m.scales + (block * groups + g) * LANES));
        for (int i = 0; i < GROUP; ++i)
            out[g * GROUP + i] = float(int(w[i / 4 * 64 + i % 4]) - 128) * scales[lane];
    }
}

}  // namespace
